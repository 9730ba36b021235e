//! Reads a table with one row per recording row by row: the project's own, and those of recorders with numbered
//! samples.
//!
//! Missing samples (empty, `NA`, `NaN`) at the end of a row mean a shorter recording. A missing sample before others
//! becomes NaN, and the caller reports or refuses it.

mod cells;
mod notes;

use super::columns::{ColumnKind, FEWEST_NUMBERED, Naming, TableColumns};
use super::delimited::{self, Decimals, DelimitedTable, Record, TextRecord};
use super::vocabulary;
use super::{AtEnd, Notices, Recording, SourceFile, TableStream, tdt, text, units};
use crate::config::Unit;
use crate::data::WAVES;
use crate::data::recording::{Faulty, GroundTruth};
use crate::error::{Error, Result};
use notes::TableNotes;
use std::sync::Arc;

/// Opens a table of recordings.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] for its column names (see [`TableColumns::of`]) or for a file without a table.
pub fn open(source: SourceFile, naming: impl Fn(Naming) -> bool) -> Result<TableStream> {
    let Some(layout) = Naming::find(source.head(), naming) else {
        return Err(source.line(1, "the column names are missing"));
    };
    let mut table = layout.open(&source)?;
    let mut record = Record::default();
    table.next(&source, &mut record)?;
    let naming = Naming::of(record.iter().map(delimited::trimmed)).unwrap_or(Naming::Own);
    let columns =
        TableColumns::of(record, naming).map_err(|(problem, remedy)| source.error("header", problem, remedy))?;
    let names_subjects = columns.kinds.contains(&ColumnKind::Subject);
    let (notices, at_end) = (Notices::default(), AtEnd::default());
    if let Some((line, name, response)) =
        vocabulary::other_test(&layout.preamble(&source)?, &[',', ';', '\t', ':', '='])
    {
        at_end.borrow_mut().not_abr = Some(format!("line {line}: `{name}` names {response}"));
        return Ok(TableStream { rows: Box::new(std::iter::empty()), names_subjects, notices, at_end });
    }
    let tests = (0..columns.names.len()).filter(|&column| vocabulary::names_test(&columns.names.get(column))).collect();
    let is_id = |&column: &usize| {
        columns.kinds[column] == ColumnKind::Subject && columns.names.get(column).eq_ignore_ascii_case("id")
    };
    let lone_id = (0..columns.names.len()).find(is_id);
    let unit = units::of_table(&source, &layout, columns.names.iter())?;
    let (file, decimals) = (source.file_name().into(), table.decimals);
    let context = TableContext { file, source, columns, tests, lone_id, naming, unit, decimals };
    let (notices_of_rows, end) = (notices.clone(), at_end.clone());
    let rows = TableRows {
        context,
        table,
        cells: Record::default(),
        notes: TableNotes::default(),
        notices: notices_of_rows,
        at_end: end,
    };
    Ok(TableStream { rows: Box::new(rows), names_subjects, notices, at_end })
}

/// The context that all rows of a table share.
struct TableContext {
    source: SourceFile,
    file: Arc<str>,
    columns: TableColumns,
    /// The columns that name the kind of test.
    tests: Vec<usize>,
    /// The subject column, if its name is `ID`: it may number the rows instead.
    lone_id: Option<usize>,
    naming: Naming,
    /// The unit of all samples, if the lines above the rows state it.
    unit: Option<Unit>,
    decimals: Decimals,
}

struct TableRows {
    context: TableContext,
    table: DelimitedTable,
    cells: Record,
    notes: TableNotes,
    notices: Notices,
    at_end: AtEnd,
}

impl Iterator for TableRows {
    type Item = Result<Recording, Faulty>;

    fn next(&mut self) -> Option<Result<Recording, Faulty>> {
        loop {
            let line = match self.table.next(&self.context.source, &mut self.cells) {
                Ok(Some(line)) => line,
                Ok(None) => {
                    self.finish();
                    return None;
                }
                Err(error) => return Some(Err(error.into())),
            };
            let (cells, odd) = std::mem::take(&mut self.cells).into_text();
            let row = TableRow { context: &self.context, row: self.notes.rows + 1, line, cells: &cells };
            let other = row.other_response();
            let read = other.is_none().then(|| row.recording(&mut self.notes));
            self.cells = cells.into_record();
            if let Some(read) = read {
                self.notes.rows += 1;
                if let (Some(_), Ok(recording)) = (self.context.lone_id, &read) {
                    self.notes.note_id(recording);
                }
                self.notes.odd_cells += odd;
                return Some(read);
            }
            self.notes.others += 1;
            self.notes.other = self.notes.other.take().or(other);
        }
    }
}

impl TableRows {
    fn finish(&mut self) {
        let notes = std::mem::take(&mut self.notes);
        let mut at_end = self.at_end.borrow_mut();
        at_end.doubt = notes.doubt(&self.context);
        match notes.rows {
            0 => at_end.not_abr = notes.other,
            _ => notes.notices(&self.context).into_iter().for_each(|notice| self.notices.push(notice)),
        }
    }
}

/// One row, with its position.
struct TableRow<'a> {
    context: &'a TableContext,
    /// Counted from 1, without the header.
    row: usize,
    line: usize,
    cells: &'a TextRecord,
}

impl TableRow<'_> {
    /// Reads the recording. On a fault, the error contains all that the other cells state.
    fn recording(&self, notes: &mut TableNotes) -> Result<Recording, Faulty> {
        self.check_width()?;
        let columns = &self.context.columns;
        let mut recording =
            Recording { file: self.context.file.clone(), line: Some(self.line), ..Recording::new(Vec::new()) };
        if !columns.ground_truth.is_empty() {
            recording.ground_truth =
                Some(Box::new(GroundTruth { samples: Vec::new(), latencies_ms: [f32::NAN; WAVES.len()] }));
        }
        recording.columns.reserve_exact(columns.names.len() - columns.samples.len() - columns.ground_truth.len());
        let mut fault: Option<(Error, Option<Arc<str>>)> = None;
        for (column, kind) in columns.kinds.iter().enumerate() {
            if !matches!(kind, ColumnKind::Sample(_) | ColumnKind::TruthSample(_) | ColumnKind::Nothing)
                && let Err(error) = self.take(column, kind, &mut recording, notes)
            {
                fault.get_or_insert((error, kind.name()));
            }
        }
        let traces = |recording: &mut Recording| self.traces(recording).and_then(|()| self.convert(recording));
        match fault.map_or_else(|| traces(&mut recording).map_err(|error| (error, None)), Err) {
            Ok(()) => Ok(recording),
            Err((error, column)) => {
                Err(Faulty { error: Box::new(error), column, recording: Some(Box::new(recording)) })
            }
        }
    }

    /// The line, column and name of another response than an ABR, if a cell names one.
    fn other_response(&self) -> Option<String> {
        self.context.tests.iter().find_map(|&column| {
            let response = vocabulary::other_response_in_note(self.cells.get(column)?)?;
            Some(format!("line {}: column `{}` names {response}", self.line, self.context.columns.names.get(column)))
        })
    }

    fn traces(&self, recording: &mut Recording) -> Result<()> {
        recording.samples = self.trace(&self.context.columns.samples)?;
        if let Some(truth) = &mut recording.ground_truth {
            truth.samples = self.trace(&self.context.columns.ground_truth)?;
        }
        let found = recording.samples.len();
        if self.context.naming == Naming::Own || found >= FEWEST_NUMBERED {
            return Ok(());
        }
        let problem = format!("there should be {FEWEST_NUMBERED} samples or more, but there are {found}");
        Err(self.error(None, problem, "leave the row out, or check its cells"))
    }

    /// Converts the samples to µV from the unit that the row or the table states.
    fn convert(&self, recording: &mut Recording) -> Result<()> {
        let unit = recording.unit.or(self.context.unit);
        let TableColumns { kinds, names, .. } = &self.context.columns;
        // an amplitude column without a unit
        let bare = |(column, kind): &(usize, &ColumnKind)| {
            matches!(kind, ColumnKind::Peak(_, None)) && !delimited::is_missing(self.text(*column))
        };
        if let Some(other) = unit.filter(|unit| *unit != Unit::Microvolt)
            && let Some((column, _)) = kinds.iter().enumerate().find(bare)
        {
            let problem = format!("the unit {other} is stated, but not whether this label is in it");
            let remedy = format!("write the label's unit into its name: `{} (uV)`", names.get(column));
            return Err(self.error(Some(column), problem, remedy));
        }
        recording.convert_from(unit);
        Ok(())
    }

    /// The unit in a row's cell.
    fn unit(&self, column: usize, cell: &str) -> Result<Option<Unit>> {
        if delimited::is_missing(cell) {
            return Ok(None);
        }
        let place =
            format!("row {} (line {}), column `{}`", self.row, self.line, self.context.columns.names.get(column));
        let unit = units::parse(cell).ok_or_else(|| units::unknown(&self.context.source, &place, cell))?;
        match self.context.unit.filter(|table| *table != unit) {
            Some(table) => {
                let problem = format!("the samples are in {unit}, but a line above states {table}");
                Err(self.error(Some(column), problem, "correct or remove the one that is wrong"))
            }
            None => Ok(Some(unit)),
        }
    }

    fn check_width(&self) -> Result<()> {
        let (found, wanted) = (self.cells.width(), self.context.columns.names.len());
        // trailing separators are harmless in a recorder's table
        let surplus = self.cells.from(wanted).any(|cell| !cell.trim_ascii().is_empty());
        if found == wanted || (found > wanted && !surplus && self.context.naming != Naming::Own) {
            return Ok(());
        }
        let problem = format!("{found} values, but the header has {wanted} columns");
        let remedy = "give every row a value (or an empty cell) for each column; quote text that holds the separator";
        Err(match found == wanted + 1 {
            true => {
                self.error(None, problem, format!("{remedy}; R writes a name for its row numbers with col.names=NA"))
            }
            false => self.error(None, problem, remedy),
        })
    }

    /// The samples in `columns`, up to the last one that is not missing.
    fn trace(&self, columns: &[u32]) -> Result<Vec<f32>> {
        let missing = |column: &&u32| delimited::is_missing(self.text(**column as usize));
        let length = columns.len() - columns.iter().rev().take_while(missing).count();
        columns[..length].iter().map(|&column| Ok(self.number(column as usize)?.unwrap_or(f32::NAN))).collect()
    }

    fn take(&self, column: usize, kind: &ColumnKind, recording: &mut Recording, notes: &mut TableNotes) -> Result<()> {
        let cell = text::known(self.text(column));
        match kind {
            ColumnKind::Subject => recording.subject = cell.to_string(),
            ColumnKind::SampleRateHz => recording.sample_rate_hz = self.positive(column, "sample rate")?,
            ColumnKind::SamplePeriodUs => {
                let period_us = self.positive(column, "sampling period")?;
                recording.sample_rate_hz = period_us.map(|us| tdt::sample_rate_hz(1e6 / us));
            }
            ColumnKind::T0Ms => recording.t0_ms = self.number(column)?,
            ColumnKind::OnsetDelayMs => match self.number(column)? {
                Some(0.0) => recording.t0_ms = Some(0.0),
                Some(delay_ms) => notes.delays_ms.push(delay_ms),
                None => {}
            },
            ColumnKind::Peak(peak, factor) => {
                recording.peaks[*peak] = self.label(column, factor.unwrap_or(1.0))?;
                recording.unitless[*peak] = factor.is_none();
            }
            ColumnKind::TruthLatency(wave) => {
                if let Some(truth) = &mut recording.ground_truth {
                    truth.latencies_ms[*wave] = self.number::<f32>(column)?.unwrap_or(f32::NAN);
                }
            }
            ColumnKind::Unit => recording.unit = self.unit(column, cell)?,
            ColumnKind::Ear => push(recording, "ear", tdt::ear(cell).unwrap_or(cell)),
            ColumnKind::Number(name) => {
                let level = text::level(cell).filter(|_| name.ends_with("_db"));
                let value = match level {
                    Some(level) => Some(level),
                    None if *name == "rate_hz" => self.not_negative(column)?,
                    None => self.number::<f64>(column)?,
                };
                push(recording, name, value.map_or(String::new(), |value| value.to_string()));
            }
            ColumnKind::Frequency(unit) => self.frequency(column, *unit, cell, recording)?,
            ColumnKind::Other(name) => {
                let plain = self.plain(column, cell)?;
                let value = if self.context.naming == Naming::Own { plain.into_owned() } else { text::tidy(&plain) };
                recording.columns.push((name.clone(), value));
            }
            ColumnKind::Sample(_) | ColumnKind::TruthSample(_) | ColumnKind::Nothing => {}
        }
        Ok(())
    }
}

/// Adds a column even without a value: all rows of a table have all its columns.
fn push(recording: &mut Recording, name: &str, value: impl Into<String>) {
    recording.columns.push((name.into(), value.into()));
}
