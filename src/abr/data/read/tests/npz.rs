//! Archives written by NumPy (`tests/fixtures/npz/write.py`), and corrupted ones.

use super::refusal;
use crate::config::Unit;
use crate::data::read::{Recording, read_all, read_bytes};
use common::samples::archive;
use std::path::Path;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/npz").join(name)).unwrap()
}

#[test]
fn archives_of_numpy_are_read_whatever_order_and_type() {
    for name in ["rows.npz", "columns.npz"] {
        let recordings = read_bytes(name, fixture(name)).unwrap();
        assert_eq!(recordings.len(), 3);
        for (row, recording) in recordings.iter().enumerate() {
            let wanted: Vec<f32> = (0..4).map(|i| (4 * row + i) as f32 / 8.0 - 0.5).collect();
            assert_eq!(recording.samples, wanted, "{name}");
            assert_eq!(recording.sample_rate_hz, Some(20_000.0));
            assert_eq!(recording.column("species"), Some("mouse"));
        }
        let all = |what: fn(&Recording) -> Option<&str>| {
            recordings.iter().map(what).map(Option::unwrap_or_default).collect::<Vec<_>>()
        };
        assert_eq!(all(|r| Some(&r.subject)), ["m1", "m2", "Zoë"]);
        assert_eq!(all(|r| r.column("frequency_hz")), ["click", "4000", "8000"]);
        assert_eq!(all(|r| r.column("level_db")), ["60", "-5", "20"]);
        assert_eq!(all(|r| r.column("rate_hz")), ["37.1", "11.1", ""]);
        assert_eq!(all(|r| r.column("n_averages")), ["500", "1000", "2000"]);
        assert_eq!(all(|r| r.column("alternating")), ["1", "0", "1"]);
        assert_eq!([0, 1, 2].map(|i| recordings[i].t0_ms), [Some(-1.0), Some(0.0), None]);
        assert_eq!((recordings[0].peaks[2], recordings[0].peaks[5]), (5.5, 0.5));
        assert!(recordings[1].peaks.iter().all(|p| p.is_nan()) && recordings[2].peaks[5].is_nan());
    }
}

#[test]
fn skipped_arrays_give_a_notice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    std::fs::write(&path, fixture("rows.npz")).unwrap();
    let (_, notices) = read_all(&[path]).unwrap();
    assert!(notices.len() == 1 && notices[0].ends_with("were left out: `notes` of shape [2, 2]"), "{notices:?}");
}

#[test]
fn pickles_and_bombs_are_refused() {
    let message = refusal("x.npz", fixture("objects.npz"));
    assert!(message.contains("array `subject_id`: contains Python objects: a pickle"), "{message}");
    assert!(message.contains("np.asarray(values, dtype=float)"), "{message}");
    let message = refusal("x.npz", fixture("zeros.npz"));
    assert!(message.contains("array `signal`: its shape [2000, 500] would unpack to more than"), "{message}");
    assert!(message.contains("np.savez instead"), "{message}");
    assert!(refusal("x.pkl", b"\x80\x04\x95".to_vec()).contains("pickles can run any code"));
}

#[test]
fn a_bent_archive_names_its_array() {
    let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let header =
        |descr: &str, shape: &str| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let two = header("<f4", "(1, 2)");
    let signal = ("signal", two.as_str(), &floats(&[1.0, 2.0])[..]);
    assert_eq!(read_bytes("x.npz", archive(&[signal])).unwrap()[0].samples, [1.0, 2.0]);
    let one = |descr: &str, shape: &str, items: &[f32]| archive(&[("signal", &header(descr, shape), &floats(items))]);
    let rate = |value: f32| archive(&[signal, ("sample_rate_hz", &header("<f4", "()"), &floats(&[value]))]);
    let text = header("<U1", "(1,)");
    for (bad, expected) in [
        (one("<f4", "(1, 2)", &[1.0]), "its shape [1, 2] takes 8 bytes, but there are fewer"),
        (one("<f4", "(1, 2)", &[1.0; 3]), "its shape [1, 2] takes 8 bytes, but there are more"),
        (one("<f4", "(99999999999999999999, 2)", &[1.0]), "has no shape in its header"),
        (one("<f4", "(4611686018427387904, 4)", &[1.0]), "would unpack to more than"),
        (one("<f4", "(2,)", &[1.0, 2.0]), "should have the shape [recordings, samples], but has [2]"),
        (one("<f4", "(0, 2)", &[]), "it is empty: 0 recordings"),
        (one("<i4", "(1, 2)", &[1.0, 2.0]), "its items are not floats"),
        (one("<c8", "(1, 1)", &[1.0, 2.0]), "is of the type `<c8`, which is not read"),
        (one("|O", "(1, 2)", &[1.0, 2.0]), "contains Python objects"),
        (archive(&[("signal", "{'descr': [('a', '<f4')], }", b"")]), "is a structured array"),
        (archive(&[("signals", &two, &floats(&[1.0, 2.0]))]), "there is no array `signal`, only signals"),
        (
            archive(&[signal, ("truth", &header("<f4", "(2, 1)"), &floats(&[1.0, 2.0]))]),
            "it has 2 rows, and `signal` has 1",
        ),
        (archive(&[signal, ("truth", &header("<f4", "(2,)"), &floats(&[1.0, 2.0]))]), "array `truth`: it should have"),
        (archive(&[signal, ("truth_v_ms", &text, &floats(&[0.0]))]), "array `truth_v_ms`: it contains text"),
        (archive(&[signal, ("t0_ms", &text, &floats(&[0.0]))]), "array `t0_ms`: it contains text instead of numbers"),
        (rate(0.0), "array `sample_rate_hz`: item 0 is 0"),
        (rate(f32::INFINITY), "array `sample_rate_hz`: item 0 is inf"),
        (b"PK\x03\x04 and no more".to_vec(), "cannot be unpacked"),
    ] {
        let message = refusal("x.npz", bad);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn half_precision_is_read_by_value_in_either_byte_order() {
    // 1.5, -2.25, 2^-24 (the smallest above 0), 65504 (the largest)
    let signal = [0x3e00_u16, 0xc080, 0x0001, 0x7bff];
    // 60, NaN; 37.1 is 37.09375 in 16 bits
    let (level, rate) = ([0x5380_u16, 0x7e00], [0x50a3_u16]);
    for (order, bytes_of) in [("<", u16::to_le_bytes as fn(u16) -> [u8; 2]), (">", u16::to_be_bytes)] {
        let bytes = |items: &[u16]| items.iter().flat_map(|&item| bytes_of(item)).collect::<Vec<u8>>();
        let header = |shape: &str| format!("{{'descr': '{order}f2', 'fortran_order': False, 'shape': {shape}, }}");
        let whole = |signal: &[u16]| {
            archive(&[
                ("signal", &header("(2, 2)"), &bytes(signal)),
                ("level_db", &header("(2,)"), &bytes(&level)),
                ("rate_hz", &header("()"), &bytes(&rate)),
                ("t0_ms", &header("(2,)"), &bytes(&[0xbc00, 0x3800])),
                ("peak_v_ms", &header("(2,)"), &bytes(&[0x4580, 0x7e00])),
            ])
        };
        let recordings = read_bytes("x.npz", whole(&signal)).unwrap();
        let samples: Vec<&[f32]> = recordings.iter().map(|r| &r.samples[..]).collect();
        assert_eq!(samples, [[1.5, -2.25], [2f32.powi(-24), 65504.0]], "{order}");
        let all = |name| [0, 1].map(|i| recordings[i].column(name).unwrap_or_default());
        assert_eq!((all("level_db"), all("rate_hz")), (["60", ""], ["37.09375"; 2]), "{order}");
        assert_eq!([0, 1].map(|i| recordings[i].t0_ms), [Some(-1.0), Some(0.5)], "{order}");
        assert!(recordings[0].peaks[2] == 5.5 && recordings[1].peaks[2].is_nan(), "{order}");
        // infinity is kept here and refused later, when unit and gain are known
        let infinite = read_bytes("x.npz", whole(&[0x3e00, 0xc080, 0x7c00, 0x3e00])).unwrap();
        assert_eq!(infinite[1].samples, [f32::INFINITY, 1.5], "{order}");
    }
}

#[test]
fn short_recordings_and_one_long_text_do_not_multiply() {
    let rows = 20_000;
    let shape = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 1), }}");
    let long = "{'descr': '<U100000', 'fortran_order': False, 'shape': (), }";
    let text = vec![b'a'; 4];
    let text = [text, vec![0; 400_000 - 4]].concat();
    let bad = archive(&[("signal", &shape, &vec![0; 4 * rows]), ("memo", long, &text)]);
    let message = refusal("x.npz", bad);
    assert!(message.contains("times the file") || message.contains("would unpack"), "{message}");
}

#[test]
fn a_unit_that_an_archive_states_is_converted() {
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let header =
        |descr: &str, shape: &str| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let (traces, cells) = (header("<f4", "(2, 2)"), bytes(&[500.0, 501.0, 500.0, 501.0]));
    let of = |name: &str, descr: &str, shape: &str, text: &[u8]| {
        archive(&[("signal", &traces, &cells), ("truth", &traces, &cells), (name, &header(descr, shape), text)])
    };
    let read = read_bytes("x.npz", of("units", "|S2", "(2,)", b"nVmV")).unwrap();
    assert_eq!([0, 1].map(|i| read[i].unit), [Some(Unit::Nanovolt), Some(Unit::Millivolt)]);
    assert_eq!([0, 1].map(|i| read[i].samples[0]), [0.5, 500_000.0]);
    assert_eq!(read[0].ground_truth.as_ref().unwrap().samples[0], 0.5);
    assert!(read[0].columns.is_empty());
    assert_eq!(read_bytes("x.npz", of("unit", "|S1", "()", b"V")).unwrap()[1].samples[0], 5e8);
    let message = refusal("x.npz", of("unit", "|S2", "(2,)", b"nVdB"));
    assert!(message.contains("array `unit`, item 1: `dB` is no unit of voltage"), "{message}");
}

#[test]
fn subjects_of_an_archive_are_told_apart_or_refused() {
    let samples: Vec<u8> = [1_f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let header =
        |descr: &str, shape: &str| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let of = |descr: &str, items: &[u8]| {
        let (signal, columns) = (header("<f4", "(3, 1)"), header(descr, "(3,)"));
        archive(&[("signal", &signal, &samples), ("subject_id", &columns, items), ("ear", &columns, items)])
    };
    let subjects = |descr: &str, items: &[u8]| -> Vec<String> {
        read_bytes("x.npz", of(descr, items)).unwrap().into_iter().map(|r| r.subject).collect()
    };
    // neighbouring integers that a 64-bit float cannot tell apart
    let large = [20_230_415_123_456_780, 20_230_415_123_456_781, -5].map(i64::to_le_bytes).concat();
    assert_eq!(subjects("<i8", &large), ["20230415123456780", "20230415123456781", "-5"]);
    let unsigned = [u64::MAX, u64::MAX - 1, 7].map(u64::to_be_bytes).concat();
    assert_eq!(subjects(">u8", &unsigned), ["18446744073709551615", "18446744073709551614", "7"]);
    assert_eq!(
        subjects("<f8", &[12.0, f64::NAN, 2_f64.powi(53) - 1.0].map(f64::to_le_bytes).concat()),
        ["12", "", "9007199254740991"]
    );
    for (descr, items) in [
        ("<f8", [1.0, 2_f64.powi(53), 3.0].map(f64::to_le_bytes).concat()),
        ("<f4", [1.0, 2_f32.powi(24), 3.0].map(f32::to_le_bytes).concat()),
    ] {
        let message = refusal("x.npz", of(descr, &items));
        assert!(
            message.contains("array `subject_id`: item 1 is") && message.contains("which floats round"),
            "{message}"
        );
    }
    assert_eq!(subjects("|S4", b"nan\0NoneN/A\0"), [""; 3]);
    let ears = read_bytes("x.npz", of("|S4", b"nan\0NoneN/A\0")).unwrap();
    assert_eq!([0, 1, 2].map(|i| ears[i].column("ear")), [None, Some("None"), None]);
}
