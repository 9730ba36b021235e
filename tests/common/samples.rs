//! Small files of every format, for the tests of the readers and the test with corrupted files.

use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;

/// Two recordings of `points` samples; the sample `i` of recording `r` is `r + i/100` µV.
pub fn smartep(points: usize) -> String {
    let mut text =
        String::from("Identifier:,IHS1,,,,,,IHS1,,,,,,\nFile Name:,A.1,,,,,,A.2,,,,,,\nEar:,R,,,,,,L,,,,,,\n");
    text += "Channel:,1,,,,,,2,,,,,,\nIntensity:,60,,,,,,-5,,,,,,\nStim. Rate:, 37.10,,,,,, 21.1,,,,,,\n";
    text += "Sweeps:,500,,,,,,1000,,,,,,\nArtifacts:,0,,,,,,7,,,,,,\nSmp. Period:,50.00,,,,,,25,,,,,,\n";
    text += "Stim. Freq.,0,,,,,,4000,,,,,,\nZero Position:,3,,,,,,1,,,,,,\n";
    let block = "Average:,Average(uV):,Buffer1:,Buffer1(uV):,Buffer2:,Buffer2(uV):,";
    text += &format!("Data Pnt:,{block}{block}\n");
    for i in 0..points {
        let uv = i as f64 / 100.0;
        text += &format!("{:4}, 9, {uv}, 9, 9, 9, 9, 9, {}, 9, 9, 9, 9,\n", i + 1, 1.0 + uv);
    }
    text
}

/// Two groups with two records and one record, each of three samples.
pub fn biosig() -> String {
    let mut text = String::new();
    for (group, subject, records) in [(0, "M1", vec![4, 5]), (1, "", vec![6])] {
        text += "ABR Group Header  ==================================\n";
        text +=
            &format!("    Group Number: {group}\n         Records: {}\n      Subject ID: {subject}\n", records.len());
        text += "    Reference #1: Left Ear\n      Start Time: Mon Dec 24 13:54\n-------------------\n\n";
        for record in records {
            text +=
                &format!("   Record Number: {record}\n   Aqu. Duration: 0.12288 ms\n     Onset Delay: {group} ms\n");
            text += "      No. Points: 3\n    No. Averages: 512\n   No. Artifacts: 2\n\n    SigGen Index: 60\n";
            text +=
                "       Variables: \n          Freq = 11.3 kHz\n          Level = 80 dB\n          Phase = 90 deg\n";
            text += &format!("{record}e-006\n-1.5e-006\n0\n\n");
        }
    }
    text
}

/// Bytes before the first group.
pub const ARF_HEADER: usize = 8811;

/// A file as BioSigRZ (or RP) writes it: each group has one record of four samples, whose first is 1, 2, … nV
/// before the gain.
pub struct Arf {
    pub rz: bool,
    pub variables: [(&'static str, &'static str, f32); 2],
    pub stimulus: &'static str,
    pub memo: &'static str,
    pub cursor: &'static str,
    pub gain: f32,
    pub delay_ms: f32,
    pub duration_ms: f32,
}

impl Default for Arf {
    fn default() -> Self {
        Self::new()
    }
}

impl Arf {
    pub fn new() -> Self {
        let variables = [("Freq", "Hz", 8000.0), ("Level", "dB", 70.0)];
        let (gain, delay_ms, duration_ms) = (20.0, 0.0, 0.16384);
        Arf { rz: true, variables, stimulus: "TonePip", memo: "memo", cursor: "", gain, delay_ms, duration_ms }
    }

    pub fn bytes(&self, groups: usize) -> Vec<u8> {
        let mut bytes = vec![0; ARF_HEADER];
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
            for (t, width) in [("Mouse 1", 16), ("Left Ear", 16), ("CBA", 16), (self.memo, 50)] {
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

/// Three levels of four samples, in Latin-1 with the recorder's carriage returns, followed by half the differences.
pub fn cfts() -> Vec<u8> {
    let text = ":RUN-3\tLEVEL SWEEP\tTEMP:207.44\t4/6/2007\t8:03 AM\t-3852.21HR:\t\r\
        :SW EAR: R\tSW FREQ: 11.30\t# AVERAGES: 512\tREP RATE (/sec): 40\tDRIVER: Starship\tSAMPLE (µsec): 10\t\r\
        :NOTES-\t\r:CHAMBER-412\t\r:LEVELS:10;15;60;\r:DATA\r \
        -0.5\t 0.25\t 0.0\t\r 1.0\t 2.0\t 0.0\t\r 1.5\t-2.5\t 0.0\t\r 0\t 1e-3\t 0.0\t\r";
    let text = format!("{text}{}\n", "7\t 8\t 0.0\t\r".repeat(4));
    text.chars().map(|c| c as u8).collect()
}

/// The peaks of its first two levels.
pub fn analyzed() -> String {
    let mut names = String::from("Level\t1msec Avg\t");
    for i in 1..=5 {
        names += &format!("P{i} Latency\tP{i} Amplitude\tN{i} Latency\tN{i} Amplitude\t");
    }
    // P1 at 1.2 ms with 2 - (-1.5) µV, P3 without a trough, no P5
    let peaks = "1.2\t2\t1.6\t-1.5\t2\t9\t2\t9\t3\t1\t-3.3\t-1\t4\t9\t4\t9\t-5.2\t1\t5.8\t-1";
    format!(
        "Threshold (dB SPL): 15.0\r\nFrequency (kHz): 11.30\r\nFilter history (zpk format):\r\n\
         NOTE: Negative latencies indicate no peak\r\n{names}\r\n15.00\t0.3\t{peaks}\r\n10.00\t0.1\t{peaks}"
    )
}

/// Two rows as ABRA has them: 18 samples, and two fewer.
pub fn abra() -> String {
    let numbers: Vec<String> = (0..18).map(|i| i.to_string()).collect();
    let zeros = ",0".repeat(14);
    format!(
        "Sgi,Freq(Hz),Level(dB),Samp. Per.,No. \
         Avgs,{}\n1,8000,80,40.96,512,1.5,-2,3e-3{zeros},7\n2,0,75.5,40.96,512,4,5{zeros},,\n",
        numbers.join(",")
    )
}

/// A row of an Eclipse export, with `;` and decimal commas.
pub fn eclipse() -> String {
    let numbers: Vec<String> = (1..=20).map(|i| i.to_string()).collect();
    let samples: Vec<String> = (1..=20).map(|i| format!("0,{i:02}")).collect();
    let names = "Patient;Ear;Stimulus;Intensity (dB nHL);Rate;Sweeps;Age [years];s1";
    format!("{names};{}\np 7;Right;Click;60;44,1;2000;31;x;{}\n", numbers.join(";"), samples.join(";"))
}

/// An archive of arrays, each with a header and items.
pub fn archive(arrays: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, header, items) in arrays {
        zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        zip.write_all(&[header.as_bytes(), items].concat()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
