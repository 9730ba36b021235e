//! Writes recordings as a table that reads back bit for bit.

use crate::data::read::delimited::{io_error, is_formula};
use crate::data::recording::{ColumnOrder, Recording};
use crate::data::{PEAK_COLUMNS, WAVES};
use crate::error::Result;
use crate::files::WriteError;
use csv::Writer;
use std::borrow::Borrow;
use std::fmt::Display;
use std::io::{self, Write};

/// Columns that come first, in this order. Others follow in order of appearance.
const FIRST: [&str; 10] = [
    "ear",
    "channel",
    "frequency_hz",
    "level_db",
    "rate_hz",
    "n_averages",
    "n_artifacts",
    "polarity",
    "threshold_db",
    "record",
];

/// What the rows of a table have in common: it is known before the first one is written.
#[derive(Debug, Clone)]
pub struct TableLayout {
    /// The number of rows.
    pub rows: usize,
    /// Whether there is a column for the file.
    file: bool,
    /// The other columns, in their order.
    columns: ColumnOrder,
    /// Whether a peak is labelled.
    labelled: bool,
    /// The samples of the longest row.
    pub(super) samples: usize,
    /// The samples of the longest ground truth, if there is one.
    pub(super) ground_truth: Option<usize>,
}

impl TableLayout {
    /// The layout of these recordings.
    pub fn of(recordings: &[Recording]) -> TableLayout {
        let any = |has: &dyn Fn(&Recording) -> bool| recordings.iter().any(has);
        TableLayout {
            rows: recordings.len(),
            file: any(&|r| r.column("file").is_some() || !r.file.is_empty()),
            columns: ColumnOrder::of(recordings, &FIRST),
            labelled: any(&|r| r.peaks.iter().any(|peak| !peak.is_nan())),
            samples: recordings.iter().map(|r| r.samples.len()).max().unwrap_or(0),
            ground_truth: recordings.iter().filter_map(|r| Some(r.ground_truth.as_ref()?.samples.len())).max(),
        }
    }

    /// The layout of this many rows like these.
    pub fn of_rows(self, rows: usize) -> TableLayout {
        TableLayout { rows, ..self }
    }
}

/// Writes `subject_id`, `file` (if any recording has one), the metadata columns, `sample_rate_hz`, `t0_ms`, the labels
/// (if there are any), the samples in µV, and the ground truth (if there is any). Unknown values, and the missing
/// samples of shorter recordings, are empty cells. Numbers have the fewest digits that read back to the same bits. Text
/// that a spreadsheet would run as a formula begins with an apostrophe, which reading removes.
///
/// # Errors
/// Errors of the writer.
pub fn write_recordings(recordings: &[Recording], writer: impl Write) -> io::Result<()> {
    match write_rows(&TableLayout::of(recordings), recordings.iter().map(Ok), writer) {
        Err(WriteError::File(error)) => Err(error),
        Err(WriteError::Content(error)) => Err(io::Error::other(error.to_string())),
        Ok(()) => Ok(()),
    }
}

/// [`write_recordings`] of rows as they are made.
///
/// # Errors
/// Errors of the rows, and of the writer.
pub fn write_rows<R: Borrow<Recording>>(
    layout: &TableLayout,
    mut rows: impl Iterator<Item = Result<R>>,
    writer: impl Write,
) -> Result<(), WriteError> {
    let labels: &[&str] = if layout.labelled { &PEAK_COLUMNS } else { &[] };
    let mut table = TableWriter { writer: Writer::from_writer(writer), cell: String::new(), layout, labels };
    table.header()?;
    rows.try_for_each(|row| Ok::<_, WriteError>(table.row(row?.borrow())?))?;
    Ok(table.writer.flush()?)
}

struct TableWriter<'a, W: Write> {
    writer: Writer<W>,
    /// Buffer for the text of one cell.
    cell: String,
    layout: &'a TableLayout,
    labels: &'static [&'static str],
}

impl<W: Write> TableWriter<'_, W> {
    fn header(&mut self) -> io::Result<()> {
        self.text("subject_id")?;
        let layout = self.layout;
        if layout.file {
            self.text("file")?;
        }
        layout.columns.names.iter().try_for_each(|name| self.text(name))?;
        ["sample_rate_hz", "t0_ms"].iter().chain(self.labels).try_for_each(|name| self.text(name))?;
        (0..layout.samples).try_for_each(|i| self.text(&format!("s{i}")))?;
        if let Some(samples) = layout.ground_truth.filter(|samples| *samples > 0) {
            (0..samples).try_for_each(|i| self.text(&format!("truth_s{i}")))?;
            WAVES.iter().try_for_each(|wave| self.text(&format!("truth_{wave}_ms")))?;
        }
        self.end_row()
    }

    fn row(&mut self, recording: &Recording) -> io::Result<()> {
        let layout = self.layout;
        self.text(&recording.subject)?;
        if layout.file {
            self.text(recording.column("file").unwrap_or(&recording.file))?;
        }
        layout.columns.cells(recording).into_iter().try_for_each(|cell| self.text(cell))?;
        self.number(recording.sample_rate_hz.unwrap_or(f64::NAN))?;
        self.number(recording.t0_ms.unwrap_or(f64::NAN))?;
        recording.peaks[..self.labels.len()].iter().try_for_each(|&peak| self.number(peak))?;
        self.trace(&recording.samples, layout.samples)?;
        if let Some(samples) = layout.ground_truth.filter(|samples| *samples > 0) {
            let (truth, latencies) = match &recording.ground_truth {
                Some(truth) => (&truth.samples[..], &truth.latencies_ms[..]),
                None => Default::default(),
            };
            self.trace(truth, samples)?;
            self.trace(latencies, WAVES.len())?;
        }
        self.end_row()
    }

    /// Writes numbers, then empty cells up to `width`.
    fn trace(&mut self, values: &[f32], width: usize) -> io::Result<()> {
        values.iter().try_for_each(|&value| self.number(value))?;
        (values.len()..width).try_for_each(|_| self.text(""))
    }

    /// Writes a text, marked as such if a spreadsheet would run it.
    fn text(&mut self, text: &str) -> io::Result<()> {
        match is_formula(text) {
            true => self.writer.write_field(format!("'{text}")),
            false => self.writer.write_field(text),
        }
        .map_err(io_error)
    }

    /// Writes a number with the fewest digits that parse to the same bits, as Rust does. NaN becomes an empty cell.
    fn number(&mut self, value: impl num_traits::Float + Display) -> io::Result<()> {
        use std::fmt::Write;
        self.cell.clear();
        if !value.is_nan() {
            write!(self.cell, "{value}").map_err(io::Error::other)?;
        }
        self.writer.write_field(&self.cell).map_err(io_error)
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.writer.write_record(None::<&[u8]>).map_err(io_error)
    }
}

#[cfg(test)]
mod tests;
