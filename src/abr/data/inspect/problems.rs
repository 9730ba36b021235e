//! Problems in recordings that a user should look at before training.

use super::axis;
use crate::data::assume::{Amplitudes, extremes};
use crate::data::repeats::{is_flat, repeated_rows};
use crate::data::{PEAK_COLUMNS, Recording};
use serde::Serialize;
use std::collections::BTreeMap;

/// The recorder has probably clipped a trace whose largest or smallest value lasts for this many consecutive samples.
const CLIPPED_SAMPLES: usize = 4;
/// This many samples before the stimulus onset are not all 0 by chance.
const BLANKED_SAMPLES: usize = 8;

/// A check for one kind of problem.
pub struct ProblemCheck {
    /// Its name in JSON.
    pub key: &'static str,
    /// Describes the rows in text: `3 rows <title>`.
    pub title: &'static str,
    /// What the problem means, or what to do.
    pub advice: &'static str,
    /// Finds the rows with the problem, counted from 1.
    find: fn(&[Recording]) -> Vec<usize>,
}

/// All checks.
pub const CHECKS: [ProblemCheck; 6] = [
    ProblemCheck {
        key: "missing_samples",
        title: "with missing samples",
        advice: "a training refuses them: fill the samples in, or leave the rows out",
        find: |recordings| rows(recordings, misses_samples),
    },
    ProblemCheck {
        key: "labels_outside",
        title: "with a label outside the recorded time",
        advice: "check the label, the sample rate and the time of the first sample",
        find: |recordings| rows(recordings, has_label_outside),
    },
    ProblemCheck {
        key: "duplicates",
        title: "that repeat an earlier row's samples",
        advice: "keep one of each: copies in two parts of a split make a model look better than it is",
        find: repeated_rows,
    },
    ProblemCheck {
        key: "clipped",
        title: "clipped",
        advice: "the largest or the smallest value lasts for 4 samples or more: the recorder's range was too small",
        find: |recordings| rows(recordings, |r| !is_flat(&r.samples) && longest_extreme(&r.samples) >= CLIPPED_SAMPLES),
    },
    ProblemCheck {
        key: "flat",
        title: "flat",
        advice: "all samples are equal: leave the rows out",
        find: |recordings| rows(recordings, |r| is_flat(&r.samples)),
    },
    ProblemCheck {
        key: "zero_before_onset",
        title: "exactly 0 before the stimulus onset",
        advice: "probably blanked by the recorder: a baseline there has no meaning",
        find: |recordings| rows(recordings, is_blanked),
    },
];

/// The problems that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// For each of [`CHECKS`], the rows with the problem, counted from 1.
    #[serde(flatten)]
    pub rows: BTreeMap<&'static str, Vec<usize>>,
    /// Why the unit of all samples is probably not µV.
    pub unit: Option<String>,
}

/// Runs all checks.
pub fn problems(recordings: &[Recording]) -> Problems {
    let mut amplitudes = Amplitudes::default();
    recordings.iter().for_each(|recording| amplitudes.add(&recording.samples));
    Problems {
        rows: CHECKS.iter().map(|check| (check.key, (check.find)(recordings))).collect(),
        unit: amplitudes.notice(),
    }
}

fn rows(recordings: &[Recording], wrong: impl Fn(&Recording) -> bool) -> Vec<usize> {
    recordings.iter().enumerate().filter(|(_, recording)| wrong(recording)).map(|(i, _)| i + 1).collect()
}

fn misses_samples(recording: &Recording) -> bool {
    recording.samples.is_empty() || recording.samples.iter().any(|v| !v.is_finite())
}

/// Whether a latency lies outside the recorded time; false if that time is unknown.
fn has_label_outside(recording: &Recording) -> bool {
    let Some(axis) = axis(recording) else { return false };
    let end_ms = axis.t0_ms + recording.samples.len().saturating_sub(1) as f64 * 1000.0 / axis.sample_rate_hz;
    let latencies = PEAK_COLUMNS.iter().zip(recording.peaks).filter(|(name, _)| name.ends_with("_ms"));
    latencies.map(|(_, latency)| f64::from(latency)).any(|ms| !ms.is_nan() && !(axis.t0_ms..=end_ms).contains(&ms))
}

/// The length of the longest run of samples that all equal the trace's largest or smallest value.
fn longest_extreme(samples: &[f32]) -> usize {
    let Some((lowest, highest)) = extremes(samples) else { return 0 };
    let runs = samples.chunk_by(|a, b| a == b).filter(|run| run[0] == lowest || run[0] == highest);
    runs.map(<[f32]>::len).max().unwrap_or(0)
}

/// Whether all samples before the stimulus onset are 0, in a trace that is not flat.
fn is_blanked(recording: &Recording) -> bool {
    let Some(axis) = axis(recording) else { return false };
    // a sample at the onset itself does not count, even if rounding moves its time
    let before = (-axis.t0_ms * axis.sample_rate_hz / 1000.0 - 1e-6).ceil() as usize;
    let samples = &recording.samples[..before.min(recording.samples.len())];
    samples.len() >= BLANKED_SAMPLES && samples.iter().all(|v| *v == 0.0) && !is_flat(&recording.samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(samples: &[f32]) -> Recording {
        let mut recording = Recording::new(samples.to_vec());
        (recording.sample_rate_hz, recording.t0_ms) = (Some(1000.0), Some(-1.0));
        recording
    }

    fn found(recordings: &[Recording]) -> Vec<(&'static str, Vec<usize>)> {
        problems(recordings).rows.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
    }

    #[test]
    fn each_problem_is_found_where_it_is() {
        let good = [0.0, 1.0, -1.0, 0.5, 0.2, 0.1];
        let mut outside = recording(&[0.1, 1.0, -1.0, 0.5, 0.2, 0.1]);
        outside.peaks[2] = 4.1; // the last sample lies at 4 ms
        let mut inside = recording(&[0.2, 1.0, -1.0, 0.5, 0.2, 0.1]);
        inside.peaks[2] = 4.0;
        inside.peaks[5] = 100.0; // an amplitude
        let all = [
            recording(&good),
            recording(&[0.0, f32::NAN, 1.0, 0.5, 0.1, 0.3]),
            outside,
            inside,
            recording(&good),
            recording(&[0.0, 2.0, 2.0, 2.0, 2.0, 0.1]),
            recording(&[0.0, 2.0, 2.0, 2.0, 1.0, 0.1]),
            recording(&[0.5; 6]),
        ];
        let wanted = [
            ("clipped", vec![6]),
            ("duplicates", vec![5]),
            ("flat", vec![8]),
            ("labels_outside", vec![3]),
            ("missing_samples", vec![2]),
        ];
        assert_eq!(found(&all), wanted);
    }

    /// A response after `zeros` samples of 0, at 20 kHz.
    fn blanked(zeros: usize, t0_ms: f64) -> Recording {
        let mut recording = recording(&vec![0.0; zeros]);
        recording.samples.extend((0..40).map(|i| (0.3 * f64::from(i) + 0.1).sin() as f32));
        (recording.sample_rate_hz, recording.t0_ms) = (Some(20_000.0), Some(t0_ms));
        recording
    }

    #[test]
    fn zeros_before_the_onset_are_found_where_the_onset_is_known() {
        let mut unknown = blanked(20, -1.0);
        unknown.t0_ms = None;
        let mut impossible = blanked(20, -1.0);
        impossible.sample_rate_hz = Some(0.0);
        let mut almost = blanked(20, -1.0);
        almost.samples[7] = 1e-30;
        let mut flat = blanked(20, -1.0);
        flat.samples.fill(0.0);
        let all = [
            blanked(20, -1.0),  // s20 lies at the onset
            blanked(19, -1.0),  // s19, at -0.05 ms, is not 0
            blanked(8, -0.4),   // the fewest
            blanked(7, -0.35),  // too few
            blanked(9, -0.401), // s8 lies at -0.001 ms
            blanked(20, 0.0),
            unknown,
            impossible,
            almost,
            flat,
        ];
        assert_eq!(problems(&all).rows["zero_before_onset"], [1, 3, 5]);
    }

    #[test]
    fn a_wrong_unit_is_a_problem() {
        let volts = problems(&[recording(&[4e-7, -3e-7])]).unit.unwrap();
        assert!(volts.contains("--unit V"), "{volts}");
        assert_eq!(problems(&[recording(&[0.4, -0.3])]).unit, None);
    }
}
