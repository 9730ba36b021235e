//! From recordings to the rows that a model sees: filters, then preparation, then the masking of labels.

use super::{FilterCount, Labels, Preparation, Refusal, RowFilters, TimeAxis};
use crate::config::{DataConfig, PrepareConfig};
use crate::data::read::Recordings;
use crate::data::recording::FILE_SUBJECT;
use crate::data::recording::{Faulty, Recording};
use crate::error::{Error, Result};
use crate::text::nearest;
use serde_json::Value;

/// The column of a prepared table that describes the preparation.
const PREPARED: &str = "prepared";

/// The new name for a lab's own column `prepared`.
const FILE_PREPARED: &str = "file_prepared";

/// The keys of `data.prepare`, with which the parts of such a description begin.
const STEPS: [&str; 5] = ["polarity", "baseline", "band_pass", "sample_rate_hz", "window"];

/// The description of a row's earlier preparation, as `describe` writes it. Any other text in the column (`yes`, a
/// date) is a lab's own.
pub fn preparation_of(recording: &Recording) -> Option<&str> {
    let is_step = |part: &str| {
        part.split_once('=').is_some_and(|(key, _)| STEPS.contains(&key.split('.').next().unwrap_or_default()))
    };
    recording.column(PREPARED).filter(|text| text.split("; ").all(is_step))
}

/// Iterates over the recordings that pass `data.filters`, prepared by `data.prepare`: `signal_length` samples on one
/// common time axis, with their ground truth and the labels inside the window. A dropped row cannot fail.
pub struct PreparedRows<'a> {
    recordings: Recordings,
    config: &'a DataConfig,
    filters: RowFilters,
    preparation: Preparation,
    /// A description of `data.prepare`; empty if it does nothing.
    description: String,
    /// The time axis of the first row; all others must have the same.
    axis: Option<TimeAxis>,
    report: RowReport,
}

/// A summary of filtering and preparation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowReport {
    /// Number of rows kept.
    pub rows: usize,
    /// Number of samples kept of each row.
    pub used: usize,
    /// Number of samples cut after them, in the longest row.
    pub cut: usize,
    /// The time axis after preparation; `None` without preparation.
    pub prepared: Option<TimeAxis>,
    /// Rows that were prepared before and stay unchanged.
    pub prepared_before: usize,
    /// Rows that each filter dropped.
    pub filters: Vec<FilterCount>,
    pub labels: Labels,
}

impl RowReport {
    /// The summary as notices.
    pub fn notices(&self) -> Vec<String> {
        let before = format!("{} rows were prepared already, and are left as they are", self.prepared_before);
        let before = (self.prepared_before > 0).then_some(before);
        let filters = self.filters.iter().map(FilterCount::to_string);
        std::iter::once(self.to_string()).chain(before).chain(filters).chain(self.labels.notice()).collect()
    }
}

impl std::fmt::Display for RowReport {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        if let Some(TimeAxis { sample_rate_hz, t0_ms }) = self.prepared {
            let used = self.used;
            return write!(f, "{} rows, prepared: {used} samples at {sample_rate_hz} Hz from {t0_ms} ms", self.rows);
        }
        write!(f, "{} rows, the first {} samples of each", self.rows, self.used)?;
        if self.cut > 0 { write!(f, "; {} more of each were cut", self.cut) } else { Ok(()) }
    }
}

impl<'a> PreparedRows<'a> {
    /// Filters and prepares `recordings` for a model of `signal_length` samples. `data.sample_rate_hz` and `data.t0_ms`
    /// complete their time axes.
    pub fn new(recordings: Recordings, config: &'a DataConfig, signal_length: usize) -> PreparedRows<'a> {
        PreparedRows {
            recordings,
            filters: RowFilters::new(&config.filters),
            preparation: Preparation::new(&config.prepare, signal_length),
            description: describe(&config.prepare),
            config,
            axis: None,
            report: RowReport { used: signal_length, ..RowReport::default() },
        }
    }

    /// The name of the set in messages.
    pub fn source(&self) -> &str {
        &self.recordings.source
    }

    /// Whether all rows have the same columns.
    pub fn uniform(&self) -> bool {
        self.recordings.uniform
    }

    /// The summary, and the notices from reading. Both are complete after the last row.
    pub fn finish(self) -> (RowReport, Vec<String>) {
        let prepared =
            self.axis.filter(|_| !self.preparation.is_off() && self.report.prepared_before < self.report.rows);
        (RowReport { prepared, filters: self.filters.counts(), ..self.report }, self.recordings.notices.take())
    }

    /// The next row that passes the filters.
    fn kept(&mut self) -> Option<Result<Recording>> {
        while let Some(next) = self.recordings.next_row() {
            let (recording, fault) = match next {
                Ok(recording) => (recording, None),
                Err(Faulty { error, recording: None, .. }) => return Some(Err(*error)),
                // a filter cannot judge a row by the cell at fault
                Err(Faulty { error, column: Some(column), .. }) if self.filters.columns().any(|c| *c == *column) => {
                    return Some(Err(*error));
                }
                Err(Faulty { error, recording: Some(recording), .. }) => (*recording, Some(error)),
            };
            match self.keep(&recording) {
                Ok(true) => return Some(fault.map_or(Ok(recording), |error| Err(*error))),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    fn keep(&mut self, recording: &Recording) -> Result<bool> {
        let source = &self.recordings.source;
        let subject_column = &self.config.subject_column;
        let cell = |name: &str| match name {
            name if name == subject_column => recording.cell("subject_id"),
            // the file's own value
            "subject_id" => recording.cell(FILE_SUBJECT).or_else(|| recording.cell(name)),
            name => recording.cell(name),
        };
        if self.recordings.uniform
            && let Some(name) = self.filters.columns().find(|name| cell(name).is_none())
        {
            return Err(no_column(source, recording, name, "data.filters"));
        }
        self.filters
            .keep(cell)
            .map_err(|(column, Refusal { problem, remedy })| recording.error(source, &column, problem, remedy))
    }

    fn prepare(&mut self, mut recording: Recording) -> Result<Recording> {
        let before = self.prepared_before(&recording)?;
        let recorded = self.recorded_axis(&mut recording)?;
        let used = self.report.used;
        let off = before || self.preparation.is_off();
        self.check_samples(&recording, if off { used } else { recording.samples.len() })?;
        let axis = if off { self.take_first(&mut recording, recorded)? } else { self.apply(&mut recording, recorded)? };
        self.check_axis(&recording, axis, off)?;
        self.report.labels.mask(&mut recording.peaks, &axis, used);
        (recording.sample_rate_hz, recording.t0_ms) = (Some(axis.sample_rate_hz), Some(axis.t0_ms));
        self.report.rows += 1;
        self.report.prepared_before += usize::from(before);
        if !off {
            if let Some(own) = recording.column(PREPARED).map(str::to_string) {
                recording.set_column(FILE_PREPARED, own);
            }
            recording.set_column(PREPARED, &self.description);
        }
        Ok(recording)
    }

    fn error(&self, recording: &Recording, column: &str, refusal: Refusal) -> Error {
        recording.error(&self.recordings.source, column, refusal.problem, refusal.remedy)
    }

    /// The time axis that the recording states, completed by the configuration.
    fn recorded_axis(&self, recording: &mut Recording) -> Result<TimeAxis> {
        complete_axis(&self.recordings.source, recording, self.config)?;
        let known = |key: &str, value: Option<f64>, example: &str| {
            value.ok_or_else(|| {
                let problem = format!("{key} is not known: the recording does not state it");
                let remedy =
                    format!("add a column {key}, or set data.{key} (for example {example}); it is never assumed");
                self.error(recording, "", Refusal::new(problem, remedy))
            })
        };
        let sample_rate_hz = known("sample_rate_hz", recording.sample_rate_hz, "20000.0")?;
        let t0_ms = known("t0_ms", recording.t0_ms, "0.0 if the first sample is at the stimulus onset")?;
        Ok(TimeAxis { sample_rate_hz, t0_ms })
    }

    /// Whether the row has already been prepared. A different preparation is an error.
    fn prepared_before(&self, recording: &Recording) -> Result<bool> {
        match preparation_of(recording) {
            None => Ok(false),
            Some(before) if self.description.is_empty() || before == self.description => Ok(true),
            Some(before) => {
                let problem =
                    format!("was prepared before ({before}), and data.prepare is another ({})", self.description);
                let remedy = "leave data.prepare out, or name the recordings as they were before they were prepared";
                Err(self.error(recording, PREPARED, Refusal::new(problem, remedy)))
            }
        }
    }

    fn check_samples(&self, recording: &Recording, wanted: usize) -> Result<()> {
        let refuse = |column: String, problem: String, remedy: String| {
            Err(self.error(recording, &column, Refusal::new(problem, remedy)))
        };
        if recording.samples.len() < wanted {
            let found = recording.samples.len();
            let problem = format!("{found} samples, but {wanted} are needed");
            return refuse(
                String::new(),
                problem,
                format!("set model.signal_length to {found} or less, or use longer recordings"),
            );
        }
        if let Some(truth) = &recording.ground_truth
            && (truth.samples.len() < wanted || (wanted == recording.samples.len() && truth.samples.len() != wanted))
        {
            let problem = format!(
                "{} samples of ground truth for {} recorded ones",
                truth.samples.len(),
                recording.samples.len()
            );
            return refuse(String::new(), problem, "give both the same times".to_string());
        }
        let missing = |samples: &[f32]| samples[..wanted].iter().position(|sample| !sample.is_finite());
        let truth =
            recording.ground_truth.as_ref().and_then(|truth| missing(&truth.samples)).map(|i| format!("truth_s{i}"));
        match missing(&recording.samples).map(|i| format!("s{i}")).or(truth) {
            Some(column) => refuse(
                column,
                "empty or NaN, but a number is needed".to_string(),
                "fill the missing sample in, or remove the row".to_string(),
            ),
            None => Ok(()),
        }
    }

    /// Keeps the first samples, unchanged.
    fn take_first(&mut self, recording: &mut Recording, axis: TimeAxis) -> Result<TimeAxis> {
        let used = self.report.used;
        self.report.cut = self.report.cut.max(recording.samples.len() - used);
        recording.samples.truncate(used);
        if let Some(truth) = &mut recording.ground_truth {
            truth.samples.truncate(used);
        }
        Ok(axis)
    }

    fn apply(&mut self, recording: &mut Recording, axis: TimeAxis) -> Result<TimeAxis> {
        let source = &self.recordings.source;
        let mut apply = |samples: &[f32]| self.preparation.apply(samples, axis);
        let refuse =
            |refusal: Refusal, recording: &Recording| recording.error(source, "", refusal.problem, refusal.remedy);
        let made = apply(&recording.samples).map_err(|refusal| refuse(refusal, recording))?;
        recording.samples = made.samples;
        if let Some(mut truth) = recording.ground_truth.take() {
            truth.samples = apply(&truth.samples).map_err(|refusal| refuse(refusal, recording))?.samples;
            recording.ground_truth = Some(truth);
        }
        Ok(made.axis)
    }

    /// Checks that the row has the same time axis as the rows before it.
    fn check_axis(&mut self, recording: &Recording, axis: TimeAxis, off: bool) -> Result<()> {
        let first = *self.axis.get_or_insert(axis);
        if first.same(&axis) {
            return Ok(());
        }
        if off {
            let (key, is, was) = match same(first.sample_rate_hz, axis.sample_rate_hz) {
                true => ("t0_ms", axis.t0_ms, first.t0_ms),
                false => ("sample_rate_hz", axis.sample_rate_hz, first.sample_rate_hz),
            };
            let remedy =
                "give one table for each, or put them on one time axis with data.prepare: sample_rate_hz, window";
            return Err(self.error(
                recording,
                key,
                Refusal::new(format!("{is}, but the rows before have {was}"), remedy),
            ));
        }
        let times = |axis: TimeAxis| format!("at {} Hz from {} ms", axis.sample_rate_hz, axis.t0_ms);
        let problem = format!("prepared, its samples are {}, but those before {}", times(axis), times(first));
        let remedy =
            "set data.prepare.sample_rate_hz and data.prepare.window, which put all rows' samples at the same times";
        Err(self.error(recording, "", Refusal::new(problem, remedy)))
    }

    /// The error if no row passed the filters, or if a filter names a column that no row has.
    fn at_the_end(&self) -> Option<Error> {
        let source = &self.recordings.source;
        if let Some(name) = self.filters.unseen() {
            let problem = format!("no recording has a column `{name}`, which data.filters names");
            return Some(Error::input(source, "", problem, "`abr-film data inspect` lists the columns"));
        }
        (self.report.rows == 0).then(|| {
            let counts: Vec<String> = self.filters.counts().iter().map(FilterCount::to_string).collect();
            let problem = format!("data.filters leave no row: {}", counts.join("; "));
            Error::input(source, "", problem, "loosen the filters")
        })
    }
}

impl Iterator for PreparedRows<'_> {
    type Item = Result<Recording>;

    fn next(&mut self) -> Option<Result<Recording>> {
        match self.kept() {
            Some(recording) => Some(recording.and_then(|recording| self.prepare(recording))),
            None => self.at_the_end().map(Err),
        }
    }
}

/// Completes a recording's time axis from `data.sample_rate_hz` and `data.t0_ms`.
///
/// # Errors
/// A recording that contradicts the configuration. A prepared row may: its axis is no longer the recorder's.
pub fn complete_axis(source: &str, recording: &mut Recording, config: &DataConfig) -> Result<()> {
    let prepared = preparation_of(recording).is_some();
    let value = |key: &str, stated: Option<f64>, setting: Option<f64>| match (stated, setting) {
        (Some(stated), Some(setting)) if !prepared && !same(stated, setting) => {
            let problem = format!("{stated}, but data.{key} is {setting}");
            let remedy = format!("correct the one that is wrong; without data.{key} the recording's own is used");
            Err(recording.error(source, key, problem, remedy))
        }
        (stated, setting) => Ok(stated.or(setting)),
    };
    let sample_rate_hz = value("sample_rate_hz", recording.sample_rate_hz, config.sample_rate_hz)?;
    let t0_ms = value("t0_ms", recording.t0_ms, config.t0_ms)?;
    (recording.sample_rate_hz, recording.t0_ms) = (sample_rate_hz, t0_ms);
    Ok(())
}

/// The error for a column that no row of the set has.
pub fn no_column(source: &str, recording: &Recording, name: &str, key: &str) -> Error {
    let names = || recording.columns.iter().map(|(name, _)| &**name).chain(["subject_id"]);
    let near = nearest(name, names()).map_or(String::new(), |near| format!("is it `{near}`? "));
    let columns = names().collect::<Vec<_>>().join(", ");
    let problem = format!("no column `{name}`, which {key} names");
    Error::input(source, "", problem, format!("{near}{key} may name any of: {columns}"))
}

/// Describes `data.prepare` in the form `polarity=-1; window.from_ms=0`; empty if it does nothing.
fn describe(config: &PrepareConfig) -> String {
    fn flatten(key: &str, value: &Value, parts: &mut Vec<String>) {
        match value {
            Value::Null => {}
            Value::Object(map) => map.iter().for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, parts)),
            Value::String(text) => parts.push(format!("{key}={text}")),
            other => parts.push(format!("{key}={other}")),
        }
    }
    if *config == PrepareConfig::default() {
        return String::new();
    }
    let mut parts = Vec::new();
    let Value::Object(map) = serde_json::to_value(config).expect("serializable") else { unreachable!("a struct") };
    map.iter().for_each(|(name, value)| flatten(name, value, &mut parts));
    parts.join("; ")
}

/// Whether two numbers are equal up to rounding, such as 24414.0625 and 24414.063.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}
