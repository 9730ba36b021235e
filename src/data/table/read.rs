//! A table row by row into a [`Dataset`].

use super::layout::{Layout, Place};
use crate::config::{DataConfig, Encoding};
use crate::data::{Column, Dataset, PEAK_COLUMNS, Truth, Values, WAVES};
use crate::error::{Error, Result};
use csv::{ByteRecord, ReaderBuilder};
use ndarray::Array2;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Microvolts beyond which no sample is believed: 1000 V.
const MAX_SAMPLE_UV: f32 = 1e9;

/// What was read and what was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    pub rows: usize,
    /// Samples of each row that were used.
    pub used: usize,
    /// Samples of each row after them, which were not.
    pub cut: usize,
}

impl std::fmt::Display for TableReport {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} rows, the first {} samples of each", self.rows, self.used)?;
        if self.cut > 0 { write!(f, "; {} more of each were cut", self.cut) } else { Ok(()) }
    }
}

/// Reads the table at `path` (see [the module](super)) row by row: signals `[N, signal_length]` in µV, the columns of
/// `config.static_columns`, subjects, peaks and truth where the table has them. Without a subject column (under a row split)
/// every row is its own subject.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, else [`Error::Input`] with the row (counted from 1 without the header), the
/// line of the file and the column: a ragged row, text where a number belongs, NaN or infinity, an empty cell that is needed,
/// another sample rate or t0 than the rows before, no row at all.
pub fn read_table(path: &Path, config: &DataConfig, signal_length: usize) -> Result<(Dataset, TableReport)> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let source = path.display().to_string();
    read(file, &source, config, signal_length).map_err(|failure| match failure {
        Failure::Content(error) => error,
        Failure::Read(error) => Error::io("read", path)(error),
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

fn read(file: impl Read, source: &str, config: &DataConfig, length: usize) -> Result<(Dataset, TableReport), Failure> {
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
    let mut rows = Rows::new(&layout, config);
    while reader.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, |position| position.line());
        rows.push(&Row { source, number: rows.subjects.len() + 1, line, record: &record })?;
    }
    let report = TableReport { rows: rows.subjects.len(), used: length, cut: layout.cut };
    Ok((rows.finish(source)?, report))
}

/// One row of the table and where it stands.
struct Row<'a> {
    source: &'a str,
    number: usize,
    line: u64,
    record: &'a ByteRecord,
}

impl Row<'_> {
    fn error(&self, column: Option<&Place>, problem: impl std::fmt::Display, remedy: impl std::fmt::Display) -> Error {
        let column = column.map(|c| format!(", column `{}`", c.name)).unwrap_or_default();
        Error::input(self.source, format!("row {} (line {}){column}", self.number, self.line), problem, remedy)
    }

    fn check_width(&self, width: usize) -> Result<()> {
        let found = self.record.len();
        if found == width {
            return Ok(());
        }
        let problem = format!("{found} values, but the header has {width} columns");
        Err(self.error(
            None,
            problem,
            "give every row a value (or an empty cell) for each column; quote text with commas",
        ))
    }

    fn text(&self, column: &Place) -> Result<&str> {
        std::str::from_utf8(&self.record[column.index])
            .map(str::trim)
            .map_err(|_| self.error(Some(column), "not UTF-8 text", "save the table as UTF-8"))
    }

    /// A finite number, or `None` in an empty cell.
    fn optional<T: num_traits::Float + std::str::FromStr>(&self, column: &Place) -> Result<Option<T>> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<T>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            Ok(_) => Err(self.error(
                Some(column),
                format!("\"{text}\" is not a finite number"),
                "correct the value or remove the row; only the cell of an unlabelled peak may stay empty",
            )),
            Err(_) => {
                let comma = text.contains(',') && text.replace(',', ".").parse::<T>().is_ok();
                let remedy = if comma { "use a decimal point" } else { "write a number, or remove the row" };
                Err(self.error(Some(column), format!("\"{text}\" is not a number"), remedy))
            }
        }
    }

    fn number<T: num_traits::Float + std::str::FromStr>(&self, column: &Place) -> Result<T> {
        self.optional(column)?
            .ok_or_else(|| self.error(Some(column), "empty, but a number is needed", "fill it in, or remove the row"))
    }

    fn samples(&self, columns: &[Place], out: &mut Vec<f32>) -> Result<()> {
        for column in columns {
            let sample: f32 = self.number(column)?;
            if sample.abs() > MAX_SAMPLE_UV {
                let problem = format!("{sample} µV is beyond any recording");
                return Err(self.error(Some(column), problem, "check the value; samples are in microvolts"));
            }
            out.push(sample);
        }
        Ok(())
    }

    fn labels(&self, columns: &[Option<Place>], out: &mut Vec<f32>) -> Result<()> {
        for column in columns {
            let label = column.as_ref().map(|column| self.optional(column)).transpose()?.flatten();
            out.push(label.unwrap_or(f32::NAN));
        }
        Ok(())
    }
}

/// A value that holds for the whole table: from the column, or from the configuration.
struct Constant<'a> {
    key: &'static str,
    column: Option<&'a Place>,
    setting: Option<f64>,
    found: Option<f64>,
}

impl Constant<'_> {
    /// Compares the row's value with the configuration's and the first row's.
    fn push(&mut self, row: &Row) -> Result<()> {
        let Some(column) = self.column else { return Ok(()) };
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
        if !same(first, value) {
            let problem = format!("{value}, but row 1 has {first}");
            return Err(row.error(Some(column), problem, "give one table for each, or resample the recordings first"));
        }
        Ok(())
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
}

impl<'a> Rows<'a> {
    fn new(layout: &'a Layout, config: &DataConfig) -> Self {
        let empty = |encoding: &Encoding| match encoding {
            Encoding::OneHot => Values::Text(Vec::new()),
            Encoding::Standard | Encoding::Log => Values::Number(Vec::new()),
        };
        let constant =
            |key, column: &'a Option<Place>, setting| Constant { key, column: column.as_ref(), setting, found: None };
        Rows {
            layout,
            subject_needed: config.split.needs_subjects(),
            signals: Vec::new(),
            statics: layout.statics.iter().map(|(_, encoding)| empty(encoding)).collect(),
            peaks: Vec::new(),
            subjects: Vec::new(),
            truth: Vec::new(),
            truth_latencies_ms: Vec::new(),
            sample_rate_hz: constant("sample_rate_hz", &layout.sample_rate_hz, config.sample_rate_hz),
            t0_ms: constant("t0_ms", &layout.t0_ms, config.t0_ms),
        }
    }

    fn push(&mut self, row: &Row) -> Result<()> {
        row.check_width(self.layout.width)?;
        self.sample_rate_hz.push(row)?;
        self.t0_ms.push(row)?;
        if let (Some(column), Some(rate)) =
            (self.sample_rate_hz.column, self.sample_rate_hz.found.filter(|r| *r <= 0.0))
        {
            return Err(row.error(
                Some(column),
                format!("{rate} is no sample rate"),
                "give samples per second, above 0",
            ));
        }
        for ((column, _), values) in self.layout.statics.iter().zip(&mut self.statics) {
            match values {
                Values::Number(numbers) => numbers.push(row.number(column)?),
                Values::Text(texts) => texts.push(category(row, column)?),
            }
        }
        self.subjects.push(self.subject(row)?);
        row.samples(&self.layout.samples, &mut self.signals)?;
        row.labels(&self.layout.peaks, &mut self.peaks)?;
        if let Some(truth) = &self.layout.truth {
            row.samples(&truth.samples, &mut self.truth)?;
            row.labels(&truth.latencies_ms, &mut self.truth_latencies_ms)?;
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
        let length = self.layout.samples.len();
        let (truth_signals, truth_latencies_ms) = (self.truth, self.truth_latencies_ms);
        let statics = self.layout.statics.iter().zip(self.statics);
        Ok(Dataset {
            source: source.to_string(),
            signals: matrix(self.signals, length),
            sample_rate_hz: self.sample_rate_hz.value(),
            t0_ms: self.t0_ms.value(),
            statics: statics.map(|((place, _), values)| Column { name: place.name.clone(), values }).collect(),
            peaks: matrix(self.peaks, PEAK_COLUMNS.len()),
            subjects: self.subjects,
            truth: self.layout.truth.as_ref().map(|_| Truth {
                signals: matrix(truth_signals, length),
                latencies_ms: matrix(truth_latencies_ms, WAVES.len()),
            }),
        })
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
