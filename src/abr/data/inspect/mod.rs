//! An overview of recordings before training: subjects, levels, amplitudes, sampling, and what looks wrong.

mod amplitude;
mod problems;
mod text;

pub use amplitude::{AmplitudeMeasure, LevelAmplitude, MEASURES};
pub use problems::{CHECKS, ProblemCheck, Problems};

use super::prepare::TimeAxis;
use super::{PEAK_COLUMNS, Recording};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// An overview of a data set. Rows are counted from 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    pub rows: usize,
    /// Rows of each subject; the empty name counts rows without a subject.
    pub subjects: BTreeMap<String, usize>,
    /// Rows at each `level_db`, in rising order.
    pub levels: Vec<Count>,
    /// Rows at each sample rate in Hz; the empty value counts rows without one.
    pub sample_rates_hz: Vec<Count>,
    /// Rows with each time of the first sample; the empty value counts rows without one.
    pub t0_ms: Vec<Count>,
    /// Rows with each number of samples.
    pub samples: Vec<Count>,
    /// Amplitudes at each level.
    pub amplitudes: Vec<LevelAmplitude>,
    pub columns: Vec<ColumnSummary>,
    /// Rows with each label.
    pub labels: Vec<Count>,
    pub problems: Problems,
}

/// The number of rows with a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    pub value: String,
    pub rows: usize,
}

/// A summary of one metadata column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    pub name: String,
    /// Rows without a value.
    pub missing: usize,
    pub distinct: usize,
    /// The smallest and the largest value, if all are numbers.
    pub range: Option<[f64; 2]>,
}

/// Inspects recordings.
pub fn inspect(recordings: &[Recording]) -> Inspection {
    let mut subjects = BTreeMap::new();
    for recording in recordings {
        *subjects.entry(recording.subject.clone()).or_default() += 1;
    }
    let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
    let labelled = |i: usize| recordings.iter().filter(|r| !r.peaks[i].is_nan()).count();
    let labels = PEAK_COLUMNS.iter().enumerate().map(|(i, name)| Count { value: name.to_string(), rows: labelled(i) });
    Inspection {
        rows: recordings.len(),
        subjects,
        levels: counts(recordings.iter().filter_map(|r| r.column("level_db")).map(plain_number)),
        sample_rates_hz: counts(recordings.iter().map(|r| number(r.sample_rate_hz))),
        t0_ms: counts(recordings.iter().map(|r| number(r.t0_ms))),
        samples: counts(recordings.iter().map(|r| r.samples.len().to_string())),
        amplitudes: amplitude::amplitudes(recordings),
        columns: columns(recordings),
        labels: labels.filter(|count| count.rows > 0).collect(),
        problems: problems::problems(recordings),
    }
}

/// Counts the rows of each value, in the order of [`by_number`].
fn counts(values: impl Iterator<Item = String>) -> Vec<Count> {
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for value in values {
        *rows.entry(value).or_default() += 1;
    }
    let mut counts: Vec<Count> = rows.into_iter().map(|(value, rows)| Count { value, rows }).collect();
    counts.sort_by(|a, b| by_number(&a.value, &b.value));
    counts
}

/// Writes a number in its shortest form, so that 60 and 60.0 are one level. Other text stays unchanged.
fn plain_number(cell: &str) -> String {
    cell.parse::<f64>().map_or(cell.to_string(), |number| number.to_string())
}

/// Orders numbers first, by value, then all other text.
fn by_number(a: &str, b: &str) -> Ordering {
    let key = |text: &str| text.parse::<f64>().unwrap_or(f64::INFINITY);
    key(a).total_cmp(&key(b))
}

fn columns(recordings: &[Recording]) -> Vec<ColumnSummary> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in recordings.iter().flat_map(|r| &r.columns) {
        let values = values.entry(name).or_default();
        values.extend(Some(value.as_str()).filter(|value| !value.is_empty()));
    }
    let summary = |(name, values): (&str, Vec<&str>)| {
        let numbers: Option<Vec<f64>> = values.iter().map(|v| v.parse().ok()).collect();
        let extreme = |numbers: Vec<f64>| {
            let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
            numbers.iter().fold([low, high], |[low, high], &number| [low.min(number), high.max(number)])
        };
        ColumnSummary {
            name: name.to_string(),
            missing: recordings.len() - values.len(),
            distinct: values.iter().collect::<BTreeSet<_>>().len(),
            range: numbers.filter(|numbers| !numbers.is_empty()).map(extreme),
        }
    };
    values.into_iter().map(summary).collect()
}

/// The time axis, if known.
fn axis(recording: &Recording) -> Option<TimeAxis> {
    let sample_rate_hz = recording.sample_rate_hz.filter(|rate| *rate > 0.0)?;
    Some(TimeAxis { sample_rate_hz, t0_ms: recording.t0_ms? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_in_their_order_and_missing_values_too() {
        let mut all = vec![Recording::new(vec![1.0, 2.0]); 5];
        for (recording, level) in all.iter_mut().zip(["100", "20", "100.0", ""]) {
            recording.columns = vec![("level_db".into(), level.into()), ("ear".into(), "L".into())];
        }
        all[0].columns.push(("note".into(), String::new()));
        all[1].sample_rate_hz = Some(20_000.0);
        let found = inspect(&all);
        let count = |value: &str, rows| Count { value: value.into(), rows };
        assert_eq!(found.levels, [count("20", 1), count("100", 2)]);
        assert_eq!(found.sample_rates_hz, [count("20000", 1), count("", 4)]);
        let [ear, level, note] = &found.columns[..] else { panic!("{:?}", found.columns) };
        assert_eq!((ear.missing, ear.distinct, ear.range), (1, 1, None));
        assert_eq!((level.missing, level.distinct, level.range), (2, 3, Some([20.0, 100.0])));
        assert_eq!((note.missing, note.distinct, note.range), (5, 0, None));
    }
}
