use super::*;
use crate::data::read::read_all;
use crate::data::recording::GroundTruth;

#[test]
fn what_is_written_is_read_back() {
    let recording = |subject: &str, level: &str, ear: &str| Recording {
        row: 1,
        file: "x.npz".into(),
        subject: subject.to_string(),
        sample_rate_hz: Some(24414.0625),
        columns: [("level_db", level), ("ear", ear)].map(|(name, value)| (name.into(), value.to_string())).to_vec(),
        peaks: [1.5, 3.25, 5.1, 0.1, 0.2, 0.3],
        ..Recording::new(vec![0.1, -2.0, 1.0 / 3.0])
    };
    let written = [recording("m1", "-5", "L"), recording("Zoë 2", "37.1", ""), recording("m1", "", "R")];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    write_npz(&path, &written).unwrap();
    let (mut read, _) = read_all(std::slice::from_ref(&path)).unwrap();
    // the arrays of an archive have no order
    read.iter_mut().for_each(|r| r.columns.retain(|(name, _)| **name != *"file"));
    read.iter_mut().for_each(|r| r.columns.sort_by(|a, b| b.cmp(a)));
    read.iter_mut().for_each(|r| r.row = 1);
    assert_eq!(read, written);
    let bytes = std::fs::read(&path).unwrap();
    write_npz(&path, &written).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "equal recordings are equal bytes");
    assert!(write_npz(&path, &[]).is_err());
}

#[test]
fn a_truth_missing_samples_and_shorter_recordings_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let simulated = |samples: &[f32], truth: &[f32], latencies_ms: [f32; 7]| Recording {
        subject: "m1".to_string(),
        columns: vec![("file".into(), "a.csv".to_string())],
        ground_truth: Some(Box::new(GroundTruth { samples: truth.to_vec(), latencies_ms })),
        ..Recording::new(samples.to_vec())
    };
    let waves = [1.5, 2.6, 3.7, f32::NAN, 5.5, f32::NAN, f32::NAN];
    let written = [
        simulated(&[1.0, f32::NAN, 3.0], &[0.5, 1.0 / 3.0, 1e-9], waves),
        simulated(&[4.0, 5.0], &[0.25, f32::NAN], [f32::NAN; 7]),
    ];
    write_npz(&path, &written).unwrap();
    let (read, _) = read_all(std::slice::from_ref(&path)).unwrap();
    let bits = |values: &[f32]| values.iter().map(|v| if v.is_nan() { 1 } else { v.to_bits() }).collect::<Vec<_>>();
    for (read, written) in read.iter().zip(&written) {
        assert_eq!((bits(&read.samples), &read.columns), (bits(&written.samples), &written.columns));
        let (read, written) = (read.ground_truth.as_ref().unwrap(), written.ground_truth.as_ref().unwrap());
        assert_eq!(bits(&read.latencies_ms), bits(&written.latencies_ms));
        assert_eq!(bits(&read.samples)[..], bits(&written.samples)[..read.samples.len()]);
    }
    assert_eq!(read.iter().map(|r| r.ground_truth.as_ref().unwrap().samples.len()).collect::<Vec<_>>(), [3, 1]);
    let half = [written[0].clone(), Recording::new(vec![1.0; 3])];
    write_npz(&path, &half).unwrap();
    let (read, _) = read_all(&[path]).unwrap();
    assert_eq!(read[1].ground_truth.as_ref().unwrap().samples, [0.0_f32; 0], "a row of another kind has none");
}

#[test]
fn columns_that_wait_in_a_file_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    // 12 bytes of numbers and 30 of text or more: the columns fill the memory twice
    let recording = |row: usize| Recording {
        subject: format!("subject {}", row % 1000),
        file: "a.csv".into(),
        t0_ms: Some(row as f64),
        columns: match row % 3 {
            0 => vec![("ear".into(), "L".into())],
            1 if row < 100_000 => vec![("level_db".into(), (row % 7).to_string())],
            _ => vec![("level_db".into(), "2.5".into()), ("late".into(), "01".into())],
        },
        ..Recording::new(vec![row as f32])
    };
    let written: Vec<Recording> = (0..150_000).map(recording).collect();
    write_npz(&path, &written).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let (read, _) = read_all(&[path]).unwrap();
    assert_eq!(read.len(), written.len());
    for (read, written) in read.iter().zip(&written) {
        assert_eq!((&read.subject, read.t0_ms, &read.samples), (&written.subject, written.t0_ms, &written.samples));
        for name in ["ear", "level_db", "late", "file"] {
            let wanted = written.column(name).or((name == "file").then_some("a.csv"));
            assert_eq!(read.column(name), wanted, "{name}");
        }
    }
}
