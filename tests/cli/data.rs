//! `data import` and `data inspect`.

use crate::support::{Place, cells, column};

/// One BioSig ASCII record of four samples at 10 kHz.
fn biosig(level: i32) -> String {
    format!(
        "ABR Group Header  ====\n    Group Number: 1\n         Records: 1\n  SigGen File #1: DX\n      Subject ID: M1\n\
         ----\n\n   Record Number: 1\n   Aqu. Duration: 0.4 ms\n     Onset Delay: 0 ms\n      No. Points: 4\n    \
         No. Averages: 64\n   No. Artifacts: 0\n\n    SigGen Index: 1\n       Variables: \n                  \
         Freq = 16000 Hz\n                  Level = {level} dB\n1e-006\n2e-006\n-3e-006\n{level}e-006\n"
    )
}

#[test]
fn a_folder_of_files_becomes_one_table_that_is_inspected_and_drawn() {
    let place = Place::new();
    std::fs::create_dir(place.path("files")).unwrap();
    for level in [80, 60, 40] {
        place.write(&format!("files/{level}.txt"), biosig(level));
    }
    place.write("files/notes.md", "no recording");
    let output = place.ok("data import files --out all.csv");
    assert!(output.stderr.contains("3 rows in all.csv") && output.stderr.contains("notes.md"), "{}", output.stderr);
    let table = place.text("all.csv");
    let rows = cells(&table);
    assert_eq!(rows.len(), 1 + 3);
    let output = place.ok("data inspect all.csv --plot levels.svg");
    assert!(
        output.stdout.contains("3 rows of 1 subjects") && output.stdout.contains("40 dB (1), 60 dB (1), 80 dB (1)")
    );
    let svg = place.text("levels.svg");
    assert!(svg.starts_with("<svg") && svg.contains("80 dB") && svg.contains("ms after stimulus onset"));
    let json: serde_json::Value = serde_json::from_str(&place.ok("data inspect all.csv --json").stdout).unwrap();
    assert_eq!((&json["rows"], &json["levels"][2]["value"]), (&3.into(), &"80".into()));
    let named = place.ok("data import files --subject wt-01").stdout;
    assert_eq!(column(&named, "subject_id"), ["wt-01"; 3]);
    // a piped table gives the same data as the file
    assert_eq!(place.ok("data import files").stdout, table);
}

#[test]
fn what_is_not_said_is_asked_for_and_given() {
    let place = Place::new();
    place.write("silent.csv", "subject_id,level_db,s0,s1\na,20,1,2\na,40,2,3\n");
    let output = place.ok("data import silent.csv --out out.csv");
    assert!(output.stderr.contains("--sample-rate-hz") && output.stderr.contains("--t0-ms"), "{}", output.stderr);
    place.ok("data inspect silent.csv --sample-rate-hz 20000 --t0-ms -1.5 --plot x.svg");
    let output = place.ok("data import silent.csv --sample-rate-hz 20000 --t0-ms -1.5");
    assert!(!output.stderr.contains("--t0-ms") && output.stdout.contains(",20000,-1.5,"), "{}", output.stdout);
}

#[test]
fn bad_files_and_names_are_refused() {
    let place = Place::new();
    place.write("cut.txt", &biosig(60)[..250]);
    place.refused(1, "data import cut.txt --out out.csv", &["cut.txt"]);
    place.refused(1, "data import missing.txt --out out.csv", &["missing.txt"]);
    place.write("odd.csv", "a,b\n1,2\n");
    place.refused(1, "data import odd.csv --out out.csv", &["odd.csv", "format"]);
    place.refused(1, "data inspect smoke.json", &["smoke.json", "format"]);
    place.refused(2, "data inspect table.csv --plot x.pdf", &["x.pdf", ".svg or .png"]);
}

#[test]
fn prepared_recordings_are_what_a_training_sees() {
    let place = Place::new();
    let prepare = "--set data.prepare.polarity=-1 --set data.prepare.baseline=mean --set data.filters=";
    let filters = r#"[{"column":"level_db","min":30}]"#;
    let output = place.ok(&format!("data prepare table.csv --config small.json {prepare}{filters} --out prepared.csv"));
    assert!(output.stderr.contains("6 rows left out") || output.stderr.contains("rows left out"), "{}", output.stderr);
    let train = "train --config small.json --set training.num_epochs=1";
    place.ok(&format!("{train} --data table.csv {prepare}{filters} --out a"));
    place.ok(&format!("{train} --data prepared.csv --out b"));
    let weights = |run: &str| place.json(&format!("{run}/split.json"))["sha256"].clone();
    assert_eq!(weights("a"), weights("b"));
    place.refused(1, "data prepare table.csv --config small.json --set model.signal_length=9", &["row 1"]);
}

/// Preparing before training or during loading gives the same bytes in the checkpoint, even with a ground truth.
/// Preparing twice is an error.
#[test]
fn what_is_prepared_trains_to_the_same_bytes_and_is_not_prepared_again() {
    let place = Place::new();
    let prepare = "--set data.prepare.polarity=-1 --set data.prepare.window.from_ms=0.5 --set \
                   data.prepare.band_pass.high_hz=3000";
    let filters = r#"--set data.filters=[{"column":"level_db","min":30}]"#;
    place.ok(&format!("data synth --config smoke.json {prepare} --out raw.csv"));
    place.ok(&format!("data prepare raw.csv --config smoke.json {prepare} {filters} --out prepared.csv"));
    assert!(place.text("prepared.csv").lines().next().unwrap().contains("truth_s199"), "the truth is there");
    let train = format!("train --config smoke.json --set training.num_epochs=1 {prepare} {filters}");
    place.ok(&format!("{train} --data raw.csv --out a"));
    let stderr = place.ok(&format!("{train} --data prepared.csv --out b")).stderr;
    assert!(stderr.contains("rows were prepared already"), "{stderr}");
    assert!(place.bytes("a/best.safetensors") == place.bytes("b/best.safetensors"));
    let other = "train --config smoke.json --set data.prepare.polarity=-1 --data prepared.csv --out c";
    place.refused(
        1,
        other,
        &["column `prepared`: was prepared before", "window.from_ms=0.5", "leave data.prepare out"],
    );
    // without data.prepare it stays unchanged
    place.ok("train --config smoke.json --set training.num_epochs=1 --data prepared.csv --out d");
}

/// The same if preparation only cuts samples.
#[test]
fn labels_after_the_last_sample_are_masked_and_counted() {
    let place = Place::new();
    let mut rows = cells(&place.text("table.csv"));
    for (i, row) in rows.iter_mut().enumerate().skip(1) {
        row[4] = if i % 3 == 0 { "0.1" } else { "99" }.to_string();
    }
    let labelled = rows.iter().map(|row| row.join(",") + "\n");
    place.write("labelled.csv", labelled.collect::<String>());
    let prepared = place.ok("data prepare labelled.csv --config small.json --out prepared.csv");
    let trained = place.ok("train --config small.json --data labelled.csv --out a");
    for output in [prepared, trained] {
        assert!(output.stderr.contains("16 peak labels lie outside of the window"), "{}", output.stderr);
    }
    place.ok("train --config small.json --data prepared.csv --out b");
    assert_eq!(place.json("a/split.json")["sha256"], place.json("b/split.json")["sha256"]);
}

/// `.npz` and CSV carry the same data.
#[test]
fn numpy_arrays_serve_as_tables_do() {
    let place = Place::new();
    place.ok("data import table.csv --out table.npz");
    let train = "train --config small.json --out";
    place.ok(&format!("{train} a --data table.csv"));
    place.ok(&format!("{train} b --data table.npz"));
    assert!(place.bytes("a/best.safetensors") == place.bytes("b/best.safetensors"));
    let generate = "generate --model a/best.safetensors -n 2 --static level_db=40 --out";
    place.ok(&format!("{generate} g.csv"));
    place.ok(&format!("{generate} g.npz"));
    let reconstruct = "reconstruct --model a/best.safetensors --out";
    place.ok(&format!("{reconstruct} r.npz --data table.npz"));
    place.ok(&format!("{reconstruct} r.csv --data table.csv"));
    for name in ["g", "r"] {
        place.ok(&format!("data import {name}.npz --out {name}2.csv"));
        for wanted in ["subject_id", "level_db", "level_db_read", "s0", "s3"] {
            let (csv, npz) = (place.text(&format!("{name}.csv")), place.text(&format!("{name}2.csv")));
            assert_eq!(column(&csv, wanted), column(&npz, wanted), "{name}: {wanted}");
        }
    }
    place.ok("data synth --config smoke.json --out s.csv");
    place.ok("data synth --config smoke.json --out s.npz");
    place.ok("data import s.npz --out s2.csv");
    for wanted in ["level_db", "s7", "truth_s7", "truth_v_ms"] {
        assert_eq!(column(&place.text("s2.csv"), wanted), column(&place.text("s.csv"), wanted), "{wanted}");
    }
}

/// A folder of recorders' files loads as data.
#[test]
fn a_training_reads_recorders_files_as_they_are() {
    let place = Place::new();
    std::fs::create_dir(place.path("files")).unwrap();
    for level in [20, 30, 40, 50, 60, 70, 80] {
        place.write(&format!("files/{level}.txt"), biosig(level));
    }
    let output = place.ok("train --config small.json --set data.split=row --data files --out run --dry-run");
    assert!(output.stderr.contains("files: 7 rows"), "{}", output.stderr);
    let train =
        "train --config small.json --set data.split=row --data files --out run --set data.prepare.window.from_ms=9";
    place.refused(1, train, &["files: row 1 (20.txt)", "the window is not recorded"]);
}

/// Exports the built-in set to ABRA's table.
#[test]
fn the_built_in_set_is_written_as_abra_takes_it() {
    let place = Place::new();
    place.ok("data synth --config smoke.json --out synth.csv");
    let import = "data import synth.csv --format abra --out abra.csv";
    place.refused(2, import, &["has no frequency_hz"]);
    place.refused(2, "data import synth.csv --format abra", &["--out"]);
    let unknown = "ABRA takes the first sample for the stimulus onset";
    assert!(!place.ok(&format!("{import} --frequency-hz click")).stderr.contains(unknown));
    let (synth, abra) = (place.text("synth.csv"), place.text("abra.csv"));
    assert!(abra.starts_with("Freq(Hz),Level(dB),Samp. Per.,0,1,"), "{}", &abra[..60]);
    assert_eq!(column(&abra, "Level(dB)"), column(&synth, "level_db"));
    assert_eq!(column(&abra, "199"), column(&synth, "s199"));
    place.ok("data import abra.csv --t0-ms 0 --out back.csv");
    assert_eq!(column(&place.text("back.csv"), "s7"), column(&synth, "s7"));
    // ABRA's table does not state the time
    let stderr = place.ok("data import abra.csv --subject A1 --format abra --out again.csv").stderr;
    assert!(stderr.contains(unknown) && !stderr.contains("do not state the subject"), "{stderr}");
}
