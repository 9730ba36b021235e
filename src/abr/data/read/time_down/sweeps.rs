//! Collects the instants of a table, line by line, into recordings.

use super::names::time_unit;
use super::{TimeDownTable, is_missing, plain_number, tdt, text, trimmed};
use crate::data::read::delimited::Record;
use crate::data::read::{Recording, SourceFile};
use crate::error::Result;

/// The fewest instants in a recording.
pub const FEWEST: usize = 16;
/// The largest deviation of an instant from equal spacing, as a fraction of a step.
const JITTER: f64 = 0.25;

/// A run of rising times.
pub struct Sweep {
    /// The line of each instant.
    pub lines: Vec<usize>,
    pub groups: Vec<String>,
    times: Vec<f64>,
    /// The samples of each instant, column by column.
    pub samples: Vec<f32>,
}

/// One instant: a line of the table.
pub struct TimeDownRow<'a> {
    pub table: &'a TimeDownTable<'a>,
    pub line: usize,
    pub record: &'a Record,
}

impl TimeDownRow<'_> {
    pub fn add_to(&self, sweeps: &mut Vec<Sweep>) -> Result<()> {
        let TimeDownTable { source, names, time, .. } = self.table;
        if self.record.width() != names.len() {
            let problem = format!("{} values, but there are {} columns", self.record.width(), names.len());
            return Err(source.line(self.line, problem));
        }
        let Some(at) = self.number(*time)? else {
            return Err(source.line(self.line, format!("the time in column `{}` is missing", names[*time])));
        };
        let group = |column: usize| trimmed(&self.record[column]).into_owned();
        let groups: Vec<String> = self.table.groups.iter().copied().map(group).collect();
        if let Some(sweep) = sweeps.last_mut() {
            if sweep.groups == groups && self.continues(sweep, at)? {
                return self.add(at, sweep);
            }
            sweep.check_length(source)?;
        }
        let mut sweep = Sweep { lines: Vec::new(), groups, times: Vec::new(), samples: Vec::new() };
        self.add(at, &mut sweep)?;
        sweeps.push(sweep);
        Ok(())
    }

    /// Whether a time continues a sweep of the same groups. A time equal to the sweep's first one begins a new sweep.
    fn continues(&self, sweep: &Sweep, at: f64) -> Result<bool> {
        let (first, last) = (sweep.times[0], sweep.times[sweep.times.len() - 1]);
        let (problem, remedy) = if at > last {
            return Ok(true);
        } else if at == last {
            let remedy = "remove one of the two lines, or distinguish them by a column `trial`";
            (format!("the time {at} is there twice"), remedy)
        } else if at == first {
            return Ok(false);
        } else {
            let remedy = "sort the lines of each recording by time, or distinguish the recordings by a column `trial`";
            (format!("the times fall from {last} to {at}"), remedy)
        };
        Err(self.table.error(self.line, problem, remedy))
    }

    fn add(&self, at: f64, sweep: &mut Sweep) -> Result<()> {
        sweep.times.push(at);
        sweep.lines.push(self.line);
        for (column, _) in self.table.signals() {
            let sample = self.number(column)?.map_or(f32::NAN, |sample| sample as f32);
            if sample.is_infinite() {
                let problem = format!("a sample in column `{}` is above 1e38", self.table.names[column]);
                return Err(self.table.error(self.line, problem, "correct it, or leave the cell empty"));
            }
            sweep.samples.push(sample);
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
            let problem = format!("`{}` in column `{}` is not a clear number", text::excerpt(&cell), names[column]);
            let is_text = cell.contains(char::is_alphabetic);
            let remedy = match is_text {
                true => "if the column contains words, remove it or name it `condition`; leave an unknown sample empty",
                false => "write a plain number, or leave the cell empty",
            };
            self.table.error(self.line, problem, remedy)
        })
    }
}

impl Sweep {
    fn check_length(&self, source: &SourceFile) -> Result<()> {
        let found = self.times.len();
        if found >= FEWEST {
            return Ok(());
        }
        let problem = "time runs down the rows of this table, and the recording that begins here is short";
        Err(source.line(self.lines[0], format!("{problem}: instants: {found}, and at least {FEWEST} are needed")))
    }

    /// The time step. Unequal spacing is an error.
    fn step(&self, source: &SourceFile) -> Result<f64> {
        match uneven(&self.times) {
            None => Ok(mean_step(&self.times)),
            Some((i, wanted)) => {
                let (found, wanted) = (self.times[i], rounded(wanted));
                let problem = format!("the times are not equally spaced: {found} should be {wanted}");
                Err(source.error(format_args!("line {}", self.lines[i]), problem, "resample the table to equal steps"))
            }
        }
    }

    /// Makes a recording of each column with samples, without those of other responses.
    pub fn finish(
        self,
        table: &TimeDownTable,
        recordings: &mut Vec<Recording>,
        others: &mut Vec<String>,
        notices: &mut Vec<String>,
    ) -> Result<()> {
        self.check_length(table.source)?;
        let step = self.step(table.source)?;
        let unit_ms = match time_unit(&table.names[table.time]).flatten() {
            Some(unit_ms) => unit_ms,
            None => {
                table.refuse_counts(step)?;
                let (unit_ms, name) = likely_unit(step);
                let notice = "the column of times states no unit; it was taken for";
                notices.push(format!("{notice} {name}, as its step is {}", rounded(step)));
                unit_ms
            }
        };
        let rate = tdt::sample_rate_hz(1000.0 / (step * unit_ms));
        let width = table.signals().count();
        recordings.reserve(width);
        for (i, (column, named)) in table.signals().enumerate() {
            let sample = |row: usize| self.samples[row * width + i];
            let length = (0..self.times.len()).rev().find(|&row| !sample(row).is_nan()).map_or(0, |last| last + 1);
            if length == 0 {
                continue;
            }
            if let Some(other) = table.other_response(column, &self) {
                others.push(other);
                continue;
            }
            let mut recording = Recording::new((0..length).map(sample).collect());
            recording.sample_rate_hz = Some(rounded(rate));
            recording.t0_ms = Some(rounded(self.times[0] * unit_ms));
            table.describe(column, named, &mut recording)?;
            for (column, value) in table.groups.iter().copied().zip(&self.groups) {
                table.add_value(self.lines[0], &table.names[column], value, &mut recording)?;
            }
            table.name_channel(named, &mut recording);
            recordings.push(recording);
        }
        Ok(())
    }
}

fn mean_step(times: &[f64]) -> f64 {
    (times[times.len() - 1] - times[0]) / (times.len() - 1) as f64
}

/// The first time that deviates from equal spacing, and its expected value.
fn uneven(times: &[f64]) -> Option<(usize, f64)> {
    let step = mean_step(times);
    let wanted = (0..times.len()).map(|i| times[0] + i as f64 * step);
    wanted.enumerate().find(|&(i, wanted)| (times[i] - wanted).abs() > JITTER * step)
}

/// The step, if the times rise in equal steps.
pub fn equal_step(times: &[f64]) -> Option<f64> {
    Some(mean_step(times)).filter(|step| *step > 0.0 && uneven(times).is_none())
}

/// The unit that gives a plausible sample rate: its size in ms, and its name.
pub fn likely_unit(step: f64) -> (f64, &'static str) {
    match step {
        step if step < 1e-3 => (1000.0, "seconds"),
        step if step < 1.0 => (1.0, "milliseconds"),
        _ => (1e-3, "microseconds"),
    }
}

/// Removes rounding noise from a division.
fn rounded(value: f64) -> f64 {
    let scale = 10_f64.powi(9 - value.abs().max(1e-9).log10().ceil() as i32);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}
