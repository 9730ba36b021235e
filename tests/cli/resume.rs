//! The same seed gives the same bytes: for any number of threads, and with or without a stop and resume.

use crate::support::Place;
use abr_film::config::Config;
use abr_film::data::{Dataset, load};
use abr_film::engine::device::Cpu;
use abr_film::train::{Outcome, Trainer};
use std::ops::ControlFlow;
use std::path::Path;

#[track_caller]
fn same(place: &Place, a: &str, b: &str) {
    for file in ["best.safetensors", "last.safetensors"] {
        assert!(
            place.bytes(&format!("{a}/{file}")) == place.bytes(&format!("{b}/{file}")),
            "{a} and {b}: {file} differs"
        );
    }
}

#[test]
fn one_thread_or_two() {
    let place = Place::new();
    // wide enough that kernels split their work
    place.write(
        "wide.json",
        r#"{"model": {"latent_dim": 16, "encoder_dims": [256], "encoder_dropout": [0.1], "decoder_dims": [256, 512],
                      "signal_head_dim": 512, "static_head_dims": [64], "predict_peaks": true},
            "training": {"batch_size": 64, "num_epochs": 2},
            "data": {"synth": {"subjects": 20, "rows_per_subject": 10}}, "output": {"save_every_n_epochs": 0}}"#,
    );
    // without a clip, as in the documented model, weights make their step within the backward pass
    for clip in ["1.0", "null"] {
        let run = |threads: usize| {
            let out = format!("clip-{clip}-threads-{threads}");
            let set = format!("--set training.gradient_clip={clip}");
            place.ok(&format!("train --config wide.json {set} --threads {threads} --device cpu --out {out}"));
            out
        };
        let alone = run(1);
        same(&place, &alone, &run(2));
        same(&place, &alone, &run(5));
    }
}

/// The states of schedule, warm-up and patience survive a resume.
const RUNS: [&str; 6] = [
    "--set training.scheduler.T_max=5",
    "--set training.scheduler.type=plateau --set training.scheduler.patience=0 --set training.learning_rate=0.01",
    "--set training.scheduler.type=constant --set training.kl_warmup_epochs=1 --set film.condition_dropout=0.3 \
     --set training.optimizer.type=adamw --set training.gradient_clip=0.5",
    "--set training.scheduler.T_max=9 --set training.learning_rate=0.05 --set training.early_stopping_patience=2 \
     --set training.likelihood=calibrated",
    "--set model.static_dim=2 --set data.static_columns=[\"age_years\",\"conductive_loss_db\"] --set \
     data.validation_split=0 --set training.target=sibling --set training.input_recordings=3 --set \
     model.linear_path=true --set model.prior=aggregated --set model.residual=gaussian      --set \
     training.augment={\"gain\":0.2,\"stretch\":0.05,\"shift_ms\":0.1} --set training.scheduler.T_max=5",
    "--set training.weight_by_noise=true --set model.prior=learned --set film.weight_decay=0.01 \
     --set training.scheduler.T_max=5",
];

#[test]
fn fewer_epochs_and_then_more() {
    for run in RUNS {
        let place = Place::new();
        place.ok(&format!("train --config smoke.json --out unbroken {run} --set training.num_epochs=5"));
        place.ok(&format!("train --config smoke.json --out run {run} --set training.num_epochs=2"));
        let stderr = place.ok("train --resume --out run --set training.num_epochs=5 --threads 1").stderr;
        assert!(stderr.contains("resuming after epoch 2, step "), "{stderr}");
        same(&place, "run", "unbroken");
        let without_time = |folder: &str| -> Vec<serde_json::Value> {
            let text = place.text(&format!("{folder}/metrics.jsonl"));
            let lines = text.lines().map(|line| {
                let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["seconds"].take();
                line
            });
            lines.collect()
        };
        assert_eq!(without_time("run"), without_time("unbroken"));
        assert_eq!(place.json("run/summary.json"), place.json("unbroken/summary.json"));
        assert_eq!(place.json("run/config.json"), place.json("unbroken/config.json"));
        // resumed again: nothing is left to do, and nothing changes
        let stderr = place.ok("train --resume --out run").stderr;
        assert!(stderr.contains("nothing is left to do"), "{stderr}");
        same(&place, "run", "unbroken");
    }
}

/// Stopped after each of its steps in turn, a training ends with the same bytes. No command can be timed exactly
/// enough, so this test calls the library: [`Trainer::epoch`] gets the request to stop.
#[test]
fn stopped_after_any_step() {
    let place = Place::new();
    let warm_up = ["training.kl_warmup_epochs=1", "training.scheduler.type=plateau", "training.scheduler.patience=0"];
    let overrides: Vec<String> = warm_up.iter().chain(&["training.num_epochs=4"]).map(|s| s.to_string()).collect();
    let config = Config::from_json("smoke.json", &place.text("smoke.json"), &overrides).unwrap().resolved();
    let dataset = load(&config.data, config.model.signal_length, |_, _| {}).unwrap().0;
    let folder = place.path(".");
    let unbroken = finish(start(&config, &dataset), &folder);
    for stop in 1..=16 {
        let mut trainer = start(&config, &dataset);
        while trainer.progress().step < stop {
            let left = stop - trainer.progress().step;
            let first = trainer.progress().step_in_epoch as u64;
            let outcome = trainer.epoch(|step| match step as u64 - first >= left {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            });
            assert!(outcome.unwrap() == Outcome::Interrupted || trainer.progress().step < stop);
        }
        let path = folder.join("stopped.safetensors");
        trainer.snapshot().unwrap().save(&path).unwrap();
        let mut resumed = start(&config, &dataset);
        resumed.resume("stopped", &abr_film::checkpoint::Checkpoint::load(&path).unwrap()).unwrap();
        assert_eq!(resumed.progress(), trainer.progress());
        assert!(finish(resumed, &folder) == unbroken, "stopped after step {stop}, the training ends in other bytes");
    }
}

fn start(config: &Config, dataset: &Dataset) -> Trainer {
    Trainer::new(config, dataset, Box::new(Cpu::<f32>::new())).expect("a trainer").0
}

/// Trains to the end; returns the bytes of the best and of the last checkpoint.
fn finish(mut trainer: Trainer, folder: &Path) -> (Vec<u8>, Vec<u8>) {
    while !trainer.finished() {
        trainer.epoch(|_| ControlFlow::Continue(())).expect("an epoch");
    }
    let path = folder.join("written.safetensors");
    let bytes = |checkpoint: abr_film::checkpoint::Checkpoint| {
        checkpoint.save(&path).expect("a file");
        std::fs::read(&path).expect("a file")
    };
    (bytes(trainer.best().expect("best weights")), bytes(trainer.snapshot().expect("a state")))
}

#[test]
fn all_but_the_epochs_is_refused_by_name() {
    let place = Place::trained("--set training.scheduler.T_max=9");
    let resume = |more: &str| format!("train --resume --out run {more}");
    for (set, parts) in [
        ("--set training.batch_size=8", ["training.batch_size was 16, is 8", "only training.num_epochs may change"]),
        ("--seed 7", ["training.seed was 42, is 7", "new run"]),
        ("--set data.seed=7", ["data.seed was 42, is 7", "new run"]),
        ("--set film.learning_rate_scale=0.5", ["film.learning_rate_scale was 1.0, is 0.5", "new run"]),
        ("--set output.save_best_model=false", ["output.save_best_model was true, is false", "new run"]),
        ("--set training.scheduler.T_max=12", ["training.scheduler.T_max was 9, is 12", "new run"]),
        ("--set model.latent_dim=4", ["model.latent_dim was 8, is 4", "new run"]),
        ("--set training.num_epochs=2", ["training.num_epochs: is 2, but the run is past epoch 3", "more epochs"]),
    ] {
        let code = if set.contains("num_epochs") { 2 } else { 1 };
        place.refused(code, &resume(set), &[&["run/last.safetensors: "], &parts[..]].concat());
    }
    // another run's configuration
    place.write("other.json", place.text("smoke.json").replace("0.001", "0.002"));
    place.refused(1, &resume("--config other.json"), &["training.learning_rate was 0.001, is 0.002"]);
    // the run's original file has no T_max, so the resume keeps the run's; the species does not affect training
    let more = "--set training.num_epochs=10 --set data.species=mouse --threads 1 --device cpu";
    let stderr = place.ok(&resume(&format!("--config smoke.json {more}"))).stderr;
    assert!(
        stderr.contains("training.scheduler.T_max stays 9: from there on the learning rate is 0.00001"),
        "{stderr}"
    );
}

#[test]
fn other_data_is_refused_and_a_moved_file_is_not() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run --set training.scheduler.T_max=9");
    place.write("other.csv", crate::support::table_with(1, "s0", "0.5"));
    place.refused(
        1,
        "train --resume --out run --data other.csv",
        &["the data differ from those that the run was started with"],
    );
    std::fs::rename(place.path("table.csv"), place.path("moved.csv")).unwrap();
    place.refused(1, "train --resume --out run", &["table.csv: cannot read"]);
    place.ok("train --resume --out run --data moved.csv --set training.num_epochs=3");
    // the new path of the data is stored
    place.ok("train --resume --out run --set training.num_epochs=4");
}

#[test]
fn what_cannot_be_resumed() {
    let place = Place::trained("");
    place.refused(1, "train --resume --out none", &["none: contains no run to resume", "--out"]);
    let last = place.bytes("run/last.safetensors");
    place.write("run/last.safetensors", &last[..last.len() / 2]);
    place.refused(1, "train --resume --out run", &["run/last.safetensors: truncated"]);
    std::fs::copy(place.path("run/best.safetensors"), place.path("run/last.safetensors")).unwrap();
    place.refused(1, "train --resume --out run", &["run/last.safetensors: contains no training state"]);
    std::fs::remove_file(place.path("run/last.safetensors")).unwrap();
    place.refused(1, "train --resume --out run", &["run: its run ended before it first wrote", "--force"]);
}
