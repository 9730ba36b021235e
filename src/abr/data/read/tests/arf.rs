use super::refusal;
use crate::data::read::{ReadOutcome, SourceFile, read_bytes, tdt_arf};
use common::samples::{ARF_HEADER as HEADER, Arf};

#[test]
fn both_programs_files_are_read() {
    for rz in [true, false] {
        let recordings = read_bytes("x.arf", Arf { rz, ..Arf::new() }.bytes(3)).unwrap();
        assert_eq!(recordings.len(), 3, "RZ: {rz}");
        for (i, recording) in recordings.iter().enumerate() {
            let wanted = [0.02 * (i + 1) as f32, -10.0, 0.0, 40.0];
            let near = |(a, b): (&f32, f32)| (a - b).abs() <= 1e-6 * b.abs();
            assert!(recording.samples.iter().zip(wanted).all(near), "gain times volts in µV: {:?}", recording.samples);
            assert_eq!((recording.sample_rate_hz, recording.t0_ms), (Some(24414.0625), Some(0.0)));
            assert_eq!(recording.subject, "Mouse 1");
            let columns = ["ear", "channel", "frequency_hz", "level_db", "n_averages", "n_artifacts"];
            assert_eq!(columns.map(|c| recording.column(c).unwrap()), ["L", "1", "8000", "70", "512", "7"]);
            assert_eq!(recording.column("record").unwrap(), format!("g{i}-{i}"));
        }
    }
}

#[test]
fn a_click_and_a_delay_are_what_the_file_says_of_them() {
    let click =
        Arf { variables: [("Level", "dB", 70.0), ("Phase", "deg", 0.0)], stimulus: "Click 0.1ms", ..Arf::new() };
    let recordings = read_bytes("x.arf", Arf { delay_ms: 1.5, ..click }.bytes(1)).unwrap();
    assert_eq!(recordings[0].column("frequency_hz"), Some("click"));
    assert_eq!(recordings[0].t0_ms, None, "where the delay lies is not documented");
    let zero = Arf { variables: [("Freq", "Hz", 0.0), ("Level", "dB", 70.0)], ..Arf::new() };
    assert_eq!(read_bytes("x.arf", zero.bytes(1)).unwrap()[0].column("frequency_hz"), Some("click"));
    let khz = Arf { variables: [("Frequency", "kHz", 5.6), ("Level", "dB", 70.0)], ..Arf::new() };
    assert_eq!(read_bytes("x.arf", khz.bytes(1)).unwrap()[0].column("frequency_hz"), Some("5600"));
}

#[test]
fn otoacoustic_emissions_are_refused_as_such() {
    for emissions in [
        Arf { stimulus: "DPOAE_4to32k", ..Arf::new() },
        Arf { variables: [("F1", "Hz", 7272.0), ("F2", "Hz", 8720.0)], ..Arf::new() },
        Arf { cursor: "2F1-F2", ..Arf::new() },
        Arf { duration_ms: 48828.0, ..Arf::new() },
    ] {
        let message = refusal("x.arf", emissions.bytes(2));
        assert!(message.contains("byte ") && message.contains("otoacoustic emissions (DPOAE)"), "{message}");
        assert!(message.contains("leave this file out"), "{message}");
    }
}

#[test]
fn groups_of_other_responses_are_left_out() {
    for (vestibular, expected) in [
        (Arf { memo: "oVEMP, right", ..Arf::new() }, "byte 8811: `oVEMP, right` names vestibular evoked potentials"),
        (Arf { stimulus: "VsEP_jerk.sig", ..Arf::new() }, "the stimulus `VsEP_jerk.sig` is one for vestibular"),
    ] {
        let message = refusal("x.arf", vestibular.bytes(2));
        assert!(message.contains(expected) && message.contains("leave this file out"), "{message}");
    }
    let read = |bytes| match tdt_arf::read(&SourceFile::in_memory("x.arf", bytes)).unwrap() {
        ReadOutcome::Recordings { recordings, notices, .. } => (recordings, notices),
        ReadOutcome::NotAbr(reason) => panic!("{reason}"),
    };
    let (recordings, notices) = read(Arf { memo: "ABR, then VEMP", ..Arf::new() }.bytes(2));
    assert_eq!((recordings.len(), notices.len()), (2, 0), "either may be meant");
    // only the second of three groups: its memo comes after three numbers and three texts
    let mut bytes = Arf::new().bytes(3);
    let second = HEADER + (bytes.len() - HEADER) / 3;
    bytes[second + 54..second + 58].copy_from_slice(b"VEMP");
    let (recordings, notices) = read(bytes);
    assert_eq!([0, 1].map(|i| recordings[i].column("record").unwrap()), ["g0-0", "g2-2"]);
    assert_eq!((recordings.len(), notices.len()), (2, 1));
    let expected = format!("1 records were left out: byte {second}: `VEMP` names vestibular evoked potentials");
    assert!(notices[0].starts_with(&expected), "{notices:?}");
    let (_, notices) = read(Arf { delay_ms: 1.1, ..Arf::new() }.bytes(2));
    assert!(notices[0].starts_with("2 records have an onset delay (1.1 ms)"), "{notices:?}");
}

#[test]
fn a_damaged_arf_names_its_byte() {
    let good = Arf::new().bytes(2);
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    let record = HEADER + 626;
    for (bad, expected) in [
        (good[..3].to_vec(), "byte 2: the file ends at byte 3, inside the number of groups of 2 bytes"),
        (with(2, &[0, 1]), "byte 2: there should be 1 to 200 groups, but there are 256"),
        (with(806, &[0; 8]), "byte 806: no group has its first record 626"),
        (with(10, &[255, 255, 255, 127]), "inside a group's header"),
        (good[..good.len() - 1].to_vec(), "inside a record's samples of 16 bytes"),
        (with(record + 18, &[255, 255]), "inside a record's samples of 262140 bytes"),
        (with(record + 18, &[0, 0]), "the number of points should be a number above 0"),
        (with(record + 36, &f32::NAN.to_le_bytes()), "the gain should be a number above 0, but is NaN"),
        (with(record + 28, &0_f32.to_le_bytes()), "the sampling period should be a number above 0, but is 0"),
        (with(record + 462, &f32::INFINITY.to_le_bytes()), "sample 0 of inf µV is impossible"),
    ] {
        let message = refusal("x.arf", bad);
        assert!(message.contains("byte ") && message.contains(expected), "{message}");
    }
}
