//! One averaged trace and what is known of it: the row type that every reader and the built-in set yield.

use super::{PEAK_COLUMNS, WAVES};
use crate::config::Unit;
use crate::error::Error;
use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

/// A trace in µV with what its file states about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Number of the row in its set, from 1; rows that filters leave out count.
    pub row: usize,
    /// The file it came from, as messages and tables name it; no two files of a set share a name. Empty for built-in
    /// data.
    pub file: Arc<str>,
    /// Line of the file, for text with one row per recording.
    pub line: Option<usize>,
    /// Who was recorded: as the file states, or else from the file's name. Empty if not known.
    pub subject: String,
    /// Whether `subject` comes from the file's name alone.
    pub subject_guessed: bool,
    /// In µV; NaN where a sample is missing.
    pub samples: Vec<f32>,
    /// If the file states it.
    pub sample_rate_hz: Option<f64>,
    /// Time of the first sample relative to the stimulus onset, if the file states it.
    pub t0_ms: Option<f64>,
    /// The unit in which its file holds the samples, if the file or its format states it.
    pub unit: Option<Unit>,
    /// The gain that its file states, and that was applied.
    pub gain: Option<Gain>,
    /// Other columns, by these names where they fit: `ear` (`L`, `R`), `channel`, `frequency_hz` (a number or `click`),
    /// `stimulus` (its name, where it has no frequency), `level_db`, `masker_level_db`, `rate_hz`, `n_averages`,
    /// `n_artifacts`, `polarity`, `threshold_db`, `record` (its place in the file). What is not known is absent, or
    /// empty where the table has such a column.
    pub columns: Vec<(Arc<str>, String)>,
    /// Labels in the order of [`PEAK_COLUMNS`]; NaN where unlabelled.
    pub peaks: [f32; PEAK_COLUMNS.len()],
    /// Labels whose unit the file does not state: the samples' unit is theirs.
    pub unitless: [bool; PEAK_COLUMNS.len()],
    /// What a simulation knows and a recording does not.
    pub ground_truth: Option<Box<GroundTruth>>,
}

/// A gain as a file states it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    pub value: f64,
    /// Whether stored numbers are divided by it (steps per unit, amplification) or multiplied with it.
    pub divides: bool,
}

impl Gain {
    /// The factor that puts another gain of the same kind in its place.
    pub fn replacement(self, given: f64) -> f64 {
        if self.divides { self.value / given } else { given / self.value }
    }
}

/// The noise-free trace and the wave latencies behind a simulated recording.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruth {
    /// In µV, at the times of the recording's samples.
    pub samples: Vec<f32>,
    /// Latencies of waves I to VII in ms; NaN where the wave is absent.
    pub latencies_ms: [f32; WAVES.len()],
}

impl Recording {
    /// A trace about which nothing else is known.
    pub fn new(samples: Vec<f32>) -> Self {
        Recording {
            row: 0,
            file: "".into(),
            line: None,
            subject: String::new(),
            subject_guessed: false,
            samples,
            sample_rate_hz: None,
            t0_ms: None,
            unit: None,
            gain: None,
            columns: Vec::new(),
            peaks: [f32::NAN; PEAK_COLUMNS.len()],
            unitless: [false; PEAK_COLUMNS.len()],
            ground_truth: None,
        }
    }

    /// The value of a column; `None` if it is absent or empty.
    pub fn column(&self, name: &str) -> Option<&str> {
        self.columns.iter().find(|(n, _)| **n == *name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
    }

    /// What a table of recordings shows in a column, those with a place of their own included; `None` if it is absent.
    pub fn cell(&self, name: &str) -> Option<Cow<'_, str>> {
        let number = |value: Option<f64>| Some(value.map_or(String::new(), |v| v.to_string()).into());
        match (name, PEAK_COLUMNS.iter().position(|peak| *peak == name)) {
            ("subject_id", _) => Some(self.subject.as_str().into()),
            ("sample_rate_hz", _) => number(self.sample_rate_hz),
            ("t0_ms", _) => number(self.t0_ms),
            (_, Some(peak)) if self.peaks[peak].is_nan() => Some("".into()),
            (_, Some(peak)) => Some(self.peaks[peak].to_string().into()),
            _ => match self.columns.iter().find(|(n, _)| **n == *name) {
                Some((_, value)) => Some(value.as_str().into()),
                None => (name == "file" && !self.file.is_empty()).then(|| (*self.file).into()),
            },
        }
    }

    /// Adds a column, unless the value is empty.
    pub fn add_column(&mut self, name: &str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.columns.push((name.into(), value));
        }
    }

    /// Takes samples that stand in another unit, if it is stated, to µV.
    pub fn convert_from(&mut self, unit: Option<Unit>) {
        self.unit = unit;
        self.scale(unit.map_or(1.0, Unit::microvolts));
    }

    /// Multiplies the samples, and those of the truth.
    pub fn scale(&mut self, factor: f64) {
        if factor == 1.0 {
            return;
        }
        let truth = self.ground_truth.iter_mut().flat_map(|truth| &mut truth.samples);
        self.samples.iter_mut().chain(truth).for_each(|sample| *sample = (f64::from(*sample) * factor) as f32);
    }

    /// Sets a column's value, in place of the one it has.
    pub fn set_column(&mut self, name: &str, value: impl ToString) {
        match self.columns.iter_mut().find(|(n, _)| **n == *name) {
            Some((_, old)) => *old = value.to_string(),
            None => self.add_column(name, value),
        }
    }

    /// The error of this row of a set: `column` is empty for the row as a whole.
    pub fn error(&self, source: &str, column: &str, problem: impl Display, remedy: impl Display) -> Error {
        let column = if column.is_empty() { String::new() } else { format!(", column `{column}`") };
        let line = self.line.map(|line| format!("line {line}"));
        // the file of a set of one is named already
        let alone = source.ends_with(&*self.file) && !source.contains(", ");
        let file = (!self.file.is_empty() && !alone).then(|| self.file.to_string());
        let place: Vec<String> = file.into_iter().chain(line).collect();
        let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(", ")) };
        Error::input(source, format!("row {}{place}{column}", self.row), problem, remedy)
    }
}

/// A row that cannot be used, with what is known of it: a filter may leave it out.
#[derive(Debug)]
pub struct Faulty {
    pub error: Box<Error>,
    /// The name of the column at fault, where it is one that a filter may name.
    pub column: Option<Arc<str>>,
    /// None if nothing can be read at all.
    pub recording: Option<Box<Recording>>,
}

impl From<Error> for Faulty {
    fn from(error: Error) -> Self {
        Faulty { error: Box::new(error), column: None, recording: None }
    }
}
