//! Tests of WFDB records. The `wfdb` package wrote them (`tests/fixtures/wfdb/write.py`) and read them into
//! `expected.csv`.

use super::refusal;
use crate::data::read::{Recording, read_all};
use crate::error::Result;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wfdb")
}

#[test]
fn formats_16_24_and_32_are_read_as_the_wfdb_package_reads_them() {
    let expected = std::fs::read_to_string(fixtures().join("expected.csv")).unwrap();
    let headers = ["evoked16", "evoked24", "evoked32", "twofiles"].map(|name| fixtures().join(format!("{name}.hea")));
    let (recordings, notices) = read_all(&headers).unwrap();
    assert_eq!((recordings.len(), expected.lines().count()), (8, 8));
    for (recording, line) in recordings.iter().zip(expected.lines()) {
        let fields: Vec<&str> = line.split(',').collect();
        let found = (recording.column("record"), recording.column("channel"), recording.sample_rate_hz);
        assert_eq!(found, (Some(fields[0]), Some(fields[1]), fields[2].parse().ok()));
        let wanted: Vec<f32> = fields[3..].iter().map(|field| field.parse().unwrap()).collect();
        assert_eq!(recording.samples.len(), 40);
        // both divide in double precision; only the order of unit and gain differs
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= b.abs() * f32::EPSILON;
        assert!(recording.samples.iter().zip(&wanted).all(near), "{line}\n{:?}", recording.samples);
        assert_eq!((recording.t0_ms, recording.subject.as_str()), (None, fields[0]));
    }
    assert_eq!(notices.len(), 1, "{notices:?}");
}

/// Reads the record `evoked16` with another header, or other samples.
fn changed(
    header: impl Fn(String) -> String,
    samples: impl Fn(Vec<u8>) -> Vec<u8>,
) -> Result<(Vec<Recording>, Vec<String>)> {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixtures().join("evoked16.hea")).unwrap();
    let path = folder.path().join("evoked16.hea");
    std::fs::write(&path, header(text)).unwrap();
    std::fs::write(path.with_extension("dat"), samples(std::fs::read(fixtures().join("evoked16.dat")).unwrap()))
        .unwrap();
    read_all(&[path])
}

#[test]
fn a_folder_of_records_is_read_without_its_samples_as_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()) {
        if ["hea", "dat"].iter().any(|e| entry.extension().is_some_and(|x| x == *e)) {
            std::fs::copy(&entry, folder.path().join(entry.file_name().unwrap())).unwrap();
        }
    }
    let (recordings, notices) = read_all(&[folder.path().to_path_buf()]).unwrap();
    assert_eq!(recordings.len(), 8);
    assert!(notices.len() == 1 && notices[0].contains("do not state the subject"), "{notices:?}");
    let message = read_all(&[folder.path().join("first.dat")]).unwrap_err().to_string();
    assert!(message.contains("name its header (.hea)"), "{message}");
}

#[test]
fn what_is_no_voltage_is_left_out_with_a_notice() {
    let (recordings, notices) = changed(|text| text.replace("/mV", "/Pa"), |samples| samples).unwrap();
    assert_eq!(recordings.len(), 1);
    assert!(notices[0].contains("no voltages were left out: `EEG Cz` in Pa"), "{notices:?}");
    let none = changed(|text| text.replace("/mV", "/Pa").replace("/uV", "/Pa"), |samples| samples);
    assert!(none.unwrap_err().to_string().contains("leave this file out"));
    // without a length in the header the file's length counts, and without a unit mV
    let (recordings, _) =
        changed(|text| text.replace("48000 40", "48000").replace("/uV", ""), |samples| samples).unwrap();
    assert_eq!((recordings[0].samples.len(), recordings[0].samples[0]), (40, 113.0 / 1024.0 * 1e3));
}

#[test]
fn what_is_implied_may_be_written_out() {
    let essence = |(recordings, _): (Vec<Recording>, Vec<String>)| -> Vec<_> {
        let channel = |r: &Recording| r.column("channel").map(str::to_string);
        recordings.into_iter().map(|r| (channel(&r), r.sample_rate_hz, r.samples)).collect()
    };
    let wanted = essence(changed(|text| text, |samples| samples).unwrap());
    let prefixed = |samples: Vec<u8>| [&[9; 8], &samples[..]].concat();
    for (format, offset) in [("16x1", 0), ("16:0", 0), ("16x1:0", 0), ("16+0", 0), ("16x1:0+8", 8), ("16:0+8", 8)] {
        let header = |text: String| text.replace("dat 16 ", &format!("dat {format} "));
        let found = changed(header, |samples| if offset == 8 { prefixed(samples) } else { samples });
        assert_eq!(essence(found.unwrap()), wanted, "{format}");
    }
    for record in [
        "evoked16 2 48000/1000(0) 40 10:00:00 16/05/2020",
        "evoked16 2 48000/1000 40 10:00:00.5",
        "evoked16 2 48000(7) 40",
        "evoked16 2 48e3 0",
        "# of a kind\n\nevoked16\t2  48000.0",
    ] {
        let found = changed(|text| text.replace("evoked16 2 48000 40", record), |samples| samples).unwrap();
        assert_eq!(essence(found), wanted, "{record}");
    }
    let found = changed(|text| text.replace("evoked16 2 48000 40", "evoked16 2"), |samples| samples).unwrap();
    assert_eq!(found.0[0].sample_rate_hz, Some(250.0));
    let (inverted, _) = changed(|text| text.replace("1024.0(0)", "-1024"), |samples| samples).unwrap();
    assert!(inverted[0].samples.iter().zip(&wanted[0].2).all(|(a, b)| *a == -b));
}

#[test]
fn what_is_not_read_is_refused_with_a_way_out() {
    for (from, to, expected) in [
        ("evoked16 2", "evoked16/3 2", "line 1: this is a record of 3 segments, which is not read"),
        ("dat 16 1024", "dat 212 1024", "line 2: format 212 is not read"),
        ("evoked16 2", "evoked16/1 2", "line 1: this is a record of 1 segments, which is not read"),
        ("dat 16 1024", "dat 16x2 1024", "line 2: 2 samples per frame (16x2) are not read"),
        ("dat 16 1024", "dat 16x2:0+8 1024", "line 2: 2 samples per frame (16x2:0+8) are not read"),
        ("dat 16 1024", "dat 16:3 1024", "line 2: a skewed signal (16:3) is not read"),
        ("dat 16 1024", "dat 16x1:3+8 1024", "line 2: a skewed signal (16x1:3+8) is not read"),
        ("dat 16 1024", "dat 16+8:0 1024", "line 2: the format should be as 16 or 16x1:0+8, but is `16+8:0`"),
        ("dat 16 1024", "dat 16x 1024", "line 2: the format should be as 16 or 16x1:0+8, but is `16x`"),
        ("dat 16 1024", "dat x1 1024", "line 2: the format should be as 16 or 16x1:0+8, but is `x1`"),
        ("1024.0(0)", "0(0)", "line 2: the signal is not calibrated"),
        (" 1024.0(0)/uV 16 0 113 21373 0 ABR left", "", "line 2: the signal is not calibrated"),
        ("1024.0(0)", "gain(0)", "line 2: the gain should be as 200(0)/mV, but is `gain(0)`"),
        ("evoked16.dat 16 1024", "../evoked16.dat 16 1024", "line 2: `../evoked16.dat` is no name of a file beside"),
        ("evoked16.dat 16 1024", "none.dat 16 1024", "line 2: there is no file `none.dat` beside it"),
        ("48000 40", "48000 41", "byte 160: the file ends after 40 of 41 samples of 2 signals"),
        ("48000 40", "-1 40", "line 1: the sampling frequency should be above 0, but is -1"),
        ("48000 40", "48000 many", "line 1: the number of samples should be one, but is `many`"),
        ("evoked16 2", "evoked16 3", "line 1: the record should have 3 signals, but 2 lines follow"),
        ("16 0 113", "16 0 114", "byte 0: the first value should be 114, but is 113"),
        ("dat 16 1024", "dat 32 1024", "line 3: the signals of `evoked16.dat` should have one format"),
    ] {
        let message = changed(|text| text.replacen(from, to, 1), |samples| samples).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("help: "), "{to}: {message}");
    }
    let flipped = |mut samples: Vec<u8>| {
        samples[20] ^= 1;
        samples
    };
    let message = changed(|text| text, flipped).unwrap_err().to_string();
    assert!(message.contains("evoked16.dat: byte 0: the samples of `ABR left` add up to"), "{message}");
    let missing = |mut samples: Vec<u8>| {
        samples[22..24].copy_from_slice(&i16::MIN.to_le_bytes());
        samples
    };
    let message = changed(|text| text, missing).unwrap_err().to_string();
    assert!(message.contains("byte 22: a sample is missing"), "{message}");
    assert!(refusal("x.hea", "").contains("line 1: the file ends before the line that names the record"));
}

#[cfg(unix)]
#[test]
fn samples_come_from_a_regular_file_in_the_folder_of_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let (header, samples) = (folder.path().join("in/evoked16.hea"), folder.path().join("in/evoked16.dat"));
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::copy(fixtures().join("evoked16.hea"), &header).unwrap();
    let outside = folder.path().join("secret");
    std::fs::copy(fixtures().join("evoked16.dat"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &samples).unwrap();
    let message = || read_all(std::slice::from_ref(&header)).unwrap_err().to_string();
    assert!(message().contains("evoked16.dat: it is a link to ") && message().contains("out of its folder"));
    // to open a pipe would wait for ever
    std::fs::remove_file(&samples).unwrap();
    super::paths::pipe(&samples);
    assert!(message().contains("evoked16.dat: it is no regular file"), "{}", message());
    // a link that stays in the folder is followed
    std::fs::remove_file(&samples).unwrap();
    std::fs::rename(&outside, folder.path().join("in/same.dat")).unwrap();
    std::os::unix::fs::symlink("same.dat", &samples).unwrap();
    let (recordings, notices) = read_all(&[folder.path().join("in")]).unwrap();
    assert!(recordings.len() == 2 && !notices.iter().any(|n| n.contains("same.dat")), "{notices:?}");
}

/// 8 TiB, which take no place on the disk.
#[cfg(target_os = "linux")]
#[test]
fn no_more_samples_are_read_than_the_header_says() {
    let folder = tempfile::tempdir().unwrap();
    let samples = folder.path().join("evoked16.dat");
    std::fs::copy(fixtures().join("evoked16.dat"), &samples).unwrap();
    std::fs::File::options().write(true).open(&samples).unwrap().set_len(8 << 40).unwrap();
    let header = folder.path().join("evoked16.hea");
    std::fs::copy(fixtures().join("evoked16.hea"), &header).unwrap();
    assert_eq!(read_all(std::slice::from_ref(&header)).unwrap().0[0].samples.len(), 40);
    // without a number of samples, all would count
    let text = std::fs::read_to_string(&header).unwrap().replace("48000 40", "48000");
    std::fs::write(&header, text).unwrap();
    let message = read_all(&[header]).unwrap_err().to_string();
    assert!(message.contains("cannot read: it has more than 4096 MiB"), "{message}");
}
