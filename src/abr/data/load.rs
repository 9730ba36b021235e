//! From a configuration to a data set. Training, evaluation and reconstruction all load this way.

use super::assume::Assumptions;
use super::prepare::{Preparation, PreparedRows, RowReport, TimeAxis, no_column};
use super::read::{self, Notices, Options, Recordings, SubjectFrom, read_paths};
use super::recording::Recording;
use super::{Column, Dataset, GroundTruths, PEAK_COLUMNS, Values, WAVES, synth};
use crate::config::{ColumnEncoding, DataConfig};
use crate::error::{Error, Result};
use crate::text::nearest;
use ndarray::Array2;
use std::path::PathBuf;

/// Loads `data.path`, or generates the built-in set if there is none; filters and prepares it for a model of
/// `signal_length` samples. Also returns notices for the user. `progress` receives the number of files read and the
/// number of all.
///
/// # Errors
/// See [`read_paths`], [`PreparedRows`] and [`assemble`].
pub fn load(
    config: &DataConfig,
    signal_length: usize,
    progress: impl FnMut(usize, usize),
) -> Result<(Dataset, Vec<String>)> {
    let recordings = Assumptions::of(config).apply(open(config, signal_length, progress)?);
    let mut rows = PreparedRows::new(recordings, config, signal_length);
    let dataset = assemble(&mut rows, config)?;
    let (report, mut notices) = rows.finish();
    notices.extend(notices_of(config, &dataset, &report));
    Ok((dataset, notices))
}

/// Opens the recordings that a configuration names, unprepared.
fn open(config: &DataConfig, signal_length: usize, progress: impl FnMut(usize, usize)) -> Result<Recordings> {
    match &config.path {
        Some(path) => {
            let subject_from = config.subject_from.as_deref().map(SubjectFrom::parse).transpose()?;
            let subject_given = config.names_subject_column();
            let options = Options { subject_from: subject_from.as_ref(), subject_given, ..Options::default() };
            read_paths(&[PathBuf::from(path)], &options, progress)
        }
        None => built_in(config, signal_length),
    }
}

/// The built-in set, with recordings long enough for the window of `data.prepare`.
///
/// # Errors
/// See [`synth::generate`].
pub fn built_in(config: &DataConfig, signal_length: usize) -> Result<Recordings> {
    let axis = TimeAxis { sample_rate_hz: config.synth.sample_rate_hz, t0_ms: 0.0 };
    let length = Preparation::new(&config.prepare, signal_length).recorded_length(axis);
    let rows = synth::generate(&config.synth, length, config.seed)?;
    Ok(Recordings::new(synth::SOURCE, true, Notices::default(), Box::new(rows.into_iter().map(Ok))))
}

/// The notices after loading. The first one, the number of rows, is dropped for an unprepared built-in set.
fn notices_of(config: &DataConfig, dataset: &Dataset, report: &RowReport) -> Vec<String> {
    let mut notices = report.notices();
    if config.path.is_none() && report.prepared.is_none() {
        notices.remove(0);
    }
    notices.into_iter().map(|notice| format!("{}: {notice}", dataset.source)).collect()
}

/// Collects recordings into a data set: signals `[N, signal_length]` in µV, the columns of `data.static_columns` as
/// numbers or text, subjects, peaks, and the ground truth if all rows have one.
///
/// # Errors
/// A row that cannot be read or prepared. With row, place and column: a condition that is empty (unless it may be) or
/// not a finite number in the range of f32, a subject that is needed but unknown, or a ground truth in only some rows.
pub fn assemble(rows: &mut PreparedRows, config: &DataConfig) -> Result<Dataset> {
    let mut builder = DatasetBuilder::new(config, rows.source(), rows.uniform());
    for recording in rows.by_ref() {
        builder.push(recording?)?;
    }
    builder.finish()
}

/// Collects rows column by column.
struct DatasetBuilder<'a> {
    config: &'a DataConfig,
    source: String,
    uniform: bool,
    signals: Vec<f32>,
    conditions: Vec<Values>,
    peaks: Vec<f32>,
    subjects: Vec<String>,
    averages: Vec<f32>,
    ground_truth: Vec<f32>,
    truth_latencies_ms: Vec<f32>,
    axis: TimeAxis,
    /// The number of rows whose subject is guessed from the file's name.
    guessed: usize,
    /// The names of the first row's columns.
    names: Vec<String>,
}

impl<'a> DatasetBuilder<'a> {
    fn new(config: &'a DataConfig, source: &str, uniform: bool) -> Self {
        let empty = |encoding: ColumnEncoding| match encoding {
            ColumnEncoding::OneHot => Values::Text(Vec::new()),
            ColumnEncoding::Standard | ColumnEncoding::Log => Values::Number(Vec::new()),
        };
        DatasetBuilder {
            config,
            source: source.to_string(),
            uniform,
            signals: Vec::new(),
            conditions: config.static_columns.iter().map(|column| empty(column.encoding())).collect(),
            peaks: Vec::new(),
            subjects: Vec::new(),
            averages: Vec::new(),
            ground_truth: Vec::new(),
            truth_latencies_ms: Vec::new(),
            axis: TimeAxis { sample_rate_hz: 0.0, t0_ms: 0.0 },
            guessed: 0,
            names: Vec::new(),
        }
    }

    fn push(&mut self, recording: Recording) -> Result<()> {
        if self.subjects.is_empty() {
            let times = "prepared recordings have a time axis";
            self.axis = TimeAxis {
                sample_rate_hz: recording.sample_rate_hz.expect(times),
                t0_ms: recording.t0_ms.expect(times),
            };
            self.names = recording.columns.iter().map(|(name, _)| name.to_string()).collect();
        }
        for (column, values) in self.config.static_columns.iter().zip(&mut self.conditions) {
            let name = column.name();
            let may_miss = self.config.impute_statics.iter().any(|imputed| imputed == name);
            let cell = match recording.cell(name) {
                Some(cell) => cell,
                None if self.uniform => return Err(no_column(&self.source, &recording, name, "data.static_columns")),
                None if may_miss => "".into(),
                None => {
                    let remedy = "give it in the recording's file, or leave the column out";
                    return Err(recording.error(&self.source, name, "is not known", remedy));
                }
            };
            match values {
                Values::Number(numbers) => numbers.push(number(&self.source, &recording, name, &cell, may_miss)?),
                Values::Text(texts) => texts.push(category(&self.source, &recording, name, &cell)?),
            }
        }
        self.subjects.push(self.subject(&recording)?);
        let averages = recording.column("n_averages").and_then(|cell| cell.trim().parse().ok());
        self.averages.push(averages.unwrap_or(f32::NAN));
        self.guessed += usize::from(recording.subject_guessed);
        self.signals.extend_from_slice(&recording.samples);
        self.peaks.extend(recording.peaks);
        match (&recording.ground_truth, self.ground_truth.is_empty()) {
            (Some(truth), first) if first == (self.subjects.len() == 1) => {
                self.ground_truth.extend_from_slice(&truth.samples);
                self.truth_latencies_ms.extend(truth.latencies_ms);
                Ok(())
            }
            (None, true) => Ok(()),
            _ => {
                let problem = "some recordings have a noise-free ground truth and others have none";
                Err(recording.error(&self.source, "truth_s0", problem, "load them separately"))
            }
        }
    }

    fn subject(&self, recording: &Recording) -> Result<String> {
        let needed = self.config.split.needs_subjects();
        let column = &self.config.subject_column;
        if needed && recording.subject.is_empty() {
            if self.config.names_subject_column() && recording.cell(column).is_none() {
                return Err(no_column(&self.source, recording, column, "data.subject_column"));
            }
            let remedy = "name the subject, or remove the row";
            return Err(recording.error(&self.source, column, "empty, and the split is by subject", remedy));
        }
        // a guess from the file's name would make one subject of all rows of a table
        let unknown = recording.subject.is_empty() || (!needed && self.uniform && recording.subject_guessed);
        Ok(if unknown { format!("row {}", recording.row) } else { recording.subject.clone() })
    }

    fn finish(self) -> Result<Dataset> {
        let n = self.subjects.len();
        if self.uniform && self.guessed == n && self.config.split.needs_subjects() {
            return Err(self.no_subjects());
        }
        let matrix = |values: Vec<f32>, width: usize| {
            Array2::from_shape_vec((n, width), values).expect("every row added its width")
        };
        let length = self.signals.len() / n;
        let names = self.config.static_columns.iter().map(|column| column.name().to_string());
        Ok(Dataset {
            source: self.source,
            sample_rate_hz: self.axis.sample_rate_hz,
            t0_ms: self.axis.t0_ms,
            signals: matrix(self.signals, length),
            conditions: names.zip(self.conditions).map(|(name, values)| Column { name, values }).collect(),
            peaks: matrix(self.peaks, PEAK_COLUMNS.len()),
            subjects: self.subjects,
            averages: self.averages,
            ground_truth: (!self.ground_truth.is_empty()).then(|| GroundTruths {
                signals: matrix(self.ground_truth, length),
                latencies_ms: matrix(self.truth_latencies_ms, WAVES.len()),
            }),
        })
    }

    fn no_subjects(&self) -> Error {
        let column = &self.config.subject_column;
        let near = nearest(column, self.names.iter().map(String::as_str));
        let near = near.map(|near| format!(" (is it `{near}`?)")).unwrap_or_default();
        let remedy = format!(
            "name the column with the subjects in data.subject_column{near}, or set data.split to \"row\"; a trained \
             model is evaluated on other recordings with --split all"
        );
        Error::input(&self.source, "", format!("no column `{column}`, and the split is by subject"), remedy)
    }
}

/// Parses a condition's cell; NaN for an empty cell if `may_miss`.
fn number(source: &str, recording: &Recording, name: &str, cell: &str, may_miss: bool) -> Result<f64> {
    let cell = cell.trim();
    let refuse = |problem: String, remedy: &str| Err(recording.error(source, name, problem, remedy));
    if read::is_missing(cell) {
        let remedy = "fill it in, remove the row, or name the column in data.impute_statics: it then enters as the \
                      training rows' median, with a second input that marks it (model.static_dim grows by 1)";
        return if may_miss { Ok(f64::NAN) } else { refuse("empty, but a number is needed".to_string(), remedy) };
    }
    match cell.parse::<f64>() {
        Ok(number) if number.abs() <= f64::from(f32::MAX) => Ok(number),
        Ok(_) => {
            let remedy = "correct the value or remove the row; leave the cell of an unknown value empty";
            refuse(format!("\"{cell}\" is not a finite number in the range of 32-bit floats"), remedy)
        }
        Err(_) => {
            let plain = "write a number, remove the row, or set the column's encoding to \"one_hot\"";
            let remedy = read::without_comma(cell).unwrap_or(plain.to_string());
            refuse(format!("\"{cell}\" is not a number"), &remedy)
        }
    }
}

fn category(source: &str, recording: &Recording, name: &str, cell: &str) -> Result<String> {
    match cell.trim() {
        "" => {
            let remedy = "fill it in, for example with \"unknown\"";
            Err(recording.error(source, name, "empty, but a category is needed", remedy))
        }
        text => Ok(text.to_string()),
    }
}

#[cfg(test)]
mod tests;
