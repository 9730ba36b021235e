//! One averaged trace with its metadata: the row type that every reader and the built-in set yield.

use super::{PEAK_COLUMNS, WAVES};
use crate::config::Unit;
use crate::error::Error;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

/// The column that keeps the file's own subject if `data.subject_column` names another column.
pub(super) const FILE_SUBJECT: &str = "file_subject_id";

/// A trace in µV with the metadata that its file states.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The row's number in its set, from 1. Rows that filters drop count too.
    pub row: usize,
    /// The name of its file in messages and tables, unique within a set. Empty for built-in data.
    pub file: Arc<str>,
    /// The line in the file, for text with one row per recording.
    pub line: Option<usize>,
    /// The subject: as the file states it, or else from the file's name. Empty if unknown.
    pub subject: String,
    /// Whether `subject` is guessed from the file's name.
    pub subject_guessed: bool,
    /// Samples in µV; NaN where one is missing.
    pub samples: Vec<f32>,
    /// `None` if the file does not state it.
    pub sample_rate_hz: Option<f64>,
    /// Time of the first sample relative to the stimulus onset; `None` if the file does not state it.
    pub t0_ms: Option<f64>,
    /// The unit of the samples in the file, if the file or its format states it.
    pub unit: Option<Unit>,
    /// The gain that the file states; the samples have it applied.
    pub gain: Option<Gain>,
    /// Other columns. Known ones have these names: `ear` (`L`, `R`), `channel`, `frequency_hz` (a number or `click`),
    /// `stimulus` (its name, where it has no frequency), `level_db`, `masker_level_db`, `rate_hz`, `n_averages`,
    /// `n_artifacts`, `polarity` (of the stimulus), `threshold_db`, `record` (its place in the file). An unknown value
    /// is absent, or empty where the table has the column.
    pub columns: Vec<(Arc<str>, String)>,
    /// Peak labels in the order of [`PEAK_COLUMNS`]; NaN where unlabelled.
    pub peaks: [f32; PEAK_COLUMNS.len()],
    /// Whether a label's unit is not stated: the label is then in the unit of the samples.
    pub unitless: [bool; PEAK_COLUMNS.len()],
    /// The ground truth of a simulated recording.
    pub ground_truth: Option<Box<GroundTruth>>,
}

/// A gain as a file states it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    pub value: f64,
    /// Whether stored numbers are divided by it (steps per unit, amplification) or multiplied by it.
    pub divides: bool,
}

impl Gain {
    /// The factor that corrects samples when `given` replaces this gain.
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
    /// A trace without metadata.
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

    /// The text of any column, including those with a field of their own (`subject_id`, `t0_ms`, labels, …); `None` if
    /// the column is absent.
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
    pub fn add_column(&mut self, name: impl Into<Arc<str>>, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.columns.push((name.into(), value));
        }
    }

    /// Converts the samples from a stated unit to µV.
    pub fn convert_from(&mut self, unit: Option<Unit>) {
        self.unit = unit;
        self.scale(unit.map_or(1.0, Unit::microvolts));
    }

    /// Multiplies the samples and those of the ground truth.
    pub fn scale(&mut self, factor: f64) {
        if factor == 1.0 {
            return;
        }
        let truth = self.ground_truth.iter_mut().flat_map(|truth| &mut truth.samples);
        self.samples.iter_mut().chain(truth).for_each(|sample| *sample = (f64::from(*sample) * factor) as f32);
    }

    /// Sets a column's value; adds the column if it is absent.
    pub fn set_column(&mut self, name: &str, value: impl ToString) {
        match self.columns.iter_mut().find(|(n, _)| **n == *name) {
            Some((_, old)) => *old = value.to_string(),
            None => self.add_column(name, value),
        }
    }

    /// The error for this row of a set. An empty `column` means the row as a whole.
    pub fn error(&self, source: &str, column: &str, problem: impl Display, remedy: impl Display) -> Error {
        let column = if column.is_empty() { String::new() } else { format!(", column `{column}`") };
        let line = self.line.map(|line| format!("line {line}"));
        // `source` already names the file if it is the only one
        let alone = source.ends_with(&*self.file) && !source.contains(", ");
        let file = (!self.file.is_empty() && !alone).then(|| self.file.to_string());
        let place: Vec<String> = file.into_iter().chain(line).collect();
        let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(", ")) };
        Error::input(source, format!("row {}{place}{column}", self.row), problem, remedy)
    }
}

/// The columns of many recordings, each once: those of `first` in its order, others in the order of appearance. The
/// column `file` has a place of its own in every table, and none here.
#[derive(Debug, Clone, Default)]
pub struct ColumnOrder {
    pub names: Vec<Arc<str>>,
    places: HashMap<Arc<str>, usize>,
}

impl ColumnOrder {
    pub fn of(recordings: &[Recording], first: &[&str]) -> Self {
        let mut order = ColumnOrder::default();
        recordings.iter().for_each(|recording| order.add(recording));
        order.names.sort_by_key(|name| first.iter().position(|first| *first == &**name).unwrap_or(first.len()));
        order.places = order.names.iter().cloned().enumerate().map(|(place, name)| (name, place)).collect();
        order
    }

    /// Adds the columns of a recording that are new, at the end.
    pub fn add(&mut self, recording: &Recording) {
        for (name, _) in &recording.columns {
            if **name != *"file" && !self.places.contains_key(name) {
                self.places.insert(name.clone(), self.names.len());
                self.names.push(name.clone());
            }
        }
    }

    /// A recording's values, empty where it has none. To look each up by name would take time quadratic in the columns.
    pub fn cells<'r>(&self, recording: &'r Recording) -> Vec<&'r str> {
        let mut cells = vec![""; self.names.len()];
        // of two values with one name, the first counts
        for (name, value) in recording.columns.iter().rev() {
            if let Some(place) = self.places.get(&**name) {
                cells[*place] = value;
            }
        }
        cells
    }
}

/// A row that cannot be used, with all that could be read of it: a filter may still drop it.
#[derive(Debug)]
pub struct Faulty {
    pub error: Box<Error>,
    /// The column at fault, if a filter can name it.
    pub column: Option<Arc<str>>,
    /// `None` if nothing of the row can be read.
    pub recording: Option<Box<Recording>>,
}

impl From<Error> for Faulty {
    fn from(error: Error) -> Self {
        Faulty { error: Box::new(error), column: None, recording: None }
    }
}
