//! A table row by row into a [`Dataset`].

use super::layout::{Layout, Place, StaticPlace};
use super::row::Row;
use crate::config::{DataConfig, Encoding};
use crate::data::prepare::{Axis, FilterCount, Labels, Preparation, RowFilters, nothing_left};
use crate::data::read::Recording;
use crate::data::table::write_recordings;
use crate::data::{Column, Dataset, PEAK_COLUMNS, Truth, Values, WAVES};
use crate::error::{Error, Result};
use csv::{ByteRecord, ReaderBuilder};
use ndarray::Array2;
use std::fs::File;
use std::io::{BufWriter, Read, Seek};
use std::path::Path;

/// What was read and what was not.
#[derive(Debug, Clone, PartialEq)]
pub struct TableReport {
    /// Rows that are used.
    pub rows: usize,
    /// Samples of each row that were used.
    pub used: usize,
    /// Samples of each row after them, which were not.
    pub cut: usize,
    /// The times of the prepared samples, if they were prepared.
    pub prepared: Option<Axis>,
    /// What the filters left out.
    pub filters: Vec<FilterCount>,
    pub labels: Labels,
}

impl TableReport {
    /// All there is to say, in sentences.
    pub fn notices(&self) -> Vec<String> {
        let filters = self.filters.iter().map(FilterCount::to_string);
        std::iter::once(self.to_string()).chain(filters).chain(self.labels.notice()).collect()
    }
}

impl std::fmt::Display for TableReport {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        if let Some(Axis { sample_rate_hz, t0_ms }) = self.prepared {
            let used = self.used;
            return write!(f, "{} rows, prepared: {used} samples at {sample_rate_hz} Hz from {t0_ms} ms", self.rows);
        }
        write!(f, "{} rows, the first {} samples of each", self.rows, self.used)?;
        if self.cut > 0 { write!(f, "; {} more of each were cut", self.cut) } else { Ok(()) }
    }
}

/// Reads the table at `path` (see [the module](super)) row by row: signals `[N, signal_length]` in µV, the columns of
/// `config.static_columns`, subjects, peaks and truth where the table has them; rows are filtered and prepared as `config` says.
/// Without a subject column (under a row split) every row is its own subject.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, else [`Error::Input`] with the row (counted from 1 without the header), the
/// line of the file and the column: a ragged row, text where a number belongs, NaN or infinity, an empty cell that is needed,
/// another sample rate or t0 than the rows before, a recording that cannot be prepared, no row at all.
pub fn read_table(path: &Path, config: &DataConfig, signal_length: usize) -> Result<(Dataset, TableReport)> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let source = path.display().to_string();
    read(file, &source, true, config, signal_length).map_err(|failure| match failure {
        Failure::Content(error) => error,
        Failure::Read(error) => Error::io("read", path)(error),
    })
}

/// The same of recordings that were read from files of another format: they take the way of a table, so that there is one way.
///
/// # Errors
/// As [`read_table`]; rows are counted in the order of the recordings.
pub fn read_recordings(
    source: &str,
    recordings: &[Recording],
    config: &DataConfig,
    signal_length: usize,
) -> Result<(Dataset, TableReport)> {
    let table = || -> std::io::Result<File> {
        let mut file = tempfile::tempfile()?;
        write_recordings(recordings, BufWriter::new(&file))?;
        file.rewind()?;
        Ok(file)
    };
    let file = table().map_err(Error::io("write", std::env::temp_dir()))?;
    read(file, source, false, config, signal_length).map_err(|failure| match failure {
        Failure::Content(error) => error,
        Failure::Read(error) => Error::io("read", std::env::temp_dir())(error),
    })
}

/// The file's content is at fault, or reading it failed.
enum Failure {
    Content(Error),
    Read(std::io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Content(error)
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        Failure::Read(super::io_error(error))
    }
}

/// `lines`: whether the lines are those of a file that the user knows.
fn read(
    file: impl Read,
    source: &str,
    lines: bool,
    config: &DataConfig,
    length: usize,
) -> Result<(Dataset, TableReport), Failure> {
    // flexible: ragged rows are refused below, with a remedy
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(1 << 16).from_reader(file);
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record)? {
        return Err(Error::input(
            source,
            "",
            "the file is empty",
            "give a table: a line of names, then a row a waveform",
        )
        .into());
    }
    let header: Vec<String> = record.iter().map(|name| String::from_utf8_lossy(name).trim().to_string()).collect();
    let layout = Layout::find(source, &header, config, length)?;
    let mut rows = Rows::new(&layout, config, length);
    let mut filters = RowFilters::new(&config.filters);
    let mut number = 0;
    while reader.read_byte_record(&mut record)? {
        number += 1;
        let line = record.position().filter(|_| lines).map(|position| position.line());
        let row = Row { source, number, line, record: &record };
        row.check_width(layout.width)?;
        let cell = |i: usize| row.text(&layout.filters[i]);
        if filters.keep(cell, |i, refusal| row.refuse(Some(&layout.filters[i]), refusal))? {
            rows.push(&row)?;
        }
    }
    if number > 0 && rows.subjects.is_empty() {
        return Err(nothing_left(source, &filters.counts()).into());
    }
    let report = TableReport {
        rows: rows.subjects.len(),
        used: length,
        cut: layout.cut,
        prepared: rows.axis,
        filters: filters.counts(),
        labels: rows.labels,
    };
    Ok((rows.finish(source)?, report))
}

/// A value that holds for the whole table: from the column, or from the configuration.
struct Constant<'a> {
    key: &'static str,
    column: Option<&'a Place>,
    setting: Option<f64>,
    /// Whether rows may differ, since they are prepared.
    varies: bool,
    found: Option<f64>,
}

impl Constant<'_> {
    /// The row's value, after it was compared with the configuration's and the first row's.
    fn of(&mut self, row: &Row) -> Result<f64> {
        let Some(column) = self.column else { return Ok(self.value()) };
        let cell = row.optional(column)?;
        let Some(value) = cell.or(self.setting) else {
            let remedy = format!("fill it in, or set data.{}; it is never assumed", self.key);
            return Err(row.error(Some(column), "empty", remedy));
        };
        if let Some(setting) = self.setting.filter(|setting| !same(*setting, value)) {
            let problem = format!("{value}, but data.{} is {setting}", self.key);
            let remedy = format!("correct the one that is wrong; without data.{} the column is used", self.key);
            return Err(row.error(Some(column), problem, remedy));
        }
        let first = *self.found.get_or_insert(value);
        if !self.varies && !same(first, value) {
            let problem = format!("{value}, but row 1 has {first}");
            let remedy =
                "give one table for each, or bring them to one time axis with data.prepare: sample_rate_hz, window";
            return Err(row.error(Some(column), problem, remedy));
        }
        Ok(value)
    }

    /// The value; the layout has made sure that there is one.
    fn value(&self) -> f64 {
        self.found.or(self.setting).unwrap_or(f64::NAN)
    }
}

/// Equal but for the digits that were not written out: 24414.0625 and 24414.063.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

/// The rows read so far.
struct Rows<'a> {
    layout: &'a Layout,
    subject_needed: bool,
    signals: Vec<f32>,
    statics: Vec<Values>,
    peaks: Vec<f32>,
    subjects: Vec<String>,
    truth: Vec<f32>,
    truth_latencies_ms: Vec<f32>,
    sample_rate_hz: Constant<'a>,
    t0_ms: Constant<'a>,
    /// `None` if the samples are taken as they are.
    preparation: Option<Preparation>,
    /// The prepared rows'.
    axis: Option<Axis>,
    labels: Labels,
    /// The samples of one row before they are prepared.
    recorded: Vec<f32>,
}

impl<'a> Rows<'a> {
    fn new(layout: &'a Layout, config: &DataConfig, signal_length: usize) -> Self {
        let empty = |encoding: &Encoding| match encoding {
            Encoding::OneHot => Values::Text(Vec::new()),
            Encoding::Standard | Encoding::Log => Values::Number(Vec::new()),
        };
        let preparation = Preparation::new(&config.prepare, signal_length);
        let varies = !preparation.is_off();
        let constant = |key, column: &'a Option<Place>, setting| Constant {
            key,
            column: column.as_ref(),
            setting,
            varies,
            found: None,
        };
        Rows {
            layout,
            subject_needed: config.split.needs_subjects(),
            signals: Vec::new(),
            statics: layout.statics.iter().map(|s| empty(&s.encoding)).collect(),
            peaks: Vec::new(),
            subjects: Vec::new(),
            truth: Vec::new(),
            truth_latencies_ms: Vec::new(),
            sample_rate_hz: constant("sample_rate_hz", &layout.sample_rate_hz, config.sample_rate_hz),
            t0_ms: constant("t0_ms", &layout.t0_ms, config.t0_ms),
            preparation: varies.then_some(preparation),
            axis: None,
            labels: Labels::default(),
            recorded: Vec::new(),
        }
    }

    fn push(&mut self, row: &Row) -> Result<()> {
        let recorded = Axis { sample_rate_hz: self.sample_rate_hz.of(row)?, t0_ms: self.t0_ms.of(row)? };
        if recorded.sample_rate_hz <= 0.0 {
            let problem = format!("{} is no sample rate", recorded.sample_rate_hz);
            return Err(row.error(self.sample_rate_hz.column, problem, "give samples per second, above 0"));
        }
        for (column, values) in self.layout.statics.iter().zip(&mut self.statics) {
            match values {
                Values::Number(numbers) => numbers.push(static_number(row, column)?),
                Values::Text(texts) => texts.push(category(row, &column.place)?),
            }
        }
        self.subjects.push(self.subject(row)?);
        row.labels(&self.layout.peaks, &mut self.peaks)?;
        if let Some(truth) = &self.layout.truth {
            row.labels(&truth.latencies_ms, &mut self.truth_latencies_ms)?;
        }
        if self.preparation.is_some() {
            return self.push_prepared(row, recorded);
        }
        row.samples(&self.layout.samples, &mut self.signals)?;
        mask_last(&mut self.labels, &mut self.peaks, &recorded, self.layout.samples.len());
        self.layout.truth.as_ref().map_or(Ok(()), |truth| row.samples(&truth.samples, &mut self.truth))
    }

    /// The samples of a row that are prepared, and its truth by the same steps.
    fn push_prepared(&mut self, row: &Row, recorded: Axis) -> Result<()> {
        let preparation = self.preparation.as_mut().expect("asked before");
        row.recording(&self.layout.samples, &mut self.recorded)?;
        let samples = self.recorded.len();
        let made = preparation.apply(&self.recorded, recorded).map_err(|refusal| row.refuse(None, refusal))?;
        let axis = *self.axis.get_or_insert(made.axis);
        if !axis.same(&made.axis) {
            let times = |axis: Axis| format!("at {} Hz from {} ms", axis.sample_rate_hz, axis.t0_ms);
            let problem = format!("prepared, its samples lie {}, but those before {}", times(made.axis), times(axis));
            let remedy = "set data.prepare.sample_rate_hz and data.prepare.window, which put all rows' samples at the same times";
            return Err(row.error(None, problem, remedy));
        }
        self.signals.extend(&made.samples);
        mask_last(&mut self.labels, &mut self.peaks, &axis, made.samples.len());
        if let Some(truth) = &self.layout.truth {
            row.recording(&truth.samples, &mut self.recorded)?;
            if self.recorded.len() != samples {
                let problem = format!("{} samples of truth beside {samples} recorded ones", self.recorded.len());
                return Err(row.error(None, problem, "give both the same times"));
            }
            let made = preparation.apply(&self.recorded, recorded).map_err(|refusal| row.refuse(None, refusal))?;
            self.truth.extend(&made.samples);
        }
        Ok(())
    }

    fn subject(&self, row: &Row) -> Result<String> {
        let name = self.layout.subject.as_ref().map_or(Ok(""), |column| row.text(column))?;
        match &self.layout.subject {
            Some(column) if name.is_empty() && self.subject_needed => Err(row.error(
                Some(column),
                "empty, and the split is by subject",
                "name the subject, or remove the row",
            )),
            _ if name.is_empty() => Ok(format!("row {}", row.number)),
            _ => Ok(name.to_string()),
        }
    }

    fn finish(self, source: &str) -> Result<Dataset> {
        let n = self.subjects.len();
        if n == 0 {
            let problem = "the table has a header and no row";
            return Err(Error::input(source, "", problem, "give at least one recording: a row a waveform"));
        }
        let matrix = |values: Vec<f32>, width: usize| {
            Array2::from_shape_vec((n, width), values).expect("every row added its width")
        };
        let length = self.signals.len() / n;
        let (truth_signals, truth_latencies_ms) = (self.truth, self.truth_latencies_ms);
        let statics = self.layout.statics.iter().zip(self.statics);
        Ok(Dataset {
            source: source.to_string(),
            signals: matrix(self.signals, length),
            sample_rate_hz: self.axis.map_or(self.sample_rate_hz.value(), |axis| axis.sample_rate_hz),
            t0_ms: self.axis.map_or(self.t0_ms.value(), |axis| axis.t0_ms),
            statics: statics.map(|(column, values)| Column { name: column.place.name.clone(), values }).collect(),
            peaks: matrix(self.peaks, PEAK_COLUMNS.len()),
            subjects: self.subjects,
            truth: self.layout.truth.as_ref().map(|_| Truth {
                signals: matrix(truth_signals, length),
                latencies_ms: matrix(truth_latencies_ms, WAVES.len()),
            }),
        })
    }
}

/// Unlabels what the last row's samples do not show.
fn mask_last(labels: &mut Labels, peaks: &mut [f32], axis: &Axis, samples: usize) {
    let start = peaks.len() - PEAK_COLUMNS.len();
    labels.mask(&mut peaks[start..], axis, samples);
}

/// NaN for an empty cell, where there may be one.
fn static_number(row: &Row, column: &StaticPlace) -> Result<f64> {
    match row.optional(&column.place)? {
        Some(number) => Ok(number),
        None if column.may_miss => Ok(f64::NAN),
        None => Err(row.error(
            Some(&column.place),
            "empty, but a number is needed",
            "fill it in, remove the row, or name the column in data.impute_statics: it then enters as the training rows' median, \
             beside a further input (model.static_dim grows by 1) that says so",
        )),
    }
}

fn category(row: &Row, column: &Place) -> Result<String> {
    match row.text(column)? {
        "" => {
            Err(row.error(Some(column), "empty, but a category is needed", "fill it in, for example with \"unknown\""))
        }
        text => Ok(text.to_string()),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
