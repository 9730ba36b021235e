//! What a training reads and writes.

use crate::support::{Place, table, table_with};
use std::path::Path;

#[test]
fn a_run_folder_holds_what_the_documentation_says() {
    let place = Place::trained("--set output.report=true");
    let files = [
        "best.safetensors",
        "checkpoints",
        "config.json",
        "errors.csv",
        "eval.json",
        "last.safetensors",
        "metrics.jsonl",
        "report.html",
        "split.json",
        "summary.json",
    ];
    assert_eq!(place.names("run"), files);
    // smoke.json saves every second of three epochs
    assert_eq!(place.names("run/checkpoints"), ["epoch-0002.safetensors"]);

    let metrics = place.text("run/metrics.jsonl");
    let lines: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(line["epoch"], i + 1);
        for number in [&line["train"]["loss"], &line["validation"]["kl"], &line["learning_rate"], &line["seconds"]] {
            assert!(number.is_f64(), "{line}");
        }
        assert_eq!(line["film_gradient_norms"].as_array().unwrap().len(), 2, "{line}");
    }
    let summary = place.json("run/summary.json");
    assert_eq!((&summary["epochs"], &summary["steps"]), (&3.into(), &12.into()));
    assert_eq!((&summary["stopped_early"], &summary["parameters"]), (&false.into(), &18063.into()));
    let best = summary["best_epoch"].as_u64().unwrap() as usize;
    assert_eq!(summary["best_loss"], lines[best - 1]["validation"]["loss"]);
    assert_eq!(lines[best - 1]["best"], true);
}

#[test]
fn the_configuration_is_written_out_and_trains_the_same_model() {
    let place = Place::trained("--set training.num_epochs=2 --seed 7");
    let config = place.json("run/config.json");
    assert_eq!(config["training"]["seed"], 7);
    assert_eq!(config["training"]["num_epochs"], 2);
    // including defaults and implied values
    assert_eq!(config["training"]["optimizer"]["betas"], serde_json::json!([0.9, 0.999]));
    assert_eq!(config["training"]["scheduler"]["T_max"], 2);
    assert_eq!(config["data"]["static_columns"][0], "age_years");
    place.ok("train --config run/config.json --out again");
    for file in ["config.json", "best.safetensors", "last.safetensors"] {
        assert!(place.bytes(&format!("run/{file}")) == place.bytes(&format!("again/{file}")), "{file} differs");
    }
    place.ok("train --config run/config.json --out other --seed 8");
    assert!(place.bytes("run/best.safetensors") != place.bytes("other/best.safetensors"), "the seed does nothing");
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = Place::new();
    let before = place.tree();
    let stderr = place.ok("train --config smoke.json --out run --dry-run").stderr;
    assert!(stderr.contains("3 epochs of 4 steps into run; nothing was written"), "{stderr}");
    assert!(place.tree() == before);
    // a dry run reads everything, so it refuses what the training would refuse
    place.refused(1, "train --config small.json --data none.csv --out run --dry-run", &["none.csv"]);
}

/// A diverged model leaves no checkpoint.
#[test]
fn a_loss_that_is_not_finite_ends_the_training() {
    let place = Place::new();
    let train = "train --config smoke.json --out run --set training.learning_rate=1e30";
    let output = place.command(train).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in
        ["training: epoch 1, step 2", "no longer finite", "lower training.learning_rate", "training.gradient_clip"]
    {
        assert!(stderr.contains(part), "{part:?} is not in: {stderr}");
    }
    assert_eq!(place.names("run"), ["config.json", "split.json"]);
}

/// One validation row is far beyond all others: no epoch is the best, and no checkpoint remains.
#[test]
fn a_validation_loss_that_is_not_finite_ends_the_training() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    let row = place.json("run/split.json")["validation"]["row_numbers"][0].as_u64().unwrap() as usize;
    place.write("huge.csv", table_with(row, "level_db", "1e30"));
    for likelihood in ["mse", "calibrated"] {
        let set = format!("--set training.likelihood={likelihood}");
        let output =
            place.command(&format!("train --config small.json --data huge.csv --out bad --force {set}")).output();
        let output = output.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        for part in ["training: epoch 1: the validation loss is no longer finite", "outliers in the data"] {
            assert!(stderr.contains(part), "{part:?} is not in: {stderr}");
        }
        assert_eq!(place.names("bad"), ["config.json", "split.json"]);
    }
}

#[test]
fn a_static_beyond_all_bounds_is_refused_before_the_training() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    let row = place.json("run/split.json")["train"]["row_numbers"][3].as_u64().unwrap() as usize;
    place.write("beyond.csv", table_with(row, "level_db", "1e300"));
    let place_of = format!("row {row}");
    place.refused(1, "train --config small.json --data beyond.csv --out bad", &["beyond.csv: ", &place_of, "level_db"]);
}

#[test]
fn a_model_far_too_large_for_its_data_is_noticed() {
    let place = Place::new();
    let dry = "train --config small.json --data table.csv --out run --dry-run";
    let stderr = place.ok(&format!("{dry} --set model.encoder_dims=[64]")).stderr;
    let parameters =
        stderr.lines().find_map(|line| line.strip_suffix(" rows to train, 6 to validate, 3 to test")).unwrap();
    let parameters = parameters.split(' ').next().unwrap();
    let wanted = format!(
        "note: the model has {parameters} parameters, but only 60 numbers to learn from (15 training rows of 4 \
         samples): choose smaller model.encoder_dims"
    );
    assert!(stderr.contains(&wanted), "{stderr}");
    // the built-in set is large enough for the quickstart model
    let quickstart = include_str!("../../configs/quickstart.json");
    place.write("quickstart.json", quickstart);
    let stderr = place.ok("train --config quickstart.json --out run --dry-run").stderr;
    assert!(!stderr.contains("note: "), "{stderr}");
}

#[test]
fn the_default_folder_bears_the_name_of_the_configuration() {
    let place = Place::new();
    place.ok("train --config smoke.json --set training.num_epochs=1");
    let names = place.names("runs");
    assert!(names.len() == 1 && names[0].starts_with("smoke-20"), "{names:?}");
}

#[test]
fn the_output_section_acts() {
    let place = Place::new();
    let train = |out: &str, set: &str| place.ok(&format!("train --config smoke.json --out {out} {set}"));
    train("a", "--set output.checkpoint_dir=some/where --set output.save_every_n_epochs=1");
    let epochs = ["epoch-0001.safetensors", "epoch-0002.safetensors", "epoch-0003.safetensors"];
    assert_eq!(place.names("a/some/where"), epochs);
    train("b", "--set output.save_every_n_epochs=0 --set output.save_best_model=false");
    assert_eq!(place.names("b"), ["config.json", "last.safetensors", "metrics.jsonl", "split.json", "summary.json"]);
    place.ok("eval --model b/last.safetensors");
    place.ok("eval --model a/some/where/epoch-0002.safetensors");
}

#[test]
fn early_stopping_keeps_the_best_weights() {
    let place = Place::new();
    // the learning rate is far too large: no epoch is better than the first
    let stop =
        "--set training.learning_rate=0.05 --set training.early_stopping_patience=2 --set training.num_epochs=30";
    let stderr =
        place.ok(&format!("train --config smoke.json --out run --set output.save_every_n_epochs=1 {stop}")).stderr;
    let summary = place.json("run/summary.json");
    assert!(stderr.contains("stopped early after"), "{stderr}");
    assert_eq!(summary["stopped_early"], true);
    let (epochs, best) = (summary["epochs"].as_u64().unwrap(), summary["best_epoch"].as_u64().unwrap());
    assert_eq!(epochs, best + 2);
    let kept = place.bytes(&format!("run/checkpoints/epoch-{best:04}.safetensors"));
    assert!(place.bytes("run/best.safetensors") == kept, "best.safetensors is not epoch {best}'s");
}

/// Every file in `configs/` can be trained, here on little data.
#[test]
fn every_shipped_configuration_is_ready_to_train() {
    let place = Place::new();
    place.write("recorded.csv", recorded());
    let little = "--set data.synth.subjects=8 --set data.synth.rows_per_subject=4";
    let mut count = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")).unwrap() {
        let path = entry.unwrap().path();
        let real = ["human_click.json", "mouse_tone.json", "cba_tones.json"].iter().any(|name| path.ends_with(name));
        let data = if real { "--data recorded.csv" } else { "" };
        place.ok(&format!("train --config {} --out run --dry-run {little} {data}", path.display()));
        count += 1;
    }
    assert!(count >= 7, "{count} files");
    let documented = include_str!("../../configs/film_config.json");
    let mut sections: serde_json::Map<String, serde_json::Value> = serde_json::from_str(documented).unwrap();
    sections.retain(|name, _| name == "model" || name == "film");
    place.write("two.json", serde_json::to_string(&sections).unwrap());
    place.ok(&format!("train --config two.json --out run --dry-run {little}"));
    assert!(!place.path("run").exists());
}

/// 20 rows of two subjects with the columns of the real recordings, 15 ms at 24.4 kHz.
fn recorded() -> String {
    let samples: Vec<String> = (0..366).map(|i| format!("s{i}")).collect();
    let columns = "subject_id,sample_rate_hz,level_db,n_averages,frequency_hz,ear,part";
    let mut text = format!("{columns},{}\n", samples.join(","));
    for row in 0..20 {
        let values: Vec<String> = (0..366).map(|i| format!("{:.3}", (0.05 * f64::from(i * (row + 1))).sin())).collect();
        let (level, averages, ear) = (30 + 10 * (row % 5), 500 * (1 + row % 4), ["L", "R"][row as usize / 2 % 2]);
        text +=
            &format!("M{},24414.0625,{level},{averages},{},{ear},,{}\n", row % 2, 8000 << (row % 3), values.join(","));
    }
    text
}

#[test]
fn samples_beyond_the_signal_are_cut_and_reported() {
    let place = Place::new();
    let set = "--set model.signal_length=3";
    let stderr = place.ok(&format!("train --config small.json --data table.csv --out run {set}")).stderr;
    assert!(stderr.contains("table.csv: 24 rows, the first 3 samples of each; 1 more of each were cut"), "{stderr}");
}

/// The built-in set, written as a table and read again, is bit by bit the same.
#[test]
fn a_written_synthetic_set_trains_the_same_model() {
    let place = Place::trained("");
    place.ok("data synth --config smoke.json --out data.csv");
    place.ok("train --config smoke.json --data data.csv --out table");
    assert!(place.bytes("run/best.safetensors") == place.bytes("table/best.safetensors"));
    // so either one counts as the training data
    let eval = |data: &str| place.ok(&format!("eval --model run/best.safetensors {data} --json")).stdout;
    let (built_in, table) = (eval(""), eval("--data data.csv"));
    let loss = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["model"].clone();
    assert_eq!(loss(&built_in), loss(&table));
}

#[test]
fn synthetic_data_are_a_matter_of_the_seed() {
    let place = Place::new();
    let synth = |more: &str| place.ok(&format!("data synth --config smoke.json {more}")).stdout;
    assert_eq!(synth(""), synth(""));
    assert_ne!(synth(""), synth("--seed 1"));
    place.ok("data synth --config smoke.json --out a.csv");
    assert_eq!(place.text("a.csv"), synth(""));
    assert_eq!(synth("").lines().count(), 1 + 12 * 8);
    assert_eq!(synth("--set data.synth.subjects=2").lines().count(), 1 + 2 * 8);
    let fixed = synth("--set data.synth.fixed.level_db=60");
    assert!(crate::support::column(&fixed, "level_db").iter().all(|level| level == "60"));
    place.refused(2, "data synth --set data.synth.fixed.levl_db=60 --out a.csv", &["levl_db", "level_db"]);
}

/// Peaks may be labelled in some rows only.
#[test]
fn unlabelled_peaks_are_empty_cells() {
    let place = Place::new();
    let labelled = table().replacen(",,", ",0.1,", 9);
    place.write("labelled.csv", labelled);
    let stderr =
        place.ok("train --config small.json --data labelled.csv --out run --set model.predict_peaks=true").stderr;
    let rest = "peak_i_ms, peak_iii_ms, peak_i_uv, peak_iii_uv, peak_v_uv: they will not be predicted";
    assert!(stderr.contains(rest), "{stderr}");
    let made = place.ok("generate --model run/best.safetensors").stdout;
    assert_eq!(crate::support::column(&made, "peak_i_ms"), [""]);
    assert!(crate::support::column(&made, "peak_v_ms")[0].parse::<f64>().is_ok());
    let report = place.ok("eval --model run/best.safetensors --data labelled.csv --split all --json").stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let peaks = report["peaks"].as_array().expect("a peak head's errors");
    let labels: Vec<(&str, u64)> =
        peaks.iter().map(|p| (p["label"].as_str().unwrap(), p["count"].as_u64().unwrap())).collect();
    assert_eq!(labels[2], ("peak_v_ms", 9));
    assert_eq!(labels.iter().map(|(_, count)| count).sum::<u64>(), 9);
}
