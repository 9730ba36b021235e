//! One recording in several rows, and rows that the model was trained on: both are detected by their samples, whatever
//! their names.

use crate::support::{Place, cells, column};
use common::checkpoint_file::CheckpointFile;
use serde_json::Value;
use std::collections::BTreeSet;

/// A model trained on `table.csv`: 15 of its 24 rows train, of 5 of its 8 subjects.
fn trained() -> Place {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    place
}

/// The numbers, from 1, of the rows in a part of the split.
fn rows(place: &Place, part: &str) -> Vec<usize> {
    let split = place.json("run/split.json");
    split[part]["row_numbers"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap() as usize).collect()
}

/// `table.csv` with changed cells; rows count from 1.
fn changed(place: &Place, change: impl Fn(usize, &mut Vec<String>)) -> String {
    let mut cells = cells(&place.text("table.csv"));
    cells.iter_mut().enumerate().skip(1).for_each(|(row, cells)| change(row, cells));
    cells.iter().map(|row| row.join(",") + "\n").collect()
}

/// `table.csv` with the four samples of one row copied to another.
fn with_copy(place: &Place, from: usize, to: usize) -> String {
    let samples = cells(&place.text("table.csv"))[from][5..].to_vec();
    changed(place, |row, cells| {
        if row == to {
            cells.splice(5.., samples.iter().cloned());
        }
    })
}

fn eval(place: &Place, data: &str, more: &str) -> (String, Value) {
    let eval = format!("eval --model run/best.safetensors --data {data} {more}");
    let first = place.ok(&eval).stdout.lines().next().unwrap().to_string();
    let json: Value = serde_json::from_str(&place.ok(&format!("{eval} --json")).stdout).unwrap();
    (first, json["trained_on"].clone())
}

#[test]
fn a_recording_in_two_parts_stops_the_training_unless_asked_for() {
    let place = trained();
    let (train, test) = (rows(&place, "train")[2], rows(&place, "test")[1]);
    place.write("copied.csv", with_copy(&place, train, test));
    let subjects = column(&place.text("copied.csv"), "subject_id");
    let named = |row: usize, part: &str| format!("row {row} ({}, {part})", subjects[row - 1]);
    let command = "train --config small.json --data copied.csv --out copied";
    place.refused(
        1,
        command,
        &[
            "copied.csv: the split: 2 rows in two parts have the same samples",
            &named(train, "train"),
            &named(test, "test"),
            "data.allow_repeats to true",
        ],
    );
    let stderr = place.ok(&format!("{command} --set data.allow_repeats=true")).stderr;
    assert!(stderr.contains("note: 2 rows in two parts have the same samples"), "{stderr}");
    assert_eq!(place.json("copied/config.json")["data"]["allow_repeats"], true);
    // the result repeats the warning about the leak
    let stdout = place.ok("eval --model copied/best.safetensors --data copied.csv").stdout;
    assert!(stdout.starts_with("copied.csv, test: 3 rows of 1 subject; trained on 1 of these rows"), "{stdout}");
}

#[test]
fn copies_of_one_subject_are_noticed_and_stay_together() {
    let place = trained();
    let train = rows(&place, "train");
    let subjects = column(&place.text("table.csv"), "subject_id");
    let second = train[1..].iter().find(|&&row| subjects[row - 1] == subjects[train[0] - 1]).unwrap();
    place.write("copied.csv", with_copy(&place, train[0], *second));
    let stderr = place.ok("train --config small.json --data copied.csv --out copied").stderr;
    assert!(stderr.contains("2 rows have the same samples as another row of their part"), "{stderr}");
}

#[test]
fn trained_rows_are_known_under_any_name() {
    let place = trained();
    let (first, on) = eval(&place, "table.csv", "--split all");
    assert_eq!(first, "table.csv, all: 24 rows of 8 subjects; trained on 15 of these rows and 5 of these subjects");
    assert_eq!((&on["rows"], &on["subjects"], &on["flat_rows"]), (&15.into(), &5.into(), &0.into()));
    // neither validation rows nor test rows were trained on
    for (part, rows) in [("val", "6 rows of 2 subjects;"), ("test", "3 rows of 1 subject;")] {
        let (first, _) = eval(&place, "table.csv", &format!("--split {part}"));
        assert!(first.ends_with(&format!("{rows} trained on none of these rows and none of these subjects")));
    }
    // other names and levels, and slightly changed samples
    let renamed = changed(&place, |row, cells| {
        (cells[0], cells[3]) = (format!("N{}", row % 4), "35".into());
        cells[5..].iter_mut().for_each(|cell| *cell = format!("{}", cell.parse::<f64>().unwrap() + 5e-5));
    });
    place.write("renamed.csv", renamed);
    let (first, on) = eval(&place, "renamed.csv", "--split all");
    let subjects = rows(&place, "train").iter().map(|row| row % 4).collect::<BTreeSet<_>>().len();
    let wanted = format!(
        "; trained on 15 of these rows and {subjects} of these subjects ({subjects} by their samples, none by their \
         names)"
    );
    assert!(first.ends_with(&wanted), "{first}");
    assert_eq!((&on["subjects_by_samples"], &on["subjects_by_name"]), (&subjects.into(), &0.into()));
}

#[test]
fn new_recordings_of_trained_subjects_are_known_by_name() {
    let place = trained();
    let new = changed(&place, |row, cells| {
        cells[6] = (cells[6].parse::<f64>().unwrap() + 0.01).to_string();
        if row == 7 {
            cells[5..].fill("0".into());
        }
    });
    place.write("new.csv", new);
    let (first, on) = eval(&place, "new.csv", "--split all");
    let wanted = "; trained on none of these rows and 5 of these subjects (none by their samples, 5 by their names); 1 \
                  row is too flat to tell";
    assert!(first.ends_with(wanted), "{first}");
    assert_eq!((&on["rows"], &on["subjects"], &on["flat_rows"]), (&0.into(), &5.into(), &1.into()));
}

#[test]
fn data_of_another_laboratory_were_not_trained_on() {
    let place = trained();
    let other = changed(&place, |_, cells| {
        cells[0] = format!("X{}", cells[0]);
        cells[6] = (cells[6].parse::<f64>().unwrap() + 0.01).to_string();
    });
    place.write("other.csv", other);
    let (first, on) = eval(&place, "other.csv", "--split all");
    assert!(first.ends_with("trained on none of these rows and none of these subjects"), "{first}");
    assert_eq!((&on["rows"], &on["subjects"]), (&0.into(), &0.into()));
}

/// Rows without subjects are called `row 1`, `row 2`, …, which does not identify anyone.
#[test]
fn rows_without_a_subject_are_known_by_samples_alone() {
    let place = Place::new();
    let nameless = |text: String| text.replacen("subject_id", "note", 1);
    place.write("nameless.csv", nameless(place.text("table.csv")));
    place.ok("train --config small.json --data nameless.csv --out run --set data.split=row");
    let (first, _) = eval(&place, "nameless.csv", "--split all");
    let train = rows(&place, "train").len();
    assert!(first.contains(&format!("; trained on {train} of these rows and {train} of these subjects")), "{first}");
    let other = changed(&place, |_, cells| cells[6] = (cells[6].parse::<f64>().unwrap() + 0.01).to_string());
    place.write("other.csv", nameless(other));
    let (first, _) = eval(&place, "other.csv", "--split all");
    assert!(first.ends_with("trained on none of these rows and none of these subjects"), "{first}");
}

/// A checkpoint from before there were sketches of the training rows.
#[test]
fn an_older_checkpoint_opens_and_says_that_it_does_not_know() {
    let place = trained();
    let mut old = CheckpointFile::read(&place.bytes("run/best.safetensors"));
    assert!(old.tensors.remove("train.sketches").is_some());
    let levels = old.tensors.remove("train.statics.0").expect("the levels of the training rows");
    let levels: Vec<f64> = levels.bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    let facts = old.metadata["trained"]["data"].as_object_mut().unwrap();
    facts["train_statics"][0]["values"] = levels.into();
    let subjects = facts.remove("train_subjects").unwrap();
    facts.insert("seen_subjects".into(), subjects);
    place.write("run/best.safetensors", old.to_bytes_of_version_1());
    let (first, on) = eval(&place, "table.csv", "--split all");
    assert_eq!(first, "table.csv, all: 24 rows of 8 subjects; it is unknown which of them the model was trained on");
    assert_eq!(on, Value::Null);
    // the rest of the file is used as before
    place.ok("eval --model run/best.safetensors --data table.csv --split test");
}
