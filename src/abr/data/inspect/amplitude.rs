//! Amplitude by level: responses grow with the level, noise does not.

use super::{by_number, plain_number};
use crate::data::Recording;
use crate::data::assume::extremes;
use crate::data::scale::median;
use serde::Serialize;
use std::collections::BTreeMap;

/// A measure of a trace's amplitude, in µV.
pub struct AmplitudeMeasure {
    /// Its name in JSON.
    pub key: &'static str,
    /// Its column heading in text.
    pub title: &'static str,
    /// `None` for a trace without samples.
    of: fn(&[f32]) -> Option<f64>,
}

/// The measures of each trace.
pub const MEASURES: [AmplitudeMeasure; 2] = [
    AmplitudeMeasure { key: "median_peak_to_peak_uv", title: "peak to peak", of: peak_to_peak },
    AmplitudeMeasure { key: "median_rms_uv", title: "RMS", of: root_mean_square },
];

/// The amplitudes at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelAmplitude {
    /// The value of `level_db`; empty if unknown.
    pub level_db: String,
    pub rows: usize,
    /// The median of each of [`MEASURES`] over the rows that have samples, in µV.
    #[serde(flatten)]
    pub medians_uv: BTreeMap<&'static str, Option<f64>>,
}

/// The amplitudes at each level, in rising order. Rows without a level come last.
pub fn amplitudes(recordings: &[Recording]) -> Vec<LevelAmplitude> {
    let mut levels: BTreeMap<String, Vec<&Recording>> = BTreeMap::new();
    for recording in recordings {
        let level = plain_number(recording.column("level_db").unwrap_or_default());
        levels.entry(level).or_default().push(recording);
    }
    let summary = |(level_db, rows): (String, Vec<&Recording>)| {
        let over_rows = |measure: &AmplitudeMeasure| {
            let values = rows.iter().filter_map(|r| (measure.of)(&r.samples)).filter(|uv| uv.is_finite());
            (measure.key, median(values.collect()))
        };
        LevelAmplitude { level_db, rows: rows.len(), medians_uv: MEASURES.iter().map(over_rows).collect() }
    };
    let mut amplitudes: Vec<LevelAmplitude> = levels.into_iter().map(summary).collect();
    amplitudes.sort_by(|a, b| by_number(&a.level_db, &b.level_db));
    amplitudes
}

fn peak_to_peak(samples: &[f32]) -> Option<f64> {
    extremes(samples).map(|(low, high)| f64::from(high) - f64::from(low))
}

/// Relative to 0 µV, so an offset counts.
fn root_mean_square(samples: &[f32]) -> Option<f64> {
    let present = || samples.iter().filter(|v| !v.is_nan()).map(|&v| f64::from(v));
    let n = present().count();
    (n > 0).then(|| (present().map(|v| v * v).sum::<f64>() / n as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(level: &str, samples: &[f32]) -> Recording {
        let mut recording = Recording::new(samples.to_vec());
        recording.columns = vec![("level_db".into(), level.into())];
        recording
    }

    #[test]
    fn each_level_has_the_medians_of_its_rows() {
        let found = amplitudes(&[
            recording("80", &[3.0, -4.0, f32::NAN]),
            recording("20", &[0.5, -0.5]),
            recording("80.0", &[1.0, -1.0]),
            Recording::new(vec![f32::NAN]),
            recording("", &[0.0, 2.0]),
            recording("-inf", &[]),
            recording("80", &[0.0, 0.0]),
            recording("80", &[6.0, 6.0]),
        ]);
        let level = |level_db: &str, rows, medians: Option<[f64; 2]>| LevelAmplitude {
            level_db: level_db.into(),
            rows,
            medians_uv: MEASURES.iter().enumerate().map(|(i, m)| (m.key, medians.map(|medians| medians[i]))).collect(),
        };
        // peak to peak 7, 2, 0, 0; RMS √12.5, 1, 0, 6
        let loud = [1.0, f64::midpoint(1.0, 12.5_f64.sqrt())];
        let wanted = [
            level("-inf", 1, None),
            level("20", 1, Some([1.0, 0.5])),
            level("80", 4, Some(loud)),
            level("", 2, Some([2.0, 2.0_f64.sqrt()])),
        ];
        assert_eq!(found, wanted);
    }
}
