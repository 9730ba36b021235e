//! What recordings hold, before anybody trains on them: who, at what levels, sampled how, and what looks wrong.

use super::PEAK_COLUMNS;
mod series;

pub use series::{LevelSeries, Panel, Trace, level_series};

use super::read::Recording;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A trace whose largest or smallest value stands in so many samples in a row was probably cut off by the recorder.
const CLIPPED_SAMPLES: usize = 4;
/// A column with at most so many distinct numbers is listed value by value.
const LISTED_VALUES: usize = 40;

/// An overview of a data set. Rows are counted from 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    pub rows: usize,
    /// Rows of each subject; the empty name stands for rows without one.
    pub subjects: BTreeMap<String, usize>,
    /// Rows at each `level_db`, in the order of the level.
    pub levels: Vec<Count>,
    /// Rows at each rate in Hz; the empty one is not known.
    pub sample_rates_hz: Vec<Count>,
    /// Rows whose first sample lies at this time; the empty one is not known.
    pub t0_ms: Vec<Count>,
    /// Rows of each number of samples.
    pub samples: Vec<Count>,
    pub columns: Vec<ColumnSummary>,
    /// Rows with this label.
    pub labels: Vec<Count>,
    pub problems: Problems,
}

/// How many rows have a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    pub value: String,
    pub rows: usize,
}

/// What stands in a column beside the samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    pub name: String,
    /// Rows without a value.
    pub missing: usize,
    pub distinct: usize,
    /// The smallest and the largest, if all values are numbers.
    pub range: Option<[f64; 2]>,
}

/// Rows, counted from 1, that should be looked at before a training.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// With a sample that is empty or no finite number.
    pub missing_samples: Vec<usize>,
    /// With a latency label outside the recording's time.
    pub labels_outside: Vec<usize>,
    /// With the samples of an earlier row.
    pub duplicates: Vec<usize>,
    /// Whose largest or smallest value stands in four samples in a row or more.
    pub clipped: Vec<usize>,
    /// All samples equal.
    pub flat: Vec<usize>,
}

/// Looks through recordings.
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
        levels: counts(recordings.iter().filter_map(|r| r.column("level_db")).map(str::to_string)),
        sample_rates_hz: counts(recordings.iter().map(|r| number(r.sample_rate_hz))),
        t0_ms: counts(recordings.iter().map(|r| number(r.t0_ms))),
        samples: counts(recordings.iter().map(|r| r.samples.len().to_string())),
        columns: columns(recordings),
        labels: labels.filter(|count| count.rows > 0).collect(),
        problems: problems(recordings),
    }
}

/// Each value with its rows, in the order of the numbers they are, else of the texts.
fn counts(values: impl Iterator<Item = String>) -> Vec<Count> {
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for value in values {
        *rows.entry(value).or_default() += 1;
    }
    let mut counts: Vec<Count> = rows.into_iter().map(|(value, rows)| Count { value, rows }).collect();
    let key = |count: &Count| count.value.parse::<f64>().unwrap_or(f64::NEG_INFINITY);
    counts.sort_by(|a, b| key(a).total_cmp(&key(b)));
    counts
}

fn columns(recordings: &[Recording]) -> Vec<ColumnSummary> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in recordings.iter().flat_map(|r| &r.columns) {
        values.entry(name).or_default().push(value);
    }
    let summary = |(name, values): (&str, Vec<&str>)| {
        let numbers: Option<Vec<f64>> = values.iter().map(|v| v.parse().ok()).collect();
        let extreme = |numbers: &Vec<f64>| {
            [
                numbers.iter().copied().fold(f64::INFINITY, f64::min),
                numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ]
        };
        ColumnSummary {
            name: name.to_string(),
            missing: recordings.len() - values.len(),
            distinct: values.iter().collect::<BTreeSet<_>>().len(),
            range: numbers.as_ref().map(extreme),
        }
    };
    values.into_iter().map(summary).collect()
}

fn problems(recordings: &[Recording]) -> Problems {
    let rows = |wrong: &dyn Fn(&Recording) -> bool| -> Vec<usize> {
        recordings.iter().enumerate().filter(|(_, r)| wrong(r)).map(|(i, _)| i + 1).collect()
    };
    let mut seen = BTreeSet::new();
    let bits = |r: &Recording| r.samples.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    Problems {
        missing_samples: rows(&|r| r.samples.is_empty() || r.samples.iter().any(|v| !v.is_finite())),
        labels_outside: rows(&label_outside),
        duplicates: (recordings.iter().enumerate())
            .filter(|(_, r)| !seen.insert(bits(r)))
            .map(|(i, _)| i + 1)
            .collect(),
        clipped: rows(&|r| !is_flat(r) && longest_extreme(&r.samples) >= CLIPPED_SAMPLES),
        flat: rows(&is_flat),
    }
}

fn is_flat(recording: &Recording) -> bool {
    recording.samples.windows(2).all(|pair| pair[0] == pair[1])
}

/// The longest run of samples that all are the largest, or all the smallest, of the trace.
fn longest_extreme(samples: &[f32]) -> usize {
    let lowest = samples.iter().copied().fold(f32::INFINITY, f32::min);
    let highest = samples.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let longest = |extreme: f32| {
        samples.chunk_by(|a, b| a == b).filter(|run| run[0] == extreme).map(<[f32]>::len).max().unwrap_or(0)
    };
    longest(lowest).max(longest(highest))
}

/// Whether a latency lies outside the recorded time; where that is not known, none does.
fn label_outside(recording: &Recording) -> bool {
    let (Some(rate), Some(t0)) = (recording.sample_rate_hz, recording.t0_ms) else { return false };
    let end = t0 + recording.samples.len().saturating_sub(1) as f64 * 1000.0 / rate;
    let latencies = PEAK_COLUMNS.iter().zip(recording.peaks).filter(|(name, _)| name.ends_with("_ms"));
    latencies.map(|(_, latency)| f64::from(latency)).any(|ms| !ms.is_nan() && !(t0..=end).contains(&ms))
}

impl Problems {
    /// What to call each, with its rows.
    pub fn named(&self) -> [(&'static str, &[usize]); 5] {
        [
            ("with missing samples", &self.missing_samples),
            ("with a label outside the recorded time", &self.labels_outside),
            ("that repeat an earlier row's samples", &self.duplicates),
            ("clipped", &self.clipped),
            ("flat", &self.flat),
        ]
    }
}

impl std::fmt::Display for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        writeln!(f, "{} rows of {} subjects", self.rows, self.subjects.len())?;
        let listed = |counts: &[Count], unit: &str| {
            let value = |count: &Count| {
                if count.value.is_empty() { "not said".to_string() } else { format!("{}{unit}", count.value) }
            };
            let all: Vec<String> = counts.iter().map(|c| format!("{} ({})", value(c), c.rows)).collect();
            if all.len() <= LISTED_VALUES { all.join(", ") } else { format!("{} values", all.len()) }
        };
        let subjects: Vec<Count> =
            self.subjects.iter().map(|(value, rows)| Count { value: value.clone(), rows: *rows }).collect();
        for (title, counts, unit) in [
            ("subjects", &subjects, ""),
            ("levels", &self.levels, " dB"),
            ("sample rates", &self.sample_rates_hz, " Hz"),
            ("first sample", &self.t0_ms, " ms"),
            ("samples a row", &self.samples, ""),
            ("labels", &self.labels, ""),
        ] {
            if !counts.is_empty() {
                writeln!(f, "  {title:<14} {}", listed(counts, unit))?;
            }
        }
        writeln!(f, "\n{:<24} {:>8} {:>9}   from … to", "column", "missing", "distinct")?;
        for column in &self.columns {
            let range = column.range.map_or("text".to_string(), |[lo, hi]| format!("{lo} … {hi}"));
            writeln!(f, "  {:<22} {:>8} {:>9}   {range}", column.name, column.missing, column.distinct)?;
        }
        writeln!(f)?;
        let found = self.problems.named().into_iter().filter(|(_, rows)| !rows.is_empty());
        for (what, rows) in found.clone() {
            let first: Vec<String> = rows.iter().take(10).map(usize::to_string).collect();
            let more = if rows.len() > 10 { ", …" } else { "" };
            writeln!(f, "{} rows {what}: {}{more}", rows.len(), first.join(", "))?;
        }
        if found.count() == 0 {
            writeln!(f, "no missing samples, repeated, clipped or flat traces, or labels outside the recorded time")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(samples: &[f32]) -> Recording {
        let mut recording = Recording::new(samples.to_vec());
        (recording.sample_rate_hz, recording.t0_ms) = (Some(1000.0), Some(-1.0));
        recording
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
        let found = inspect(&all).problems;
        let wanted = Problems {
            missing_samples: vec![2],
            labels_outside: vec![3],
            duplicates: vec![5],
            clipped: vec![6],
            flat: vec![8],
        };
        assert_eq!(found, wanted);
    }

    #[test]
    fn levels_are_counted_in_their_order_and_missing_values_too() {
        let mut all = vec![recording(&[1.0, 2.0]); 4];
        for (recording, level) in all.iter_mut().zip(["100", "20", "100"]) {
            recording.columns = vec![("level_db".into(), level.into()), ("ear".into(), "L".into())];
        }
        let found = inspect(&all);
        let count = |value: &str, rows| Count { value: value.into(), rows };
        assert_eq!(found.levels, [count("20", 1), count("100", 2)]);
        let [ear, level] = &found.columns[..] else { panic!("{:?}", found.columns) };
        assert_eq!((ear.missing, ear.distinct, ear.range), (1, 1, None));
        assert_eq!((level.missing, level.distinct, level.range), (1, 2, Some([20.0, 100.0])));
    }
}
