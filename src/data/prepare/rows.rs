//! The one way from recordings to what a model sees: row filters, then preparation, then the masking of labels.

use super::{FilterCount, Labels, Preparation, Refusal, RowFilters, TimeAxis};
use crate::config::{DataConfig, PrepareConfig};
use crate::data::assume::FILE_SUBJECT;
use crate::data::read::Recordings;
use crate::data::recording::{Faulty, Recording};
use crate::error::{Error, Result, nearest};
use serde_json::Value;

/// The column in which a prepared table says what was done to its rows.
const PREPARED: &str = "prepared";

/// A column of this name that a lab has, once the other is needed.
const FILE_PREPARED: &str = "file_prepared";

/// The sections of `data.prepare`, with which the parts of such a text begin.
const STEPS: [&str; 5] = ["polarity", "baseline", "band_pass", "sample_rate_hz", "window"];

/// What was done to a row before, in the words of `describe`; anything else in such a column (`yes`, a date) is a
/// lab's own.
pub fn preparation_of(recording: &Recording) -> Option<&str> {
    let is_step = |part: &str| {
        part.split_once('=').is_some_and(|(key, _)| STEPS.contains(&key.split('.').next().unwrap_or_default()))
    };
    recording.column(PREPARED).filter(|text| text.split("; ").all(is_step))
}

/// Recordings that pass `data.filters`, one by one, as `data.prepare` makes them: `signal_length` samples on one time
/// axis, with their truth and the labels that lie among the samples. A row that a filter leaves out cannot fail.
pub struct PreparedRows<'a> {
    recordings: Recordings,
    config: &'a DataConfig,
    filters: RowFilters,
    preparation: Preparation,
    /// What `data.prepare` does, in words; empty if it does nothing.
    description: String,
    /// The first row's, which all others share.
    axis: Option<TimeAxis>,
    report: RowReport,
}

/// What became of the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowReport {
    /// Rows that are used.
    pub rows: usize,
    /// Samples of each row that are used.
    pub used: usize,
    /// Samples after them that are not, in the longest row.
    pub cut: usize,
    /// The times of the samples, if they were prepared.
    pub prepared: Option<TimeAxis>,
    /// Rows that came prepared, and were left as they are.
    pub prepared_before: usize,
    /// What the filters left out.
    pub filters: Vec<FilterCount>,
    pub labels: Labels,
}

impl RowReport {
    /// All there is to say, in sentences.
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
    /// Filters and prepares `recordings` for a model of `signal_length` samples. What they do not state about their
    /// time axis comes from `data.sample_rate_hz` and `data.t0_ms`.
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

    /// What messages call the set.
    pub fn source(&self) -> &str {
        &self.recordings.source
    }

    /// Whether all rows have the same columns.
    pub fn uniform(&self) -> bool {
        self.recordings.uniform
    }

    /// What became of the rows, and what reading them showed; complete after the last one.
    pub fn finish(self) -> (RowReport, Vec<String>) {
        let prepared =
            self.axis.filter(|_| !self.preparation.is_off() && self.report.prepared_before < self.report.rows);
        (RowReport { prepared, filters: self.filters.counts(), ..self.report }, self.recordings.notices.take())
    }

    /// The next row that the filters keep.
    fn kept(&mut self) -> Option<Result<Recording>> {
        while let Some(next) = self.recordings.next_row() {
            let (recording, fault) = match next {
                Ok(recording) => (recording, None),
                Err(Faulty { error, recording: None, .. }) => return Some(Err(*error)),
                // a filter cannot judge the cell that is at fault
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
            // as the file has it
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

    /// When the samples were taken: as the recording states, or else the configuration.
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

    /// Whether the row was prepared before, in the same way.
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
            let problem = format!("{found} samples, but {wanted} are wanted");
            return refuse(
                String::new(),
                problem,
                format!("set model.signal_length to {found} or less, or use longer recordings"),
            );
        }
        if let Some(truth) = &recording.ground_truth
            && (truth.samples.len() < wanted || (wanted == recording.samples.len() && truth.samples.len() != wanted))
        {
            let problem =
                format!("{} samples of truth beside {} recorded ones", truth.samples.len(), recording.samples.len());
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

    /// The first samples as they are.
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

    /// All rows must lie at the same times.
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
                "give one table for each, or bring them to one time axis with data.prepare: sample_rate_hz, window";
            return Err(self.error(
                recording,
                key,
                Refusal::new(format!("{is}, but the rows before have {was}"), remedy),
            ));
        }
        let times = |axis: TimeAxis| format!("at {} Hz from {} ms", axis.sample_rate_hz, axis.t0_ms);
        let problem = format!("prepared, its samples lie {}, but those before {}", times(axis), times(first));
        let remedy =
            "set data.prepare.sample_rate_hz and data.prepare.window, which put all rows' samples at the same times";
        Err(self.error(recording, "", Refusal::new(problem, remedy)))
    }

    /// The error if no row has passed, or a filter names a column that no row has.
    fn at_the_end(&self) -> Option<Error> {
        let source = &self.recordings.source;
        if let Some(name) = self.filters.unseen() {
            let problem = format!("no recording has a column `{name}`, which data.filters names");
            return Some(Error::input(source, "", problem, "`abr-film data inspect` lists the columns"));
        }
        (self.report.rows == 0).then(|| {
            let counts: Vec<String> = self.filters.counts().iter().map(FilterCount::to_string).collect();
            let problem = format!("data.filters leave no row: {}", counts.join("; "));
            Error::input(source, "", problem, "let the filters keep more")
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

/// Takes what a recording does not state about its time axis from `data.sample_rate_hz` and `data.t0_ms`.
///
/// # Errors
/// A statement that contradicts the configuration, but in a row that was prepared: its axis is no longer the
/// recorder's.
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

/// The error of a set whose rows all lack a column.
pub fn no_column(source: &str, recording: &Recording, name: &str, key: &str) -> Error {
    let names = || recording.columns.iter().map(|(name, _)| &**name).chain(["subject_id"]);
    let near = nearest(name, names()).map_or(String::new(), |near| format!("is it `{near}`? "));
    let columns = names().collect::<Vec<_>>().join(", ");
    let problem = format!("no column `{name}`, which {key} names");
    Error::input(source, "", problem, format!("{near}{key} may name any of: {columns}"))
}

/// What `data.prepare` does to a recording, as `polarity=-1; window.from_ms=0`; empty if it does nothing.
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
    let Value::Object(map) = serde_json::to_value(config).expect("plain data") else { unreachable!("a struct") };
    map.iter().for_each(|(name, value)| flatten(name, value, &mut parts));
    parts.join("; ")
}

/// Equal but for the digits that were not written out: 24414.0625 and 24414.063.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}
