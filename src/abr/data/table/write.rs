//! Writes recordings as a table that reads back bit for bit.

use crate::data::read::delimited::{io_error, is_formula};
use crate::data::recording::{ColumnOrder, Recording};
use crate::data::{PEAK_COLUMNS, WAVES};
use csv::Writer;
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

/// Writes `subject_id`, `file` (if any recording has one), the metadata columns, `sample_rate_hz`, `t0_ms`, the labels
/// (if there are any), the samples in µV, and the ground truth (if there is any). Unknown values, and the missing
/// samples of shorter recordings, are empty cells. Numbers have the fewest digits that read back to the same bits. Text
/// that a spreadsheet would run as a formula begins with an apostrophe, which reading removes.
///
/// # Errors
/// Errors of the writer.
pub fn write_recordings(recordings: &[Recording], writer: impl Write) -> io::Result<()> {
    let any = |has: &dyn Fn(&Recording) -> bool| recordings.iter().any(has);
    let longest = |of: &dyn Fn(&Recording) -> usize| recordings.iter().map(of).max().unwrap_or(0);
    let mut table = TableWriter {
        writer: Writer::from_writer(writer),
        cell: String::new(),
        file: any(&|r| r.column("file").is_some() || !r.file.is_empty()),
        columns: ColumnOrder::of(recordings, &FIRST),
        labels: if any(&|r| r.peaks.iter().any(|peak| !peak.is_nan())) { &PEAK_COLUMNS } else { &[] },
        samples: longest(&|r| r.samples.len()),
        ground_truth: longest(&|r| r.ground_truth.as_ref().map_or(0, |truth| truth.samples.len())),
    };
    table.header()?;
    recordings.iter().try_for_each(|recording| table.row(recording))?;
    table.writer.flush()
}

struct TableWriter<'a, W: Write> {
    writer: Writer<W>,
    /// Buffer for the text of one cell.
    cell: String,
    file: bool,
    columns: ColumnOrder<'a>,
    labels: &'static [&'static str],
    samples: usize,
    ground_truth: usize,
}

impl<W: Write> TableWriter<'_, W> {
    fn header(&mut self) -> io::Result<()> {
        self.text("subject_id")?;
        if self.file {
            self.text("file")?;
        }
        for i in 0..self.columns.names.len() {
            self.text(self.columns.names[i])?;
        }
        ["sample_rate_hz", "t0_ms"].iter().chain(self.labels).try_for_each(|name| self.text(name))?;
        (0..self.samples).try_for_each(|i| self.text(&format!("s{i}")))?;
        if self.ground_truth > 0 {
            (0..self.ground_truth).try_for_each(|i| self.text(&format!("truth_s{i}")))?;
            WAVES.iter().try_for_each(|wave| self.text(&format!("truth_{wave}_ms")))?;
        }
        self.end_row()
    }

    fn row(&mut self, recording: &Recording) -> io::Result<()> {
        self.text(&recording.subject)?;
        if self.file {
            self.text(recording.column("file").unwrap_or(&recording.file))?;
        }
        self.columns.cells(recording).into_iter().try_for_each(|cell| self.text(cell))?;
        self.number(recording.sample_rate_hz.unwrap_or(f64::NAN))?;
        self.number(recording.t0_ms.unwrap_or(f64::NAN))?;
        recording.peaks[..self.labels.len()].iter().try_for_each(|&peak| self.number(peak))?;
        self.trace(&recording.samples, self.samples)?;
        if self.ground_truth > 0 {
            let (samples, latencies) = match &recording.ground_truth {
                Some(truth) => (&truth.samples[..], &truth.latencies_ms[..]),
                None => Default::default(),
            };
            self.trace(samples, self.ground_truth)?;
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
