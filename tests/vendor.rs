//! Compares the readers on files of four recorders with tables of the same recordings. The files are not part of this
//! repository (see common/shared.rs). Without them the tests report that they were skipped, and one test checks this
//! report.

#![cfg(feature = "abr")]

use abr_film::config::Config;
use abr_film::data::load;
use abr_film::data::read::{Recording, read_all};
use abr_film::data::scale::Scalers;
use abr_film::data::split::split;
use common::shared::shared;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn import(path: PathBuf) -> (Vec<Recording>, Vec<String>) {
    read_all(&[path]).unwrap()
}

/// One row of a table: named cells and samples.
struct VendorRow {
    cells: HashMap<String, String>,
    samples: Vec<f32>,
}

fn table(path: PathBuf) -> Vec<VendorRow> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_string).collect();
    let is_sample = |name: &str| name.strip_prefix('s').is_some_and(|n| n.parse::<usize>().is_ok());
    let row = |record: csv::StringRecord| {
        let pairs = || names.iter().map(String::as_str).zip(record.iter());
        let samples = pairs().filter(|(name, _)| is_sample(name)).map(|(_, cell)| cell.parse().unwrap()).collect();
        let cells = pairs().filter(|(name, _)| !is_sample(name)).map(|(n, c)| (n.to_string(), c.to_string())).collect();
        VendorRow { cells, samples }
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Asserts that a recording has the values of a row's columns.
fn assert_says(recording: &Recording, row: &VendorRow, columns: &[&str]) {
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
    let Some(data) = shared("data") else { return };
    let (recordings, notices) = import(data.join("vendor/ihs_smartep/TEMP-08-60db.TXT"));
    assert_eq!(recordings.len(), 9);
    assert_eq!(notices.len(), 1, "{notices:?}");
    let rows = table(data.join("human_click.csv"));
    let rows: Vec<VendorRow> =
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
    let Some(data) = shared("data") else { return };
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
    let Some(data) = shared("data") else { return };
    let (recordings, _) = import(data.join("vendor/tdt_biosig_ascii"));
    assert_eq!(recordings.len(), 9);
    for recording in &recordings {
        assert_eq!(
            (recording.samples.len(), recording.sample_rate_hz, recording.t0_ms),
            (366, Some(24414.0625), Some(0.0))
        );
        assert_eq!((recording.column("n_averages"), recording.column("n_artifacts")), (Some("2"), Some("0")));
    }
    let (first, second): (Vec<_>, Vec<_>) = recordings.into_iter().partition(|r| &*r.file == "wt-01_1-1.txt");
    assert_eq!((first.len(), second.len()), (8, 1));
    assert_eq!((distinct(&first, "frequency_hz"), distinct(&first, "level_db")), (vec![32_000.0], vec![90.0]));
    assert_eq!((distinct(&second, "frequency_hz"), distinct(&second, "level_db")), (vec![16_000.0], vec![80.0]));
    assert_eq!((first[0].subject.as_str(), second[0].subject.as_str()), ("NO.4357", "wt-01_2-0"));
    assert_eq!((first[0].column("record"), second[0].column("record")), (Some("g1-103"), Some("g0-0")));
    assert_eq!(second[0].samples[..2], [4.41683, 4.23565], "volts became microvolts");
}

#[test]
fn an_arf_equals_the_table_of_its_recordings() {
    let Some(data) = shared("data") else { return };
    let (recordings, notices) = import(data.join("vendor/tdt_arf/Example ABR.arf"));
    assert_eq!((recordings.len(), notices.len()), (261, 0), "{notices:?}");
    let (mouse, other): (Vec<_>, Vec<_>) = recordings.into_iter().partition(|r| r.subject == "Mouse 1");
    assert_eq!((mouse.len(), other.len()), (131, 130));
    assert!(other.iter().all(|r| r.subject == "Mouse 2"));
    let mut rows = table(data.join("cba_tones.csv"));
    assert_eq!(rows.len(), mouse.len());
    let mut worst = 0_f32;
    for recording in &mouse {
        // `rec_id` consists of group and record
        let record = recording.column("record").unwrap();
        let row = rows.iter_mut().find(|row| row.cells["rec_id"] == record).expect("a row of this record");
        assert_eq!((recording.samples.len(), recording.t0_ms), (244, Some(0.0)));
        assert_eq!(recording.sample_rate_hz, Some(24414.0625));
        let frequency = row.cells.get_mut("frequency_hz").unwrap();
        let hz: f64 = recording.column("frequency_hz").unwrap().parse().unwrap();
        // the table has one decimal: half a unit of it, and a fiftieth for the rounding of both
        assert!(
            (hz - frequency.parse::<f64>().unwrap()).abs() < 0.051,
            "{hz} and {frequency} Hz, which has one decimal"
        );
        assert_says(recording, row, &["ear", "channel", "level_db", "n_averages", "n_artifacts"]);
        for (a, b) in recording.samples.iter().zip(&row.samples) {
            worst = worst.max((a - b).abs());
        }
    }
    // the table has four decimals: half a unit of the last; f32 values of up to 30 µV, rounded by 2^-24 on both sides
    assert!(worst <= 0.5e-4 + 2e-6, "{worst} µV");
    println!("131 recordings of 244 samples: within {worst:e} µV");
    let frequencies = distinct(&mouse, "frequency_hz");
    assert_eq!(frequencies.iter().map(|f| f.round()).collect::<Vec<_>>(), [8000.0, 11314.0, 16000.0, 22627.0, 32000.0]);
    assert_eq!(distinct(&mouse, "level_db"), (4..=16).map(|i| f64::from(i * 5)).collect::<Vec<_>>());
}

#[test]
fn a_level_sweep_comes_with_its_analysed_peaks() {
    let Some(data) = shared("data") else { return };
    let (recordings, notices) = import(data.join("vendor/epl_cfts"));
    assert_eq!((recordings.len(), notices.len()), (12, 2), "{notices:?}");
    assert!(notices[0].contains("half the difference of the two polarities"), "{notices:?}");
    let levels = [10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 60.0, 70.0, 80.0];
    assert_eq!(distinct(&recordings, "level_db"), levels);
    for recording in &recordings {
        // 8.5 ms: the first half of 1700 lines
        assert_eq!((recording.samples.len(), recording.sample_rate_hz, recording.t0_ms), (850, Some(1e5), Some(0.0)));
        let columns = ["ear", "frequency_hz", "rate_hz", "n_averages", "threshold_db"];
        assert_eq!(columns.map(|c| recording.column(c).unwrap()), ["R", "16000", "40", "512", "15"]);
        assert_eq!(recording.subject, "ABR-52");
        // 10 dB is below the threshold, so nothing is labelled
        assert_eq!(recording.peaks.iter().all(|p| p.is_nan()), recording.column("level_db") == Some("10"));
    }
    let at_80 = &recordings[11];
    let wanted = [1.19, 2.85, 5.17, 2.13 + 1.59, 2.94 + 3.27, 1.37 + 1.54];
    // f32 values up to 6: rounded by 2^-22
    assert!(at_80.peaks.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", at_80.peaks);
    assert_eq!((at_80.samples[1], at_80.samples[849]), (-0.083482, -0.184214));
}

#[test]
fn a_config_of_this_repository_fits_the_table_of_real_recordings() {
    let Some(data) = shared("data") else { return };
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/human_click.json");
    let mut config = Config::load(&config, &[]).unwrap();
    config.data.path = Some(data.join("human_click.csv").display().to_string());
    let (data, notices) = load(&config.data, config.model.signal_length, |_, _| {}).unwrap();
    assert_eq!(data.signals.dim(), (234, 200));
    assert!(notices[0].ends_with("234 rows, prepared: 200 samples at 20000 Hz from 0 ms"), "{notices:?}");
    assert_eq!((data.sample_rate_hz, data.t0_ms), (20_000.0, 0.0));
    let split = split(&data, &config.data).unwrap();
    let (scalers, _) = Scalers::fit(&data, &config.data, &split.train).unwrap();
    scalers.check_condition_dim(config.model.static_dim).unwrap();
    assert!(scalers.encode_condition("human", &data.conditions, &split.test).is_ok());
}

#[test]
fn a_test_without_its_recordings_says_so_past_the_harness_or_fails() {
    let test = "smartep_equals_the_table_of_its_recordings";
    let run = |required: &str| {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.env("ABR_FILM_SHARED", "/nonexistent").env("ABR_FILM_REQUIRE_SHARED", required);
        // with a single thread the harness makes no thread with the test's name
        let output = command.args(["--exact", test, "--test-threads=2"]).output().expect("it starts");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
        (output.status.success(), stdout, stderr)
    };
    let absent =
        format!("{} is not there (ABR_FILM_SHARED names another place)", Path::new("/nonexistent/data").display());
    let (passed, stdout, stderr) = run("");
    assert!(passed && stdout.contains("1 passed"), "{stdout}");
    assert_eq!(stderr, format!("SKIPPED {test}: {absent}\n"));
    let (passed, stdout, stderr) = run("1");
    assert!(!passed && stdout.contains("1 failed") && stdout.contains(&absent), "{stdout}");
    assert!(!stderr.contains("SKIPPED"), "{stderr}");
}
