use super::refusal;
use crate::data::read::read_bytes;

const HEADER: usize = 8811;

/// A file as BioSigRZ (or RP) writes it: groups with a record each of four samples, the first of them 1, 2, … nV before the gain.
pub struct Arf {
    pub rz: bool,
    pub variables: [(&'static str, &'static str, f32); 2],
    pub stimulus: &'static str,
    pub cursor: &'static str,
    pub gain: f32,
    pub delay_ms: f32,
    pub duration_ms: f32,
}

impl Arf {
    pub fn new() -> Self {
        let variables = [("Freq", "Hz", 8000.0), ("Level", "dB", 70.0)];
        let (gain, delay_ms, duration_ms) = (20.0, 0.0, 0.16384);
        Arf { rz: true, variables, stimulus: "TonePip", cursor: "", gain, delay_ms, duration_ms }
    }

    pub fn bytes(&self, groups: usize) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let shorts = |bytes: &mut Vec<u8>, values: &[i16]| values.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        let floats = |bytes: &mut Vec<u8>, values: &[f32]| values.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        let text = |bytes: &mut Vec<u8>, text: &str, width: usize| {
            let mut field = text.as_bytes().to_vec();
            field.resize(width, 0);
            bytes.extend(field);
        };
        let time = vec![0; if self.rz { 8 } else { 4 }];
        for (at, value) in [(0, 1), (2, groups), (4, groups)] {
            bytes[at..at + 2].copy_from_slice(&(value as i16).to_le_bytes());
        }
        for group in 0..groups {
            let here = bytes.len() as i32;
            bytes[6 + 4 * group..][..4].copy_from_slice(&here.to_le_bytes());
            shorts(&mut bytes, &[group as i16, group as i16, 1]);
            for (t, width) in [("Mouse 1", 16), ("Left Ear", 16), ("CBA", 16), ("memo", 50)] {
                text(&mut bytes, t, width);
            }
            bytes.extend([&time[..], &time[..]].concat());
            text(&mut bytes, self.stimulus, 100);
            text(&mut bytes, "", 100);
            (0..10).for_each(|i| text(&mut bytes, self.variables.get(i).map_or("....", |v| v.0), 15));
            (0..10).for_each(|i| text(&mut bytes, self.variables.get(i).map_or("", |v| v.1), 5));
            bytes.extend([0; 4 + 4 + 2 + 4 + 92]);

            let here = bytes.len() as i32;
            bytes[806 + 4 * group..][..4].copy_from_slice(&here.to_le_bytes());
            shorts(&mut bytes, &[group as i16, 0]);
            bytes.extend(&time);
            shorts(&mut bytes, &[0, 1]);
            bytes.extend([1, 0, 4, 0]);
            floats(&mut bytes, &[self.delay_ms, self.duration_ms, 40.96, 30.0, self.gain]);
            shorts(&mut bytes, &[1, 512, 7]);
            bytes.extend([&time[..], &time[..]].concat());
            (0..10).for_each(|i| floats(&mut bytes, &[self.variables.get(i).map_or(0.0, |v| v.2)]));
            for _ in 0..10 {
                floats(&mut bytes, &[-1.0, 0.0]);
                text(&mut bytes, self.cursor, 20);
                shorts(&mut bytes, &[0; 4]);
            }
            floats(&mut bytes, &[1e-9 * (group + 1) as f32, -0.5e-6, 0.0, 2e-6]);
        }
        bytes
    }
}

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
        (with(record + 462, &f32::INFINITY.to_le_bytes()), "sample 0 of inf µV cannot be"),
    ] {
        let message = refusal("x.arf", bad);
        assert!(message.contains("byte ") && message.contains(expected), "{message}");
    }
}
