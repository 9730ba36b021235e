//! The arrays of an `.npz` file, which grow row by row.

use super::spool::{Spool, SpooledBytes};
use super::write::TableLayout;
use crate::data::read::npy;
use crate::data::recording::{ColumnOrder, Recording};
use crate::data::{PEAK_COLUMNS, WAVES};
use std::io::{self, Seek, Write};
use std::sync::Arc;
use zip::ZipWriter;

/// The header of an array has fewer bytes.
const LONGEST_HEADER: u64 = 1024;

/// Begins an array of `descr` items, which are written after it.
pub fn start<W: Write + Seek>(archive: &mut ZipWriter<W>, name: &str, descr: &str, shape: &[usize]) -> io::Result<()> {
    // `<f4` has 4 bytes, `<U4` four characters of 4 bytes
    let size: u64 = descr[2..].parse().expect("a size");
    let item = if descr.starts_with("<U") { 4 * size } else { size };
    let bytes = shape.iter().fold(item, |bytes, n| bytes.saturating_mul(*n as u64));
    // without a time, so that equal recordings give equal bytes
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .large_file(bytes > u64::from(u32::MAX) - LONGEST_HEADER);
    archive.start_file(format!("{name}.npy"), options)?;
    npy::write_header(archive, descr, shape)
}

/// Adds a trace, padded with NaN to `length` samples.
pub fn add_trace(bytes: &mut Vec<u8>, trace: &[f32], length: usize) {
    let padded = trace.iter().copied().chain(std::iter::repeat(f32::NAN)).take(length);
    bytes.extend(padded.flat_map(f32::to_le_bytes));
}

/// All arrays but the traces, in their order.
pub struct SpooledArrays {
    rows: usize,
    /// The noise-free traces with their samples, and the wave latencies.
    ground_truth: Option<(usize, SpooledNumbers, [SpooledNumbers; WAVES.len()])>,
    subject_id: SpooledCells,
    file: SpooledCells,
    sample_rate_hz: SpooledNumbers,
    t0_ms: SpooledNumbers,
    peaks: [SpooledNumbers; PEAK_COLUMNS.len()],
    columns: Vec<SpooledCells>,
    /// The names of `columns`.
    order: ColumnOrder,
}

/// An array of numbers.
struct SpooledNumbers {
    name: String,
    items: SpooledBytes,
    has_values: bool,
}

/// An array of texts, each stored as its length in bytes (`u32`) and its UTF-8.
struct SpooledCells {
    name: Arc<str>,
    items: SpooledBytes,
    /// The most characters of a cell.
    width: usize,
    /// Whether each cell is empty or a number that reads back to the same text.
    are_numbers: bool,
}

impl SpooledArrays {
    pub fn new(layout: &TableLayout) -> SpooledArrays {
        let truth = |samples| {
            (samples, SpooledNumbers::new("truth"), WAVES.map(|wave| SpooledNumbers::new(&format!("truth_{wave}_ms"))))
        };
        SpooledArrays {
            rows: 0,
            ground_truth: layout.ground_truth.map(truth),
            subject_id: SpooledCells::new("subject_id".into()),
            file: SpooledCells::new("file".into()),
            sample_rate_hz: SpooledNumbers::new("sample_rate_hz"),
            t0_ms: SpooledNumbers::new("t0_ms"),
            peaks: PEAK_COLUMNS.map(SpooledNumbers::new),
            columns: Vec::new(),
            order: ColumnOrder::default(),
        }
    }

    /// Adds a recording without its trace.
    pub fn add(&mut self, recording: &Recording) {
        if let Some((samples, truth, latencies)) = &mut self.ground_truth {
            let known = recording.ground_truth.as_deref();
            add_trace(&mut truth.items.last, known.map_or(&[], |truth| &truth.samples), *samples);
            for (i, latency) in latencies.iter_mut().enumerate() {
                latency.add(known.map_or(f32::NAN, |truth| truth.latencies_ms[i]).to_le_bytes());
            }
        }
        self.subject_id.add(&recording.subject);
        self.file.add(recording.column("file").unwrap_or(&recording.file));
        self.sample_rate_hz.add(recording.sample_rate_hz.unwrap_or(f64::NAN).to_le_bytes());
        self.t0_ms.add(recording.t0_ms.unwrap_or(f64::NAN).to_le_bytes());
        for (array, peak) in self.peaks.iter_mut().zip(recording.peaks) {
            array.add(peak.to_le_bytes());
            array.has_values |= !peak.is_nan();
        }
        self.order.add(recording);
        for name in &self.order.names[self.columns.len()..] {
            let mut column = SpooledCells::new(name.clone());
            (0..self.rows).for_each(|_| column.add(""));
            self.columns.push(column);
        }
        for (column, cell) in self.columns.iter_mut().zip(self.order.cells(recording)) {
            column.add(cell);
        }
        self.rows += 1;
    }

    /// What is stored of each array.
    pub fn items(&mut self) -> impl Iterator<Item = &mut SpooledBytes> {
        let truth = self.ground_truth.iter_mut().flat_map(|(_, truth, latencies)| latencies.iter_mut().chain([truth]));
        let numbers = truth.chain([&mut self.sample_rate_hz, &mut self.t0_ms]).chain(&mut self.peaks);
        let texts = self.columns.iter_mut().chain([&mut self.subject_id, &mut self.file]);
        numbers.map(|array| &mut array.items).chain(texts.map(|cells| &mut cells.items))
    }

    /// Writes the arrays.
    pub fn write<W: Write + Seek>(self, spool: &mut Spool, archive: &mut ZipWriter<W>) -> io::Result<()> {
        let rows = self.rows;
        if let Some((samples, truth, latencies)) = self.ground_truth {
            truth.write("<f4", &[rows, samples], spool, archive)?;
            latencies.into_iter().try_for_each(|latency| latency.write("<f4", &[rows], spool, archive))?;
        }
        self.subject_id.write_texts(rows, spool, archive)?;
        if self.file.width > 0 {
            self.file.write_texts(rows, spool, archive)?;
        }
        self.sample_rate_hz.write("<f8", &[rows], spool, archive)?;
        self.t0_ms.write("<f8", &[rows], spool, archive)?;
        let labelled = self.peaks.into_iter().filter(|array| array.has_values);
        labelled.into_iter().try_for_each(|array| array.write("<f4", &[rows], spool, archive))?;
        self.columns.into_iter().try_for_each(|column| match column.are_numbers {
            true => column.write_numbers(rows, spool, archive),
            false => column.write_texts(rows, spool, archive),
        })
    }
}

impl SpooledNumbers {
    fn new(name: &str) -> SpooledNumbers {
        SpooledNumbers { name: name.to_string(), items: SpooledBytes::default(), has_values: false }
    }

    fn add<const BYTES: usize>(&mut self, item: [u8; BYTES]) {
        self.items.last.extend(item);
    }

    fn write<W: Write + Seek>(
        self,
        descr: &str,
        shape: &[usize],
        spool: &mut Spool,
        archive: &mut ZipWriter<W>,
    ) -> io::Result<()> {
        start(archive, &self.name, descr, shape)?;
        spool.read(self.items, |items| archive.write_all(items))
    }
}

impl SpooledCells {
    fn new(name: Arc<str>) -> SpooledCells {
        SpooledCells { name, items: SpooledBytes::default(), width: 0, are_numbers: true }
    }

    fn add(&mut self, cell: &str) {
        self.items.last.extend((cell.len() as u32).to_le_bytes());
        self.items.last.extend(cell.as_bytes());
        self.width = self.width.max(cell.chars().count());
        self.are_numbers = self.are_numbers && (cell.is_empty() || number(cell).is_some());
    }

    /// Writes them as numbers, NaN for an empty cell.
    fn write_numbers<W: Write + Seek>(
        self,
        rows: usize,
        spool: &mut Spool,
        archive: &mut ZipWriter<W>,
    ) -> io::Result<()> {
        start(archive, &self.name, "<f8", &[rows])?;
        let items = |cell: &str, to: &mut Vec<u8>| to.extend(number(cell).unwrap_or(f64::NAN).to_le_bytes());
        write_cells(self.items, spool, archive, items)
    }

    fn write_texts<W: Write + Seek>(
        self,
        rows: usize,
        spool: &mut Spool,
        archive: &mut ZipWriter<W>,
    ) -> io::Result<()> {
        let width = self.width.max(1);
        start(archive, &self.name, &format!("<U{width}"), &[rows])?;
        let items = |cell: &str, to: &mut Vec<u8>| {
            let padded = cell.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
            to.extend(padded.flat_map(u32::to_le_bytes));
        };
        write_cells(self.items, spool, archive, items)
    }
}

/// Writes what `items` makes of each cell.
fn write_cells(
    cells: SpooledBytes,
    spool: &mut Spool,
    archive: &mut impl Write,
    items: impl Fn(&str, &mut Vec<u8>),
) -> io::Result<()> {
    let mut bytes = Vec::new();
    spool.read(cells, |mut part| {
        bytes.clear();
        while let Some((length, rest)) = part.split_first_chunk() {
            let (cell, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
            items(std::str::from_utf8(cell).map_err(io::Error::other)?, &mut bytes);
            part = rest;
        }
        archive.write_all(&bytes)
    })
}

/// The number that reads back to the same text.
fn number(cell: &str) -> Option<f64> {
    cell.parse::<f64>().ok().filter(|value| value.is_finite() && value.to_string() == cell)
}
