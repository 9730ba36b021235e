//! Tables that cannot be used: exit 1, the file, row and column, and the way out.

use crate::support::{Place, table, table_with};

/// Trains on `text`, which must be refused.
#[track_caller]
fn refused(place: &Place, text: &str, parts: &[&str]) {
    place.write("bad.csv", text);
    place.refused(1, "train --config small.json --data bad.csv --out run", &[&["bad.csv: "], parts].concat());
}

#[test]
fn the_table_itself_trains() {
    Place::new().ok("train --config small.json --data table.csv --out run");
}

#[test]
fn files_that_are_no_table() {
    let place = Place::new();
    place.refused(
        1,
        "train --config small.json --data none.csv --out run",
        &["none.csv: cannot read", "check the path"],
    );
    // a folder is read as recorders' files, and this one holds none
    std::fs::create_dir(place.path("empty")).expect("a folder");
    place.refused(1, "train --config small.json --data empty --out run", &["empty: no recording was found"]);
    refused(&place, "", &["the file is empty"]);
    refused(&place, table().lines().next().unwrap(), &["no recording was found"]);
    refused(&place, &table().replace("s0,s1,s2,s3", "a,b,c,d"), &["is not in a format", "samples s0, s1, s2"]);
    refused(&place, &table().replacen("S3,", "", 1), &["row 4 (line 5): 8 values, but the header has 9 columns"]);
}

#[test]
fn cells() {
    let place = Place::new();
    let cell = |row, column, cell, parts: &[&str]| refused(&place, &table_with(row, column, cell), parts);
    cell(3, "s1", "abc", &["row 3 (line 4), column `s1`: \"abc\" is not a number"]);
    cell(3, "s1", "NaN", &["row 3 (line 4), column `s1`: empty or NaN"]);
    cell(24, "s3", "-inf", &["row 24 (line 25), column `s3`", "not a finite number"]);
    cell(3, "s0", "", &["row 3 (line 4), column `s0`: empty"]);
    cell(3, "level_db", "1e300", &["row 3 (line 4), column `level_db`: \"1e300\" is not a finite number"]);
    cell(3, "sample_rate_hz", "0", &["row 3 (line 4), column `sample_rate_hz`: 0 is no sample rate"]);
    cell(2, "level_db", "nan", &["row 2 (line 3), column `level_db`: empty, but a number is needed"]);
    cell(2, "sample_rate_hz", "1e300", &["row 2 (line 3), column `sample_rate_hz`: 1e300 Hz is no sample rate"]);
    cell(2, "t0_ms", "1e300", &["row 2 (line 3), column `t0_ms`: the first sample cannot be at 1e300 ms"]);
    cell(2, "level_db", "inf", &["row 2 (line 3), column `level_db`", "not a finite number"]);
    cell(2, "level_db", "", &["row 2 (line 3), column `level_db`: empty"]);
    cell(2, "peak_v_ms", "late", &["row 2 (line 3), column `peak_v_ms`: \"late\" is not a number"]);
    cell(2, "peak_v_ms", "inf", &["row 2 (line 3), column `peak_v_ms`"]);
    cell(
        2,
        "sample_rate_hz",
        "25000",
        &["row 2 (line 3), column `sample_rate_hz`: 25000, but the rows before have 20000"],
    );
    cell(2, "subject_id", "", &["row 2 (line 3), column `subject_id`: empty", "split"]);
}

#[test]
fn what_the_configuration_asks_of_a_table() {
    let place = Place::new();
    let rename = |from: &str, to: &str| table().replacen(from, to, 1);
    refused(
        &place,
        &rename("sample_rate_hz", "rate"),
        &["sample_rate_hz is not known", "data.sample_rate_hz", "never assumed"],
    );
    refused(&place, &rename("t0_ms", "start"), &["t0_ms is not known", "data.t0_ms"]);
    refused(&place, &rename("level_db", "leveldb"), &["no column `level_db`", "is it `leveldb`?"]);
    refused(&place, &rename("subject_id", "who"), &["no column `subject_id`", "\"row\""]);
    refused(&place, &rename("s3", "x3"), &["3 samples, but 4 are needed", "model.signal_length to 3"]);
    let one_subject = (1..8).fold(table(), |text, i| text.replace(&format!("S{i},"), "S0,"));
    refused(&place, &one_subject, &["1 subject cannot be split", "data.split to \"row\""]);
    // asked for by name, a row split takes it
    place.ok("train --config small.json --data bad.csv --out run --set data.split=row");
}

#[test]
fn flat_traces_and_logarithms_of_nothing() {
    let place = Place::new();
    let flat: String = table()
        .lines()
        .map(|line| match line.rsplitn(5, ',').last() {
            Some(left) if line.starts_with('S') => format!("{left},1,1,1,1\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    refused(&place, &flat, &["the training rows: the traces are flat"]);
    let config = place.text("small.json").replace(r#"["level_db"]"#, r#"[{"name": "level_db", "encoding": "log"}]"#);
    place.write("small.json", config);
    refused(&place, &table_with(5, "level_db", "0"), &["level_db", "row 5"]);
}

/// Recordings for a model that was trained already are read with the same care.
#[test]
fn recordings_for_a_model() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    let model = "--model run/best.safetensors";
    for (row, column, cell, wanted) in
        [(3, "s1", "NaN", "row 3 (line 4), column `s1`"), (4, "level_db", "loud", "row 4 (line 5), column `level_db`")]
    {
        place.write("bad.csv", table_with(row, column, cell));
        for command in ["eval --split all", "reconstruct --out made.csv"] {
            place.refused(1, &format!("{command} {model} --data bad.csv"), &["bad.csv: ", wanted]);
        }
    }
    place.write("bad.csv", table().replace("20000", "25000"));
    place.refused(
        1,
        &format!("reconstruct {model} --data bad.csv --out made.csv"),
        &["bad.csv: sample_rate_hz is 25000, but the model was trained at 20000"],
    );
}
