//! The instants of a table, line by line, and the recordings that they make.

use super::names::time_unit;
use super::{Table, is_missing, plain_number, tdt, text, trimmed};
use crate::data::read::{Recording, Source};
use crate::error::Result;
use csv::ByteRecord;

/// Fewer instants than these are no recording.
const FEWEST: usize = 16;
/// No instant lies further than this part of a step from where equal spacing puts it.
const JITTER: f64 = 0.25;

/// One run of rising times.
pub struct Sweep {
    /// The line of its first instant.
    line: usize,
    groups: Vec<String>,
    times: Vec<f64>,
    /// The samples of each instant, in the order of the columns.
    pub samples: Vec<f32>,
}

/// One instant.
pub struct Row<'a> {
    pub table: &'a Table<'a>,
    pub line: usize,
    pub record: &'a ByteRecord,
}

impl Row<'_> {
    pub fn add_to(&self, sweeps: &mut Vec<Sweep>) -> Result<()> {
        let Table { source, names, time, .. } = self.table;
        if self.record.len() != names.len() {
            let problem = format!("{} values, but there are {} columns", self.record.len(), names.len());
            return Err(source.line(self.line, problem));
        }
        let Some(at) = self.number(*time)? else {
            return Err(source.line(self.line, format!("the time in column `{}` is missing", names[*time])));
        };
        let group = |column: usize| trimmed(&self.record[column]).into_owned();
        let groups: Vec<String> = self.table.groups().map(group).collect();
        if let Some(sweep) = sweeps.last_mut() {
            if sweep.groups == groups && self.continues(sweep, at)? {
                return self.add(at, sweep);
            }
            sweep.check_length(source)?;
        }
        let mut sweep = Sweep { line: self.line, groups, times: Vec::new(), samples: Vec::new() };
        self.add(at, &mut sweep)?;
        sweeps.push(sweep);
        Ok(())
    }

    /// Whether a time belongs to a sweep of the same groups, or begins another at the same time as this one did.
    fn continues(&self, sweep: &Sweep, at: f64) -> Result<bool> {
        let (first, last) = (sweep.times[0], sweep.times[sweep.times.len() - 1]);
        let (problem, remedy) = if at > last {
            return Ok(true);
        } else if at == last {
            let remedy = "remove one of the two lines, or tell them apart in a column `trial`";
            (format!("the time {at} stands twice"), remedy)
        } else if at == first {
            return Ok(false);
        } else {
            let remedy = "sort the lines of each recording by time, or tell the recordings apart in a column `trial`";
            (format!("the times fall from {last} to {at}"), remedy)
        };
        Err(self.table.error(self.line, problem, remedy))
    }

    fn add(&self, at: f64, sweep: &mut Sweep) -> Result<()> {
        sweep.times.push(at);
        for column in self.table.signals() {
            sweep.samples.push(self.number(column)?.map_or(f32::NAN, |sample| sample as f32));
        }
        Ok(())
    }

    fn number(&self, column: usize) -> Result<Option<f64>> {
        let cell = trimmed(&self.record[column]);
        if is_missing(&cell) {
            return Ok(None);
        }
        let number = plain_number(&cell, self.table.decimals).and_then(|plain| plain.parse::<f64>().ok());
        number.filter(|number| number.is_finite()).map(Some).ok_or_else(|| {
            let names = &self.table.names;
            let problem =
                format!("`{}` in column `{}` is no number that is clear", text::excerpt(&cell), names[column]);
            self.table.error(self.line, problem, "write a plain number, or leave the cell empty")
        })
    }
}

impl Sweep {
    fn check_length(&self, source: &Source) -> Result<()> {
        let found = self.times.len();
        if found >= FEWEST {
            return Ok(());
        }
        let problem = "time runs down the rows of this table, and the recording that begins here is short";
        Err(source.line(self.line, format!("{problem}: instants: {found}, and at least {FEWEST} are needed")))
    }

    /// The step of the times, which are equally spaced.
    fn step(&self, source: &Source) -> Result<f64> {
        let (n, first) = (self.times.len(), self.times[0]);
        let step = (self.times[n - 1] - first) / (n - 1) as f64;
        let wanted = |i: usize| first + i as f64 * step;
        match (0..n).find(|&i| (self.times[i] - wanted(i)).abs() > JITTER * step) {
            None => Ok(step),
            Some(i) => {
                let problem = format!("the times are not equally spaced: {} should be {}", self.times[i], wanted(i));
                Err(source.error(format_args!("line {}", self.line + i), problem, "resample the table to equal steps"))
            }
        }
    }

    /// Its recordings: one for each column that has samples.
    pub fn finish(self, table: &Table, recordings: &mut Vec<Recording>, notices: &mut Vec<String>) -> Result<()> {
        self.check_length(table.source)?;
        let step = self.step(table.source)?;
        let unit_ms = time_unit(&table.names[table.time]).flatten().unwrap_or_else(|| likely_unit(step, notices));
        let rate = tdt::sample_rate_hz(1000.0 / (step * unit_ms));
        let width = table.signals().count();
        recordings.reserve(width);
        for (i, column) in table.signals().enumerate() {
            let sample = |row: usize| self.samples[row * width + i];
            let length = (0..self.times.len()).rev().find(|&row| !sample(row).is_nan()).map_or(0, |last| last + 1);
            if length == 0 {
                continue;
            }
            let mut recording = Recording::new((0..length).map(sample).collect());
            recording.sample_rate_hz = Some(rounded(rate));
            recording.t0_ms = Some(rounded(self.times[0] * unit_ms));
            table.describe(column, &mut recording)?;
            for (column, value) in table.groups().zip(&self.groups) {
                table.say(self.line, &table.names[column], value, &mut recording)?;
            }
            recordings.push(recording);
        }
        Ok(())
    }
}

/// The unit, in ms, that makes a likely sample rate of a step.
fn likely_unit(step: f64, notices: &mut Vec<String>) -> f64 {
    let (unit_ms, name) = match step {
        step if step < 1e-3 => (1000.0, "seconds"),
        step if step < 1.0 => (1.0, "milliseconds"),
        _ => (1e-3, "microseconds"),
    };
    notices.push(format!("the column of times states no unit; it was taken for {name}, as its step is {step}"));
    unit_ms
}

/// Without the digits that division adds.
fn rounded(value: f64) -> f64 {
    let scale = 10_f64.powi(9 - value.abs().max(1e-9).log10().ceil() as i32);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}
