use super::refusal;
use crate::data::read::{Recording, abra_csv, read_all, read_bytes};
use common::samples::{abra, eclipse};

#[test]
fn abra_tables_are_read() {
    let recordings = read_bytes("x.csv", abra().into()).unwrap();
    assert_eq!(recordings.len(), 2);
    assert_eq!((recordings[0].samples.len(), &recordings[0].samples[..3]), (18, &[1.5, -2.0, 0.003][..]));
    assert_eq!(recordings[1].samples[..2], [4.0, 5.0]);
    assert_eq!(recordings[1].samples.len(), 16, "empty cells at the end are a shorter recording");
    assert_eq!((recordings[0].sample_rate_hz, recordings[0].t0_ms), (Some(24414.0625), None));
    let columns = ["frequency_hz", "level_db", "n_averages", "sgi"];
    assert_eq!(columns.map(|c| recordings[0].column(c).unwrap()), ["8000", "80", "512", "1"]);
    assert_eq!(columns.map(|c| recordings[1].column(c).unwrap()), ["click", "75.5", "512", "2"]);
}

#[test]
fn abra_tables_are_written_as_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m1.csv");
    let recording = |frequency: &str, level: &str, samples: &[f32]| Recording {
        sample_rate_hz: Some(20_000.0),
        columns: vec![("frequency_hz".into(), frequency.into()), ("level_db".into(), level.into())],
        ..Recording::new([samples, &[0.5; 13]].concat())
    };
    let written = [recording("click", "60", &[0.1, -1e-7, 3.0]), recording("11300", "-5", &[1.0, 2.0, 1.0 / 3.0])];
    abra_csv::write(&path, &written).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("Freq(Hz),Level(dB),Samp. Per.,0,1,2,3,"), "{text}");
    let (read, _) = read_all(std::slice::from_ref(&path)).unwrap();
    for (read, written) in read.iter().zip(&written) {
        assert_eq!((&read.samples, read.sample_rate_hz), (&written.samples, written.sample_rate_hz));
        assert_eq!((&read.columns, read.subject.as_str()), (&written.columns, "m1"));
    }
    let mut early = written.to_vec();
    early[1].t0_ms = Some(0.025);
    abra_csv::write(&path, &early).unwrap();
    early[1].t0_ms = Some(-0.05);
    let message = abra_csv::write(&path, &early).unwrap_err().to_string();
    assert!(message.contains("begins at -0.05 ms") && message.contains("window.from_ms"), "{message}");
    let mut longer = written.to_vec();
    longer[1].samples.push(0.0);
    let message = abra_csv::write(&path, &longer).unwrap_err().to_string();
    assert!(message.contains("16 samples of 50 µs, another 17 samples"), "{message}");
    longer[0].columns.clear();
    assert!(abra_csv::write(&path, &longer).unwrap_err().to_string().contains("has no frequency_hz"));
    assert!(abra_csv::write(&path, &[]).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "what cannot be written leaves the old file");
}

#[test]
fn eclipse_tables_are_read_without_rate_and_time() {
    let recordings = read_bytes("x.csv", eclipse().into()).unwrap();
    let [recording] = &recordings[..] else { panic!("{recordings:?}") };
    assert_eq!((recording.samples.len(), recording.samples[9]), (20, 0.1));
    assert_eq!((recording.sample_rate_hz, recording.t0_ms), (None, None));
    assert_eq!(recording.subject, "p 7");
    let columns = ["ear", "level_db", "rate_hz", "n_averages", "age_years", "frequency_hz"];
    assert_eq!(columns.map(|c| recording.column(c).unwrap()), ["R", "60", "44.1", "2000", "31", "click"]);
    assert_eq!(recording.column("file_s1"), Some("x"), "`s1` would be a sample");
}

#[test]
fn rate_and_time_may_be_columns() {
    let text = eclipse().replace("Age [years];s1", "sample_rate_hz;t0_ms").replace(";31;x;", ";30000;-2,5;");
    let recordings = read_bytes("x.csv", text.into()).unwrap();
    assert_eq!((recordings[0].sample_rate_hz, recordings[0].t0_ms), (Some(30_000.0), Some(-2.5)));
}

#[test]
fn a_missing_sample_stays_one() {
    assert!(read_bytes("x.csv", abra().replace("-2,", ",").into()).unwrap()[0].samples[1].is_nan());
    assert!(read_bytes("x.csv", eclipse().replace("0,05", "NaN").into()).unwrap()[0].samples[4].is_nan());
}

#[test]
fn a_damaged_table_names_its_line() {
    for (bad, expected) in [
        (abra().replace("-2,", "x,"), "row 1 (line 2), column `1`: \"x\" is not a number"),
        (abra().replace("8000", "inf"), "row 1 (line 2), column `Freq(Hz)`: \"inf\" is not a finite number"),
        (abra().replace("8000", "8k"), "row 1 (line 2), column `Freq(Hz)`: \"8k\" is not a number"),
        (abra().replace("75.5", "loud"), "row 2 (line 3), column `Level(dB)`: \"loud\" is not a number"),
        (abra().replace(",7\n", ",7,4\n"), "row 1 (line 2): 24 values, but the header has 23 columns"),
        (abra().replace("4,5,0,0", "4,5"), "row 2 (line 3): 21 values, but the header has 23 columns"),
        (abra().replace("4,5,0,0", "4,5,").replace("0,,\n", ",,\n"), "22 values, but the header has 23"),
        (abra().replace("0,0,,\n", ",,,\n"), "row 2 (line 3): there should be 16 samples or more, but there are 14"),
        (abra().replace("40.96", "0"), "row 1 (line 2), column `Samp. Per.`: 0 is no sampling period"),
        (abra()[..abra().find('\n').unwrap()].to_string(), "no recording was found"),
        (eclipse().replace("0,05", "0,05x"), "row 1 (line 2), column `5`: \"0,05x\" is not a number"),
    ] {
        let message = refusal("x.csv", bad);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn all_rows_have_all_columns_and_each_name_once() {
    let text = abra()
        .replace("Sgi,Freq(Hz)", "Age [years],Freq(Hz)")
        .replace("No. Avgs", "Age years")
        .replace("2,0,75.5", "2,,");
    let recordings = read_bytes("x.csv", text.into()).unwrap();
    for (recording, cells) in recordings.iter().zip([["1", "8000", "80", "512"], ["2", "", "", "512"]]) {
        let names = ["age_years", "frequency_hz", "level_db", "file_age_years"];
        let columns: Vec<(&str, &str)> =
            recording.columns.iter().map(|(name, cell)| (&**name, cell.as_str())).collect();
        assert_eq!(columns, names.into_iter().zip(cells).collect::<Vec<_>>());
    }
    let stimuli =
        eclipse().replace("Click", "4 kHz") + &eclipse().replace("Click", "noise")[eclipse().find('\n').unwrap() + 1..];
    let recordings = read_bytes("x.csv", stimuli.into()).unwrap();
    let cells =
        |recording: &Recording| ["frequency_hz", "stimulus"].map(|name| recording.cell(name).unwrap().into_owned());
    assert_eq!(recordings.iter().map(cells).collect::<Vec<_>>(), [["4000", ""], ["", "noise"]]);
}

#[test]
fn a_stimulus_in_a_column_of_frequencies_and_a_level_with_its_unit_are_read() {
    for (from, to, columns) in [
        ("8000", "Noise", [None, Some("Noise"), Some("80")]),
        ("8000", "Click", [Some("click"), None, Some("80")]),
        ("8000", "NoClick", [None, Some("NoClick"), Some("80")]),
        (",80,", ",65 dB nHL,", [Some("8000"), None, Some("65")]),
    ] {
        let read = read_bytes("x.csv", abra().replacen(from, to, 1).into()).unwrap();
        assert_eq!(["frequency_hz", "stimulus", "level_db"].map(|c| read[0].column(c)), columns, "{to}");
    }
    for name in [
        "Level (dB HL)",
        "Level (dB eHL)",
        "Level(dB peSPL)",
        "Stimulus Level (dB nHL)",
        "Stimulus Level (dB HL)",
        "Stim. Intensity (dB SPL)",
        "Intensity [dB p.e. SPL]",
        "dB nHL",
    ] {
        let read = read_bytes("x.csv", abra().replace("Level(dB)", name).into()).unwrap();
        assert_eq!(read[0].column("level_db"), Some("80"), "{name}");
    }
    let read = read_bytes("x.csv", abra().replace("Level(dB)", "Level (dB SL)").into()).unwrap();
    assert_eq!(read[0].column("level_db_sl"), Some("80"), "above the threshold of each subject");
}
