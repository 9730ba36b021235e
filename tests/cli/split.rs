//! The split: the manifest, folds, held-out conditions, and what `eval` reports about known subjects.

use crate::support::Place;
use std::collections::BTreeSet;

fn subjects(manifest: &serde_json::Value, part: &str) -> BTreeSet<String> {
    manifest[part]["subjects"].as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_string()).collect()
}

#[test]
fn the_manifest_names_the_members_of_each_part() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    let manifest = place.json("run/split.json");
    assert_eq!(manifest["sha256"].as_str().unwrap().len(), 64);
    assert_eq!((&manifest["split"], &manifest["seed"]), (&"subject".into(), &42.into()));
    let parts = ["train", "validation", "test"].map(|part| subjects(&manifest, part));
    assert_eq!(parts.iter().map(BTreeSet::len).collect::<Vec<_>>(), [5, 2, 1]);
    assert_eq!(parts.iter().flatten().collect::<BTreeSet<_>>().len(), 8);
}

#[test]
fn folds_test_every_subject_once() {
    let place = Place::new();
    let mut tested = Vec::new();
    for fold in 0..3 {
        let split = format!(r#"--set data.split={{"k_fold":{{"folds":3,"fold":{fold}}}}}"#);
        place.ok(&format!("train --config small.json --data table.csv --out fold{fold} {split}"));
        tested.extend(subjects(&place.json(&format!("fold{fold}/split.json")), "test"));
    }
    tested.sort();
    assert_eq!(tested, (0..8).map(|i| format!("S{i}")).collect::<Vec<_>>());
}

#[test]
fn a_held_out_level_is_tested_alone() {
    let place = Place::new();
    let split = r#"--set data.split={"held_out":{"column":"level_db","values":[40,50]}} --set data.test_split=0.4"#;
    let output = place.ok(&format!("train --config small.json --data table.csv --out run {split}"));
    assert!(output.stderr.contains(" unused"), "{}", output.stderr);
    let report = place.ok("eval --model run/best.safetensors --data table.csv --out report");
    assert!(report.stdout.contains("; trained on none of these rows and none of these subjects"), "{}", report.stdout);
    // every third row is of one subject, and level follows the row's number
    let rows: Vec<u64> = place.text("report/errors.csv").lines().skip(1).map(|l| first(l).parse().unwrap()).collect();
    assert!(!rows.is_empty() && rows.iter().all(|row| [40, 50].contains(&(20 + 10 * ((row - 1) % 7)))), "{rows:?}");
}

fn first(line: &str) -> &str {
    line.split(',').next().unwrap()
}

#[test]
fn what_cannot_be_split_so_is_refused_by_name() {
    let place = Place::new();
    let refused = |split: &str, parts: &[&str]| {
        place.refused(
            2,
            &format!("train --config small.json --data table.csv --out run --set data.split={split}"),
            parts,
        );
    };
    refused(r#"{"k_fold":{"folds":3,"fold":3}}"#, &["data.split.k_fold.fold", "0 to below 3"]);
    refused(r#"{"k_fold":{"folds":1,"fold":0}}"#, &["data.split.k_fold.folds"]);
    refused(r#"{"k_fold":{"folds":3,"fold":0,"seed":1}}"#, &["data.split", "seed"]);
    refused(r#"{"held_out":{"column":"level","values":[40]}}"#, &["data.split.held_out.column", "level_db"]);
    refused(r#"{"held_out":{"column":"level_db","values":[]}}"#, &["data.split.held_out.values"]);
    refused("animal", &["data.split", "animal"]);
    let split = r#"{"held_out":{"column":"level_db","values":[41]}}"#;
    let train = format!("train --config small.json --data table.csv --out run --set data.split={split}");
    place.refused(1, &train, &["table.csv", "level_db of 41", "hold out a condition that occurs"]);
}

#[test]
fn all_rows_of_any_data_are_evaluated() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    let two: String = place.text("table.csv").lines().take(3).map(|line| format!("{line}\n")).collect();
    place.write("other.csv", two);
    let all = place.ok("eval --model run/best.safetensors --data other.csv --split all").stdout;
    assert!(all.starts_with("other.csv, all: 2 rows of 2 subjects; trained on "), "{all}");
    place.refused(1, "eval --model run --data other.csv --split test", &["other.csv", "--split all"]);
}

#[test]
fn subjects_are_held_out_by_name() {
    let place = Place::new();
    let held = |names: &str| format!(r#"--set data.split={{"held_out":{{"column":"subject_id","values":[{names}]}}}}"#);
    let train = "train --config small.json --data table.csv --out";
    for seed in [1, 2] {
        let stderr = place.ok(&format!("{train} run{seed} {} --set data.seed={seed}", held(r#""S3","S5""#))).stderr;
        let manifest = place.json(&format!("run{seed}/split.json"));
        assert_eq!(subjects(&manifest, "test"), ["S3", "S5"].map(String::from).into());
        // a fifth of the other six, rounded
        assert_eq!((subjects(&manifest, "train").len(), subjects(&manifest, "validation").len()), (5, 1));
        assert_eq!(manifest["unused"]["rows"], 0);
        assert!(
            stderr.contains("only 6 rows are in the test part of the split") && stderr.contains("hold out more"),
            "{stderr}"
        );
        let report = place.ok(&format!("eval --model run{seed}/best.safetensors --data table.csv")).stdout;
        assert!(report.contains(" 6 rows of 2 subjects; trained on none of these rows"), "{report}");
    }
    let unknown = format!("{train} run {}", held(r#""S3","Z5""#));
    place.refused(
        1,
        &unknown,
        &["table.csv: data.split.held_out.values: no subject is named Z5", "S0, S1, S2, S3, S4 and"],
    );
    place.refused(1, &format!("{train} run {}", held(r#""s3""#)), &["did you mean S3?"]);
}

#[test]
fn two_subjects_are_two_folds() {
    let place = Place::new();
    let two = place.text("table.csv").lines().enumerate().fold(String::new(), |text, (i, line)| match i {
        0 => format!("{text}{line}\n"),
        _ => format!("{text}M{},{}\n", i % 2, line.split_once(',').unwrap().1),
    });
    place.write("two.csv", two);
    let mut tested = Vec::new();
    for fold in 0..2 {
        let split = format!(r#"--set data.split={{"k_fold":{{"folds":2,"fold":{fold}}}}}"#);
        let stderr = place.ok(&format!("train --config small.json --data two.csv --out fold{fold} {split}")).stderr;
        assert!(stderr.contains("note: there are no validation rows: the last epoch counts as the best"), "{stderr}");
        assert!(stderr.contains("12 rows to train, 0 to validate, 12 to test"), "{stderr}");
        tested.extend(subjects(&place.json(&format!("fold{fold}/split.json")), "test"));
        // the weights of the best epoch exist and are evaluated
        let report = place.ok(&format!("eval --model fold{fold}/best.safetensors --data two.csv")).stdout;
        assert!(report.contains("test: 12 rows of 1 subject;"), "{report}");
    }
    tested.sort();
    assert_eq!(tested, ["M0", "M1"]);
    // without a test part, one subject trains and the other validates
    let stderr = place.ok("train --config small.json --data two.csv --out both --set data.test_split=0").stderr;
    assert!(stderr.contains("12 rows to train, 12 to validate, 0 to test"), "{stderr}");
}
