//! `eval` and `reconstruct`.

use crate::support::{Place, cells, column, samples};
use serde_json::Value;

fn report(place: &Place, more: &str) -> Value {
    let text = place.ok(&format!("eval --model run/best.safetensors --json {more}")).stdout;
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_report_measures_model_latent_and_condition_beside_two_baselines() {
    let place = Place::trained("");
    let report = report(&place, "");
    assert_eq!((&report["part"], &report["rows"], &report["subjects"]), (&"test".into(), &16.into(), &2.into()));
    for what in
        [&report["model"], &report["recording"], &report["baselines"]["pca"], &report["baselines"]["nearest_condition"]]
    {
        for against in ["recorded", "truth"] {
            for measure in ["mse_uv2", "mae_uv", "rmse_uv", "pearson_r", "r2"] {
                // a recording has no error against itself, so its correlation is 1
                assert!(what[against][measure]["mean"].is_f64(), "{measure} against {against}: {what}");
            }
        }
        assert!(what["truth_explained_variance"].is_f64(), "{what}");
    }
    let (mse, rmse) =
        (&report["model"]["recorded"]["mse_uv2"]["mean"], &report["model"]["recorded"]["rmse_uv"]["mean"]);
    assert!(mse.as_f64() > Some(0.0) && rmse.as_f64() < Some(5.0), "microvolts are wanted: {rmse}");
    assert_eq!(report["latent"]["kl_nats"].as_array().unwrap().len(), 8);
    assert_eq!(report["latent"]["activity"].as_array().unwrap().len(), 8);
    for film in ["film_on", "film_off"] {
        let columns = report["conditions"][film].as_array().unwrap();
        assert_eq!((columns.len(), &columns[1]["name"]), (7, &"level_db".into()));
        assert!(columns[1]["mae"].is_f64(), "{}", columns[1]);
    }
    assert_ne!(report["conditions"]["film_on"], report["conditions"]["film_off"]);
    let levels: Vec<f64> =
        report["waves"].as_array().unwrap().iter().map(|w| w["level_db"].as_f64().unwrap()).collect();
    assert_eq!(levels, [80.0, 60.0, 40.0, 20.0]);
}

#[test]
fn the_parts_are_disjoint_and_complete() {
    let place = Place::trained("");
    let rows = |split: &str| report(&place, &format!("--split {split}"))["rows"].as_u64().unwrap();
    assert_eq!((rows("train"), rows("val"), rows("test"), rows("all")), (64, 16, 16, 96));
    let mut seen: Vec<String> = Vec::new();
    for split in ["train", "val", "test"] {
        place.ok(&format!("eval --model run/best.safetensors --split {split} --out {split}"));
        seen.extend(column(&place.text(&format!("{split}/errors.csv")), "row"));
    }
    seen.sort_by_key(|row| row.parse::<u32>().unwrap());
    assert!(seen.iter().map(|row| row.parse::<u32>().unwrap()).eq(1..=96));
    let none = "--out no_test --set data.test_split=0";
    place.ok(&format!("train --config smoke.json {none}"));
    place.refused(2, "eval --model no_test/best.safetensors --split test", &["has no rows", "--split"]);
    let stdout = place.ok("eval --model no_test").stdout;
    assert!(stdout.starts_with("built-in data, validation: "), "{stdout}");
}

#[test]
fn a_run_folder_brings_its_model_and_its_data() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    let named = place.ok("eval --model run/best.safetensors --data table.csv --split test --json").stdout;
    for model in ["run", "run/best.safetensors"] {
        assert_eq!(place.ok(&format!("eval --model {model} --json")).stdout, named, "{model}");
    }
    place.ok("eval --model run/last.safetensors");
    place.ok("reconstruct --model run --data table.csv --out made.csv");
    place.ok("generate --model run -n 2 --out generated.csv");
    // other data have no split
    let few: String = place.text("table.csv").lines().take(9).map(|line| format!("{line}\n")).collect();
    place.write("few.csv", &few);
    let stdout = place.ok("eval --model run --data few.csv").stdout;
    assert!(stdout.starts_with("few.csv, all: 8 rows of "), "{stdout}");
    // the run's own data have changed
    place.write("table.csv", few);
    place.refused(1, "eval --model run", &["table.csv", "other recordings than when", "--data"]);
    std::fs::remove_file(place.path("table.csv")).unwrap();
    place.refused(1, "eval --model run", &["table.csv", "No such file"]);
    place.refused(1, "eval --model checkpoints", &["checkpoints"]);
}

/// A file for each subject, and a table that names them: a checkpoint does not name it, and its run folder does.
#[test]
fn a_run_folder_brings_its_table_of_subjects() {
    let place = Place::new();
    std::fs::create_dir(place.path("rec")).unwrap();
    let mut rows = cells(&place.text("table.csv"));
    // the first column, which the files lack
    let subjects: Vec<String> = rows.iter_mut().map(|row| row.remove(0)).collect();
    assert_eq!(subjects[0], "subject_id");
    let mut files = std::collections::BTreeMap::<&str, String>::new();
    for (subject, row) in subjects.iter().zip(&rows).skip(1) {
        let file = files.entry(subject).or_insert_with(|| rows[0].join(",") + "\n");
        *file += &(row.join(",") + "\n");
    }
    let mut names = "file,subject_id\n".to_string();
    for (i, (subject, text)) in files.iter().enumerate() {
        place.write(&format!("rec/f{i}.csv"), text);
        names += &format!("f{i}.csv,{subject}\n");
    }
    place.write("names.csv", names);
    place.ok("train --config small.json --data rec --out run --set data.subject_from=names.csv");
    place.ok("eval --model run");
    let stderr = place.ok("doctor --run run").stderr;
    assert!(!stderr.contains("without its recordings"), "{stderr}");
    place.ok("train --resume --out run --set training.num_epochs=4");
}

#[test]
fn text_json_and_files_say_the_same() {
    let place = Place::trained("");
    let output = place.ok("eval --model run/best.safetensors --out results --verbose");
    assert!(output.stdout.starts_with("built-in data, test: 16 rows of 2 subjects"), "{}", output.stdout);
    let headings = "reconstructions, means over rows MSE µV² MAE µV RMSE µV r R² explained of the ground truth";
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(output.stdout.lines().any(|line| words(line) == headings), "{}", output.stdout);
    for part in
        ["model", "PCA, rank", "nearest condition", "latent units", "as the model predicts them", "level_db", "wave V"]
    {
        assert!(output.stdout.contains(part), "{part:?} is not in: {}", output.stdout);
    }
    assert_eq!(place.json("results/eval.json"), report(&place, "--device cpu --threads 1"));
    let traces = cells(&place.text("results/errors.csv"));
    assert_eq!((traces.len(), traces[0].join(",").as_str()), (17, "row,mse_uv2,mae_uv,rmse_uv,pearson_r,r2"));
    assert!(traces[1..].iter().flatten().all(|cell| cell.parse::<f64>().is_ok()));
}

#[test]
fn other_data_has_no_training_rows_to_tell_apart() {
    let place = Place::trained("");
    place.ok("data synth --config smoke.json --seed 5 --out other.csv");
    for split in ["train", "val", "test"] {
        place.refused(
            1,
            &format!("eval --model run/best.safetensors --data other.csv --split {split}"),
            &["other.csv: is not the data this model was trained on", "--split all"],
        );
    }
    let all = report(&place, "--data other.csv --split all");
    assert_eq!((&all["rows"], &all["truth"]["source"]), (&96.into(), &"noise_free".into()));
    let baselines = &all["baselines"];
    for baseline in ["curve", "mixed_model", "pca"] {
        assert!(baselines[baseline]["truth_explained_variance"].is_f64(), "{baseline}: {baselines}");
    }
    assert_eq!((&baselines["nearest_condition"], &baselines["neighbours"]), (&Value::Null, &Value::Null));
    place.ok("train --config small.json --data table.csv --out small");
    std::fs::rename(place.path("small/best.safetensors"), place.path("alone.safetensors")).unwrap();
    let eval = "eval --model alone.safetensors";
    place.refused(2, eval, &["was not trained on the built-in data", "--data FILE"]);
    place.ok(&format!("{eval} --data table.csv"));
}

#[test]
fn the_verdict_comes_first_and_the_rest_fits_a_screen() {
    let place = Place::trained("");
    place.ok("data synth --config smoke.json --seed 5 --out other.csv");
    let cut: String = place.text("table.csv").lines().take(20).map(|line| format!("{line}\n")).collect();
    place.write("cut.csv", cut);
    place.ok("train --config small.json --data table.csv --out small");
    let first = place.text("table.csv").lines().take(13).map(|line| format!("{line}\n")).collect::<String>();
    place.write("few.csv", first);
    place
        .ok("train --config small.json --data few.csv --out few --set data.validation_split=0 --set data.test_split=0");
    let cases = [
        ("--model run", &["For 2 subjects never seen, reconstructions explain "][..]),
        ("--model run --split val", &[", by which its best epoch was chosen, "]),
        ("--model run --data other.csv", &["these data are not those of its training"]),
        ("--model run --split train", &["of these 64 rows, which flatters it"]),
        ("--model small --data cut.csv", &["the model was trained on ", "these data are not those of its training"]),
        ("--model few", &["Trained on 12 rows", "too few to apply to others"]),
    ];
    for (arguments, wanted) in cases {
        let stdout = place.ok(&format!("eval {arguments}")).stdout;
        assert!(stdout.lines().count() <= 25, "{stdout}");
        // sentences wrap at a fixed width
        let text = stdout.replace('\n', " ");
        wanted.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in: {stdout}"));
        let json: Value = serde_json::from_str(&place.ok(&format!("eval {arguments} --json")).stdout).unwrap();
        for sentence in json["verdict"].as_array().unwrap() {
            let sentence = sentence.as_str().unwrap();
            assert!(text.contains(sentence), "{sentence:?} is not in: {stdout}");
        }
        let all = place.ok(&format!("eval {arguments} --verbose")).stdout;
        assert!(all.lines().count() > 25 && all.contains("latent units"), "{all}");
        assert_eq!(all.lines().next(), stdout.lines().next());
    }
}

/// Listeners with individual waves, five recordings each at 30 and at 60 dB; `noise` in µV.
pub fn recorded(first: u32, listeners: u32, noise: f32) -> String {
    let mut text = "subject_id,sample_rate_hz,t0_ms,n_averages,level_db,s0,s1,s2,s3\n".to_string();
    for row in 0..10 * listeners {
        let (listener, level) = (first + row / 10, 30 * (1 + row % 2));
        let sample = |i: u32| {
            let wave = (0.9 * (listener * 4 + i) as f32).sin() * level as f32 / 60.0;
            wave + noise * (1.7 * (row * 4 + i + 1000 * first) as f32).sin()
        };
        let samples: Vec<String> = (0..4).map(|i| format!("{:.5}", sample(i))).collect();
        text += &format!("L{listener:02},20000,0,500,{level},{}\n", samples.join(","));
    }
    text
}

#[test]
fn a_file_of_strangers_is_measured_against_their_other_recordings() {
    let place = Place::new();
    place.write("train.csv", recorded(0, 12, 0.1));
    place.write("others.csv", recorded(20, 6, 0.3));
    place.ok("train --config small.json --data train.csv --out run --set model.prior=aggregated");
    let report = report(&place, "--data others.csv --split all");
    let truth = &report["truth"];
    assert_eq!((&truth["source"], &truth["rows"]), (&"siblings".into(), &60.into()));
    // These 60 rows have a ceiling of .954 to .965, depending on the training rows that the mean is of. One split into
    // halves scatters by .01, a mean of 20 by .0024: the bounds are five of these away.
    let ceiling = truth["ceiling"].as_f64().unwrap();
    assert!((0.942..0.977).contains(&ceiling), "{ceiling}");
    let explained = |what: &Value| what["truth_explained_variance"].as_f64().unwrap();
    // The noise of the recording itself and of the mean of the other four, which is a quarter of it, in a variance of
    // .3 about the mean of the training rows: .777 to .827 for 8 to 12 of the 12 listeners, whichever they are.
    let itself = explained(&report["recording"]);
    assert!((0.776..0.828).contains(&itself), "{itself}");
    let mixed = &report["baselines"]["mixed_model"];
    assert_eq!(mixed["grouping"], "cells");
    assert!(explained(mixed) > explained(&report["baselines"]["curve"]));
    let generated = &report["generated"];
    assert_eq!((&generated["conditions"], &generated["draws"]), (&2.into(), &199.into()));
    let value = |what: &Value| what["value"].as_f64().unwrap_or_else(|| panic!("{what}"));
    // each listener has an individual wave, so the mean under a condition explains little of it
    assert!(value(&generated["mean_explained_variance"]) < 0.5, "{generated}");
    // neither collapsed nor wider than the data: within a factor of 2 above, 20 below
    assert!((0.05..2.0).contains(&value(&generated["spread"])), "{generated}");
    for calibration in ["model", "mixed_model"] {
        let inside: Vec<f64> = (0..3).map(|i| value(&generated[calibration]["inside"][i])).collect();
        assert!(inside.is_sorted() && inside[2] <= 1.0, "{generated}");
        assert!(value(&generated[calibration]["energy_score_uv"]) > 0.0, "{generated}");
    }
    // intervals contain their value, and are over subjects
    let model = &report["model"];
    let interval = [0, 1].map(|end| model["truth_interval"][end].as_f64().unwrap());
    assert!((interval[0]..=interval[1]).contains(&explained(model)), "{model}");
    // one division in f64, of sums in two orders over 240 squares: an ulp for each
    assert!((model["share_of_ceiling"].as_f64().unwrap() - explained(model) / ceiling).abs() < 1e-13, "{model}");
    let likeness = &report["likeness"];
    assert_eq!((&likeness["traces"], &likeness["subjects"]), (&"recordings".into(), &6.into()));
    assert!(likeness["training"].is_null() && likeness["model"]["frechet_over_floor"].is_null(), "{likeness}");
    for auc in [&likeness["model"]["auc"]["logistic"], &likeness["mixed_model"]["auc"]["neighbours"]] {
        assert!((0.0..=1.0).contains(&value(auc)), "{auc}");
    }
    assert_eq!(report["by_subject"].as_array().unwrap().len(), 6);
    assert_eq!(report["by_condition"][1]["condition"]["level_db"], 60.0);
    assert!(report["train_on_synthetic"].is_null());
    // with the training rows, more can be measured
    let with_training = self::report(&place, "--data others.csv --split all --training-data train.csv");
    let likeness = &with_training["likeness"];
    assert!(value(&likeness["model"]["frechet_over_floor"]) > 0.0, "{likeness}");
    assert!(likeness["model"]["memorisation"].as_f64() > Some(0.0), "{likeness}");
    let twice = "eval --model run/best.safetensors --data others.csv --split all --training-data others.csv";
    place.refused(1, twice, &["others.csv", "--training-data", "is not the data this model was trained on"]);
    let stdout = place.ok("eval --model run/best.safetensors --data others.csv --split all --verbose").stdout;
    for part in
        ["linear mixed model", "curve of the condition", "other recordings of the same subject", "generated under 2"]
    {
        assert!(stdout.contains(part), "{part:?} is not in: {stdout}");
    }
}

#[test]
fn generated_traces_are_as_noisy_as_so_many_averages() {
    let place = Place::new();
    place.write("train.csv", recorded(0, 12, 0.1));
    place.ok("train --config small.json --data train.csv --out run");
    let generate = "generate --model run/best.safetensors -n 400 --static level_db=60 --averages";
    let clean = place.ok(&format!("{generate} inf")).stdout;
    let noise = |averages: &str| {
        let noisy = place.ok(&format!("{generate} {averages}")).stdout;
        assert!(column(&noisy, "n_averages").iter().all(|n| n == averages));
        let pairs = samples(&noisy).concat().into_iter().zip(samples(&clean).concat());
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / 1600.0
    };
    // Within the cells of the training rows the noise has variance .00595. Its four samples have two degrees of
    // freedom, those of a sine's phase, so 400 traces give the variance to sqrt(2 / 800) = 5 %: the bounds are 3.5 of
    // them.
    let (some, more) = (noise("500"), noise("2000"));
    assert!((some / 0.00595 - 1.0).abs() < 3.5 * 0.05, "{some}");
    // With four times the sweeps the same draws have half the size. Sums of a wave and noise round to f32 by at most
    // 6e-8 in noise of .04 and more: twice 1.5e-6 in a variance, and so in each of the two.
    assert!((some / more / 4.0 - 1.0).abs() < 6e-6, "{some} {more}");
    assert!(!clean.contains("n_averages"));
    place.command(&format!("{generate} 0")).assert().code(2);
    place.ok("train --config smoke.json --out clinic");
    place.refused(2, "generate --model clinic/best.safetensors -n 2 --averages 500", &["--averages", "n_averages"]);
}

#[test]
fn every_decoder_is_evaluated() {
    let place = Place::new();
    for (name, set) in [
        ("plain", "--set model.use_film=false"),
        ("concat", "--set model.conditioning=legacy_concat --set model.concat_dropout=[0.1,0.1]"),
        ("per_trace", "--set data.signal_scaling=per_trace --set training.likelihood=calibrated"),
    ] {
        place.ok(&format!("train --config smoke.json --out {name} {set}"));
        let text = place.ok(&format!("eval --model {name}/best.safetensors --json")).stdout;
        let report: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(report["conditions"]["film_off"].is_null(), name != "per_trace", "{name}");
        assert_eq!(report["conditions"].is_null(), name == "concat", "{name}");
    }
}

#[test]
fn reconstructions_stand_row_by_row_beside_the_recordings() {
    let place = Place::trained("");
    place.ok("data synth --config smoke.json --out data.csv");
    let made = place.ok("reconstruct --model run/best.safetensors --data data.csv").stdout;
    let data = place.text("data.csv");
    for name in ["subject_id", "sample_rate_hz", "t0_ms", "level_db", "age_years"] {
        assert_eq!(column(&made, name), column(&data, name), "{name}");
    }
    assert_eq!(column(&made, "level_db_read").len(), 96);
    assert!(!made.contains("truth_"), "a reconstruction is no truth");
    let (made_uv, recorded) = (samples(&made), samples(&data));
    assert_eq!((made_uv.len(), made_uv[0].len()), (96, 200));
    // the result of eval on the same rows
    let squared = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
    let errors = made_uv.iter().flatten().zip(recorded.iter().flatten()).map(squared);
    let mse = errors.sum::<f64>() / (96.0 * 200.0);
    let reported = report(&place, "--split all")["model"]["recorded"]["mse_uv2"]["mean"].as_f64().unwrap();
    // the table holds f32 values, rounded by 2^-24; the mean over 19,200 of them rounds in f64
    assert!((mse / reported - 1.0).abs() < 1e-5, "{mse} from the table, {reported} from eval");
    place.ok("reconstruct --model run/best.safetensors --data data.csv --out made.csv");
    assert_eq!(place.text("made.csv"), made);
}
