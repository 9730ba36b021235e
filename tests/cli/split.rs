//! Who trains, validates and tests: the manifest, folds, held-out conditions, and what `eval` says of subjects it knows.

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
    let said = place.ok(&format!("train --config small.json --data table.csv --out run {split}"));
    assert!(said.stderr.contains(" unused"), "{}", said.stderr);
    let report = place.ok("eval --model run/best.safetensors --data table.csv --out report");
    assert!(report.stdout.contains(" 0 of them seen in training"), "{}", report.stdout);
    // every third row is of one subject, and level follows the row's number
    let rows: Vec<u64> = place.text("report/traces.csv").lines().skip(1).map(|l| first(l).parse().unwrap()).collect();
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
    place.refused(1, &train, &["table.csv", "level_db of 41", "hold out a condition that is there"]);
}

#[test]
fn all_rows_of_any_data_are_evaluated_and_known_subjects_counted() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    let all = place.ok("eval --model run/best.safetensors --data table.csv --split all").stdout;
    assert!(all.contains("24 rows of 8 subjects, 7 of them seen in training"), "{all}");
    // other data, of which one subject bears a known name
    let known = subjects(&place.json("run/split.json"), "train").pop_first().unwrap();
    let other: String = place
        .text("table.csv")
        .lines()
        .take(3)
        .enumerate()
        .map(|(i, line)| match i {
            1 => format!("{known},{}\n", line.split_once(',').unwrap().1),
            2 => format!("new,{}\n", line.split_once(',').unwrap().1),
            _ => format!("{line}\n"),
        })
        .collect();
    place.write("other.csv", other);
    let all = place.ok("eval --model run/best.safetensors --data other.csv --split all").stdout;
    assert!(all.contains("2 rows of 2 subjects, 1 of them seen in training"), "{all}");
    place.refused(1, "eval --model run/best.safetensors --data other.csv", &["other.csv", "--split all"]);
}
