//! A [`Dataset`] as a table that [`read_table`](super::read_table) reads back bit for bit.

use super::io_error;
use crate::data::{Column, Dataset, PEAK_COLUMNS, Truth, Values, WAVES};
use csv::Writer;
use std::fmt::Display;
use std::io::{self, Write};

/// Writes `subject_id`, `sample_rate_hz`, `t0_ms`, the static columns, the `extra` columns, the peak labels (if any row has
/// one), the samples, and the truth (if known). Numbers have the fewest digits that read back to the same bits; NaN is an
/// empty cell.
///
/// # Errors
/// The writer's.
///
/// # Panics
/// If an extra column has another number of rows than the data.
pub fn write_table(dataset: &Dataset, extra: &[Column], writer: impl Write) -> io::Result<()> {
    assert!(extra.iter().all(|c| c.values.len() == dataset.len()), "an extra column has a value a row");
    let labelled = dataset.peaks.iter().any(|v| !v.is_nan());
    let mut table = Table { writer: Writer::from_writer(writer), cell: String::new() };
    table.header(dataset, extra, labelled)?;
    for row in 0..dataset.len() {
        table.text(&dataset.subjects[row])?;
        table.number(dataset.sample_rate_hz)?;
        table.number(dataset.t0_ms)?;
        for column in dataset.statics.iter().chain(extra) {
            match &column.values {
                Values::Number(values) => table.number(values[row])?,
                Values::Text(values) => table.text(&values[row])?,
            }
        }
        if labelled {
            table.numbers(dataset.peaks.row(row))?;
        }
        table.numbers(dataset.signals.row(row))?;
        if let Some(Truth { signals, latencies_ms }) = &dataset.truth {
            table.numbers(signals.row(row))?;
            table.numbers(latencies_ms.row(row))?;
        }
        table.end_row()?;
    }
    table.writer.flush()
}

struct Table<W: Write> {
    writer: Writer<W>,
    cell: String,
}

impl<W: Write> Table<W> {
    fn header(&mut self, dataset: &Dataset, extra: &[Column], labelled: bool) -> io::Result<()> {
        let names = ["subject_id", "sample_rate_hz", "t0_ms"].into_iter();
        let names = names.chain(dataset.statics.iter().chain(extra).map(|c| c.name.as_str()));
        for name in names.chain(PEAK_COLUMNS.into_iter().filter(|_| labelled)) {
            self.text(name)?;
        }
        for i in 0..dataset.signals.ncols() {
            self.text(&format!("s{i}"))?;
        }
        if let Some(truth) = &dataset.truth {
            for i in 0..truth.signals.ncols() {
                self.text(&format!("truth_s{i}"))?;
            }
            for wave in WAVES {
                self.text(&format!("truth_{wave}_ms"))?;
            }
        }
        self.end_row()
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_field(text).map_err(io_error)
    }

    /// Rust prints a float with the fewest digits that parse to the same bits.
    fn number(&mut self, value: impl num_traits::Float + Display) -> io::Result<()> {
        use std::fmt::Write;
        self.cell.clear();
        if !value.is_nan() {
            write!(self.cell, "{value}").map_err(io::Error::other)?;
        }
        self.writer.write_field(&self.cell).map_err(io_error)
    }

    fn numbers(&mut self, values: ndarray::ArrayView1<f32>) -> io::Result<()> {
        values.iter().try_for_each(|&value| self.number(value))
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.writer.write_record(None::<&[u8]>).map_err(io_error)
    }
}
