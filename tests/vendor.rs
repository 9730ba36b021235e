//! The readers on recordings as four recorders wrote them, and on the same recordings as tables. The files are not part of this
//! repository: without the folder (`../shared`, or what `ABR_FILM_SHARED` names) these tests say that they were skipped.

use abr_film::data::read::{Recording, read_paths};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The folder with the recordings, if it is there.
fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("ABR_FILM_SHARED").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared")).join("data");
    if folder.join("vendor").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there (set ABR_FILM_SHARED)", folder.display());
    None
}

fn import(path: PathBuf) -> (Vec<Recording>, Vec<String>) {
    read_paths(&[path], |_, _| {}).unwrap()
}

/// One row of a table: its named cells, and its samples.
struct Row {
    cells: HashMap<String, String>,
    samples: Vec<f32>,
}

fn table(path: PathBuf) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_string).collect();
    let is_sample = |name: &str| name.strip_prefix('s').is_some_and(|n| n.parse::<usize>().is_ok());
    let row = |record: csv::StringRecord| {
        let pairs = || names.iter().map(String::as_str).zip(record.iter());
        let samples = pairs().filter(|(name, _)| is_sample(name)).map(|(_, cell)| cell.parse().unwrap()).collect();
        let cells = pairs().filter(|(name, _)| !is_sample(name)).map(|(n, c)| (n.to_string(), c.to_string())).collect();
        Row { cells, samples }
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// That a recording says what a row's columns hold.
fn assert_says(recording: &Recording, row: &Row, columns: &[&str]) {
    for &name in columns {
        let cell = row.cells[name].as_str();
        assert_eq!(recording.column(name).unwrap_or_default(), cell, "{name} of {:?}", row.cells["rec_id"]);
    }
}

fn distinct(recordings: &[Recording], column: &str) -> Vec<f64> {
    let mut values: Vec<f64> = recordings.iter().map(|r| r.column(column).unwrap().parse().unwrap()).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

#[test]
fn smartep_equals_the_table_of_its_recordings() {
    let Some(data) = shared() else { return };
    let (recordings, notices) = import(data.join("vendor/ihs_smartep/TEMP-08-60db.TXT"));
    assert_eq!(recordings.len(), 9);
    assert_eq!(notices.len(), 1, "{notices:?}");
    let rows = table(data.join("human_click.csv"));
    let rows: Vec<Row> =
        rows.into_iter().filter(|r| r.cells["subject_id"] == "P8" && r.cells["level_db"] == "60").collect();
    assert_eq!(rows.len(), 9);
    for (recording, row) in recordings.iter().zip(&rows) {
        assert_eq!(recording.subject, "TEMP-08");
        assert_eq!((recording.sample_rate_hz, recording.samples.len()), (Some(20_000.0), 1024));
        // `Zero Position` 530 counts from 1
        assert_eq!(recording.t0_ms, Some(-26.45));
        assert_eq!(recording.samples[529..], row.samples);
        let columns = ["ear", "channel", "frequency_hz", "level_db", "rate_hz", "n_averages", "n_artifacts"];
        assert_says(recording, row, &columns);
    }
}

#[test]
fn a_folder_of_two_levels_is_two_subjects_not_four() {
    let Some(data) = shared() else { return };
    let (recordings, notices) = import(data.join("vendor/ihs_smartep"));
    assert_eq!(recordings.len(), 18, "the licence beside them is no recording");
    assert_eq!(distinct(&recordings, "level_db"), [20.0, 60.0]);
    assert_eq!(distinct(&recordings, "n_averages"), [500.0, 1000.0, 2000.0]);
    let mut subjects: Vec<&str> = recordings.iter().map(|r| r.subject.as_str()).collect();
    subjects.dedup();
    assert_eq!(subjects, ["TEMP-03", "TEMP-08"]);
    assert_eq!(notices.len(), 1, "{notices:?}");
}

#[test]
fn biosig_ascii_says_what_its_headers_say() {
    let Some(data) = shared() else { return };
    let (recordings, _) = import(data.join("vendor/tdt_biosig_ascii"));
    assert_eq!(recordings.len(), 9);
    for recording in &recordings {
        assert_eq!(
            (recording.samples.len(), recording.sample_rate_hz, recording.t0_ms),
            (366, Some(24414.0625), Some(0.0))
        );
        assert_eq!((recording.column("n_averages"), recording.column("n_artifacts")), (Some("2"), Some("0")));
    }
    let (first, second): (Vec<_>, Vec<_>) = recordings.into_iter().partition(|r| r.file == "wt-01_1-1.txt");
    assert_eq!((first.len(), second.len()), (8, 1));
    assert_eq!((distinct(&first, "frequency_hz"), distinct(&first, "level_db")), (vec![32_000.0], vec![90.0]));
    assert_eq!((distinct(&second, "frequency_hz"), distinct(&second, "level_db")), (vec![16_000.0], vec![80.0]));
    assert_eq!((first[0].subject.as_str(), second[0].subject.as_str()), ("NO.4357", "wt-01_2-0"));
    assert_eq!((first[0].column("record"), second[0].column("record")), (Some("g1-103"), Some("g0-0")));
    assert_eq!(second[0].samples[..2], [4.41683, 4.23565], "volts became microvolts");
}
