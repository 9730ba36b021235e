//! Preparation is the same in every command: filters, inversion, baseline, band-pass, resampling and window.

use crate::support::{Place, cells, column, samples};
use abr_film::checkpoint::Checkpoint;
use abr_film::config::Config;
use abr_film::data::load;
use abr_film::data::table::write_recordings;
use serde_json::{Value, json};

/// Number of samples in the longest row.
const WIDTH: usize = 200;

/// `small.json` with all steps of preparation.
fn configuration(place: &Place) -> Value {
    let mut config = place.json("small.json");
    config["model"]["signal_length"] = json!(16);
    config["data"]["filters"] = json!([{"column": "part", "not": ["aborted"]}, {"column": "level_db", "max": 70}]);
    config["data"]["prepare"] = json!({
        "polarity": -1,
        "baseline": {"from_ms": -0.4, "to_ms": 0.0},
        "band_pass": {"low_hz": 300, "high_hz": 3000},
        "sample_rate_hz": 20000,
        "window": {"from_ms": 0.1, "to_ms": 0.9}
    });
    config
}

/// 24 rows of eight subjects from two recorders, inverted and with a drift. One more row was aborted and contains text
/// for a number.
fn recordings() -> String {
    let names: Vec<String> = (0..WIDTH).map(|i| format!("s{i}")).collect();
    let mut text = format!("subject_id,part,sample_rate_hz,t0_ms,level_db,peak_i_ms,peak_i_uv,{}\n", names.join(","));
    for row in 0..24_usize {
        let (rate, t0_ms, length) = [(24_414.062_5, -1.0, 100), (100_000.0, -0.5, WIDTH)][row % 2];
        let level = 20 + 10 * (row % 7);
        let value = |i: usize| {
            let ms = t0_ms + i as f64 * 1000.0 / rate;
            let response = level as f64 / 80.0 * (-((ms - 0.5) / 0.2).powi(2)).exp() * (6.3 * ms).cos();
            40.0 + 3.0 * ms - response - 0.2 * (0.7 * (row * 31 + i * i) as f64).sin()
        };
        let cell = |i: usize| if i < length { format!("{:.4}", value(i)) } else { String::new() };
        let cells: Vec<String> = (0..WIDTH).map(cell).collect();
        let peak = if row % 3 == 0 { "0.5,0.2" } else { "1.6,0.2" };
        text += &format!("S{},full,{rate},{t0_ms},{level},{peak},{}\n", row % 8, cells.join(","));
    }
    text + &format!("S3,aborted,100000,0,50,,,x{}\n", ",".repeat(WIDTH - 1))
}

/// A folder with `recordings.csv`, `prepared.json`, and a model trained with them in `run`.
fn trained() -> Place {
    let place = Place::new();
    place.write("recordings.csv", recordings());
    place.write("prepared.json", configuration(&place).to_string());
    let stderr = place.ok("train --config prepared.json --data recordings.csv --out run").stderr;
    for part in [
        "recordings.csv: 21 rows, prepared: 16 samples at 20000 Hz from 0.1 ms",
        "recordings.csv: filter part not \"aborted\": 1 row left out",
        "recordings.csv: filter level_db to 70: 3 rows left out",
        // 14 of the 21 rows have their label at 1.6 ms
        "recordings.csv: 14 peak labels lie outside of the window",
    ] {
        assert!(stderr.contains(part), "{part:?} is not in: {stderr}");
    }
    place
}

/// In every command, preparation during loading gives the same result as recordings that were prepared before.
#[test]
fn every_command_prepares_alike() {
    let place = trained();
    let mut config = Config::load(&place.path("prepared.json"), &[]).unwrap();
    config.data.path = Some(place.path("recordings.csv").display().to_string());
    let (prepared, _) = load(&config.data, 16, |_, _| {}).unwrap();
    let mut table = Vec::new();
    write_recordings(&prepared.recordings(&[]), &mut table).unwrap();
    place.write("done.csv", table);
    let mut plain = configuration(&place);
    plain["data"].as_object_mut().unwrap().retain(|name, _| name == "static_columns");
    place.write("plain.json", plain.to_string());
    place.ok("train --config plain.json --data done.csv --out plain");

    let weights = |run: &str| Checkpoint::load(&place.path(&format!("{run}/best.safetensors"))).unwrap();
    let (ours, theirs) = (weights("run"), weights("plain"));
    assert_eq!(ours.find("decoder.signal_head.4.weight"), theirs.find("decoder.signal_head.4.weight"));
    let (ours, theirs) = (ours.trained.unwrap(), theirs.trained.unwrap());
    assert_eq!((&ours.scalers, &ours.data), (&theirs.scalers, &theirs.data));

    let both = |command: &str, more: &str| {
        let of = |run: &str, data: &str| {
            place.ok(&format!("{command} --model {run}/best.safetensors {}", more.replace("DATA", data))).stdout
        };
        (of("run", "recordings.csv"), of("plain", "done.csv"))
    };
    for (command, more) in [
        ("eval", "--data DATA --json"),
        ("eval", "--data DATA --json --split train"),
        ("reconstruct", "--data DATA"),
        ("generate", "-n 3 --static level_db=30:50:2"),
    ] {
        let (ours, theirs) = both(command, more);
        let ours = ours.replace("recordings.csv", "done.csv");
        match serde_json::from_str::<serde_json::Value>(&ours) {
            Ok(mut ours) => {
                let mut theirs: serde_json::Value = serde_json::from_str(&theirs).expect("JSON");
                // the recorded origin of the two differs
                (ours["training"], theirs["training"]) = Default::default();
                assert_eq!(ours, theirs, "{command} {more}");
            }
            Err(_) => assert_eq!(ours, theirs, "{command} {more}"),
        }
    }
    let (made, _) = both("generate", "");
    assert_eq!((column(&made, "sample_rate_hz"), column(&made, "t0_ms")), (vec!["20000".into()], vec!["0.1".into()]));
    assert_eq!(samples(&both("reconstruct", "--data DATA").0).len(), 21);
}

#[test]
fn scalers_see_the_training_rows_alone() {
    let place = trained();
    let train: Vec<Value> = place.json("run/split.json")["train"]["subjects"].as_array().unwrap().clone();
    let mut table = cells(&recordings());
    for row in table.iter_mut().skip(1).filter(|row| row[1] == "full" && !train.contains(&json!(row[0]))) {
        row[4] = "-1000".into();
        row[5] = "0.11".into();
        row[7..].iter_mut().filter(|cell| !cell.is_empty()).for_each(|cell| cell.insert(0, '9'));
    }
    place.write("poisoned.csv", table.iter().map(|row| row.join(",") + "\n").collect::<String>());
    let more = "--config prepared.json --set data.clip_statics=[0.1,0.9] --set data.impute_statics=[\"level_db\"] \
                --set model.static_dim=2 --data";
    // otherwise the faulty rows at 80 dB would pass the filter
    let all = "--set data.filters=[{\"column\":\"part\",\"not\":[\"aborted\"]}]";
    let scalers = |data: &str| {
        place.ok(&format!("train {more} {data} {all} --out {data}.run"));
        Checkpoint::load(&place.path(&format!("{data}.run/best.safetensors"))).unwrap().trained.unwrap()
    };
    let (clean, poisoned) = (scalers("recordings.csv"), scalers("poisoned.csv"));
    assert_ne!(clean.data.hash, poisoned.data.hash);
    assert_eq!(clean.scalers, poisoned.scalers);
    assert!(clean.scalers.conditions[0].clip.is_some() && clean.scalers.conditions[0].missing.is_some());
}

#[test]
fn the_built_in_set_is_prepared_too() {
    let place = Place::new();
    let prepare = "--set data.synth.sample_rate_hz=24414.0625 --set data.prepare.sample_rate_hz=20000 \
                   --set data.prepare.window.from_ms=3 --set data.prepare.polarity=-1";
    let stderr = place.ok(&format!("train --config smoke.json --out run {prepare}")).stderr;
    assert!(stderr.contains("peak labels lie outside"), "{stderr}");
    let made = place.ok("generate --model run/best.safetensors").stdout;
    assert_eq!((column(&made, "sample_rate_hz"), column(&made, "t0_ms")), (vec!["20000".into()], vec!["3".into()]));
    // the same recordings as a table are the same data
    place.ok(&format!("data synth --config smoke.json --out synth.csv {prepare}"));
    assert!(column(&place.text("synth.csv"), "sample_rate_hz").iter().all(|rate| rate == "24414.0625"));
    let report = |more: &str| -> Value {
        serde_json::from_str(&place.ok(&format!("eval --model run/best.safetensors --json {more}")).stdout).unwrap()
    };
    let (built_in, table) = (report(""), report("--data synth.csv"));
    for part in ["rows", "model", "recording", "baselines", "latent"] {
        assert_eq!(built_in[part], table[part], "{part}");
    }
    // the ground truth is inverted with the recordings
    assert!(built_in["recording"]["truth"]["pearson_r"]["mean"].as_f64() > Some(0.5), "{}", built_in["recording"]);
    // a reconstruction of recordings with another rate has the same times
    place.ok(&format!("data synth --config smoke.json --out fast.csv {prepare} --set data.synth.sample_rate_hz=48000"));
    let back = place.ok("reconstruct --model run/best.safetensors --data fast.csv").stdout;
    assert!(column(&back, "sample_rate_hz").iter().all(|rate| rate == "20000"));
}

#[test]
fn what_is_missing_is_imputed_when_asked() {
    let place = Place::new();
    let holed = crate::support::table_with(3, "level_db", "");
    place.write("holed.csv", holed);
    let train = "train --config small.json --data holed.csv --out run";
    place.refused(1, train, &["row 3 (line 4), column `level_db`: empty", "data.impute_statics", "grows by 1"]);
    let impute = "--set data.impute_statics=[\"level_db\"]";
    place.refused(2, &format!("{train} {impute}"), &["model.static_dim: is 1", "need 2", "set model.static_dim to 2"]);
    let stderr = place.ok(&format!("{train} {impute} --set model.static_dim=2 --set data.split=row")).stderr;
    assert!(stderr.contains("training rows: it enters as their median"), "{stderr}");
    place.ok("eval --model run/best.safetensors --data holed.csv --split all");
    let back = place.ok("reconstruct --model run/best.safetensors --data holed.csv").stdout;
    assert_eq!(column(&back, "level_db")[2], "", "what is not known is not made up");
    assert!(column(&back, "level_db_read").iter().all(|level| level.parse::<f64>().is_ok()));
    place.ok("generate --model run/best.safetensors -n 20");
    place.ok("train --resume --out run --set training.num_epochs=3 --data holed.csv");
}

#[test]
fn what_cannot_be_prepared_says_why() {
    let place = trained();
    let refused = |code, set: &str, parts: &[&str]| {
        let train = format!("train --config prepared.json --data recordings.csv --out other --set data.{set}");
        place.refused(code, &train, parts);
    };
    refused(2, "prepare.window.to_ms=1.5", &["data.prepare.window", "are 28 samples", "signal_length is 16"]);
    refused(2, "prepare.polarity=0", &["data.prepare.polarity: is 0", "must be 1 or -1"]);
    refused(2, "prepare.windw=null", &["did you mean `data.prepare.window`?"]);
    refused(2, "filters=[{\"column\":\"part\"}]", &["data.filters[0]", "no condition"]);
    refused(
        1,
        "prepare.window={\"from_ms\":1}",
        &["row 2 (line 3): the window is not recorded: 16 samples at 20000 Hz from 1 to 1.75 ms are needed"],
    );
    refused(1, "prepare.baseline.from_ms=-0.9", &["row 2 (line 3): the baseline from -0.9 to 0 ms is not recorded"]);
    refused(
        1,
        "prepare.band_pass.high_hz=13000",
        &["row 1 (line 2): at a sample rate of 24414.0625 Hz it contains nothing above"],
    );
    refused(
        1,
        "prepare.sample_rate_hz=null",
        &["row 1 (line 2)", "contains 20 samples at 24414.0625 Hz", "length is 16"],
    );
    refused(1, "filters=[{\"column\":\"prt\",\"not\":[1]}]", &["no column `prt`, which data.filters names", "`part`?"]);
    refused(1, "filters=[{\"column\":\"level_db\",\"min\":99}]", &["data.filters leave no row", "25 rows left out"]);
    refused(1, "filters=[]", &["row 25 (line 26), column `s0`: \"x\" is not a number"]);
    // a model's own preparation applies to later data
    place.write("short.csv", recordings().replace(",-1,", ",-0.2,"));
    let message = ["short.csv: row 1 (line 2): the baseline from -0.4 to 0 ms is not recorded"];
    place.refused(1, "reconstruct --model run/best.safetensors --data short.csv --out made.csv", &message);
    place.refused(1, "eval --model run/best.safetensors --data short.csv --split all", &message);
}
