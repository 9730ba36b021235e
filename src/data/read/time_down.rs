//! Tables in which time runs down the rows: one row per instant, one column per recording.
//!
//! | line | what |
//! | --- | --- |
//! | `frequency,8000,8000,…`, `level,20,30,…` | optional, as psiexperiment's `ABR average waveforms.csv` has them: a value per recording |
//! | `Time (ms),30 dB,60 dB,80 dB` | the names of the columns: the time first, then a level or a channel per recording |
//! | `0.05,0.0028,-0.0153,-0.0026` | one instant: its time, then a sample of each recording |
//!
//! Read so are also MNE's `to_data_frame` (`time`, a column per channel; `condition` and `epoch` begin a new recording where they
//! change), EPL's `Time,C,R,AVG` (the average of both polarities is read, each alone is not), and the tables of CFTS 3 (`.tsv`).
//! Times are equally spaced. Their unit stands in the name (`(ms)`, `(s)`, `(us)`); else the one is taken that makes a sample
//! rate from 1 to 1000 kHz of the step, with a notice. Samples are in µV unless their name says `(V)`, `(mV)` or `(nV)`.

use super::columns::{Naming, own_name};
use super::delimited::{Layout, is_missing, plain_number, trimmed};
use super::{Format, ReadFn, Reading, Recording, Source, tdt, text};
use crate::config::Unit;
use crate::error::Result;
use csv::ByteRecord;

pub const FORMAT: Format = Format {
    name: "table with time down the rows (CSV, TSV)",
    extensions: &["csv", "tsv", "txt"],
    companions: &[],
    about: "a column `time`, then one column per level or channel: MNE's `to_data_frame`, psiexperiment's averages, EPL's `Time,C,R,AVG`",
    detect: |head| find(head).is_some(),
    read: ReadFn::Whole(read),
    samples: &["time_down.csv", "psi.csv"],
};

/// Fewer instants than these are no recording.
const FEWEST: usize = 16;
/// No recorder of evoked responses is slower or faster, in Hz.
const RATES_HZ: std::ops::RangeInclusive<f64> = 1e3..=1e6;
/// No instant lies further than this part of a step from where equal spacing puts it.
const JITTER: f64 = 0.25;

fn find(head: &[u8]) -> Option<Layout> {
    Layout::find(head, |names| {
        let first = names.iter().find(|name| !name.is_empty());
        let timed = first.is_some_and(|name| time_unit(&name).is_some());
        timed && names.iter().nth(1).is_some() && Naming::of(names.iter()).is_none()
    })
}

/// The unit that the name of a column of times states, `None` inside if it states none; `None` for another name.
fn time_unit(name: &str) -> Option<Option<f64>> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let unit = match words[..] {
        ["time" | "t" | "times"] => None,
        ["time" | "t" | "times" | "latency", unit] | [unit] => Some(match unit {
            "ms" | "msec" | "milliseconds" => 1.0,
            "s" | "sec" | "seconds" => 1000.0,
            "us" | "usec" | "µs" | "μs" | "µsec" | "microseconds" => 1e-3,
            _ => return None,
        }),
        _ => return None,
    };
    // `s` alone may name anything
    (lower != "s").then_some(unit)
}

/// What a column holds.
enum Holds {
    Time,
    /// What changes from one recording to the next further down.
    Group,
    Signal,
    Nothing,
}

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line: a cell that is no number, times that are not equally spaced.
fn read(source: &Source) -> Result<Reading> {
    let Some(layout) = find(source.head()) else {
        return Err(source.line(1, "there is no column with the time of each sample"));
    };
    let mut lines = layout.open(source)?;
    let mut record = ByteRecord::new();
    lines.next(source, &mut record)?;
    let mut notices = Vec::new();
    let table = Table::of(source, &layout, lines.decimal_comma, &record, &mut notices)?;
    let mut sweeps = Vec::new();
    while let Some(line) = lines.next(source, &mut record)? {
        Row { table: &table, line, record: &record }.add_to(&mut sweeps)?;
    }
    let mut recordings = Vec::new();
    for sweep in sweeps {
        sweep.finish(&table, &mut recordings, &mut notices)?;
    }
    let rate = recordings.first().and_then(|recording: &Recording| recording.sample_rate_hz);
    if let Some(rate) = rate.filter(|rate| !RATES_HZ.contains(rate)) {
        return Ok(Reading::NotAbr(format!(
            "time runs down the rows, at {rate} Hz: too slow or too fast for evoked responses"
        )));
    }
    if recordings.is_empty() {
        return Err(source.line(layout.header_line + 1, "the file ends after the names of the columns"));
    }
    notices.dedup();
    Ok(Reading::Recordings { recordings, subject: None, notices })
}

/// What all lines share.
struct Table<'a> {
    source: &'a Source,
    decimal_comma: bool,
    names: Vec<String>,
    holds: Vec<Holds>,
    /// The column of the times.
    time: usize,
    /// Whether the columns are the averages of each polarity and of both.
    polarities: bool,
    /// Values of each column that stand before the names.
    attributes: Vec<(String, Vec<String>)>,
}

impl<'a> Table<'a> {
    fn of(
        source: &'a Source,
        layout: &Layout,
        decimal_comma: bool,
        names: &ByteRecord,
        notices: &mut Vec<String>,
    ) -> Result<Self> {
        let names: Vec<String> = names.iter().map(|cell| trimmed(cell).into_owned()).collect();
        let Some(time) = names.iter().position(|name| time_unit(name).is_some()) else {
            return Err(source.line(layout.header_line, "there is no column with the time of each sample"));
        };
        let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        let polarities = has("c") && has("r") && has("avg");
        if polarities {
            notices
                .push("the average of both polarities (AVG) was read; C and R, each alone, were left out".to_string());
        }
        let holds = names.iter().enumerate().map(|(column, name)| match name.to_lowercase().as_str() {
            _ if column == time => Holds::Time,
            "" if column < time => Holds::Nothing,
            "c" | "r" if polarities => Holds::Nothing,
            "condition" | "epoch" | "subject" | "subject_id" | "level" | "level_db" | "frequency" | "frequency_hz"
            | "ear" | "channel" => Holds::Group,
            _ => Holds::Signal,
        });
        let holds = holds.collect();
        let attributes = attributes(&layout.preamble(source)?, layout.delimiter);
        Ok(Table { source, decimal_comma, names, holds, time, polarities, attributes })
    }

    /// The columns of groups.
    fn groups(&self) -> impl Iterator<Item = usize> {
        (0..self.holds.len()).filter(|&column| matches!(self.holds[column], Holds::Group))
    }

    /// The columns of samples.
    fn signals(&self) -> impl Iterator<Item = usize> {
        (0..self.holds.len()).filter(|&column| matches!(self.holds[column], Holds::Signal))
    }

    /// What a column of samples says of its recording: its name, and the lines before the names.
    fn describe(&self, column: usize, recording: &mut Recording) {
        let (name, unit) = without_unit(if self.polarities { "" } else { &self.names[column] });
        recording.convert_from(unit);
        recording.columns.reserve_exact(1 + self.attributes.len());
        match level(&name) {
            Some(level) => recording.say("level_db", level),
            None => recording.say("channel", name),
        }
        for (attribute, cells) in &self.attributes {
            if let Some(cell) = cells.get(column.wrapping_sub(1)) {
                let (name, value) = named(attribute, cell);
                recording.say(&name, value);
            }
        }
    }
}

/// The lines before the names that give a value per column: their name, and their cells.
fn attributes(preamble: &str, delimiter: u8) -> Vec<(String, Vec<String>)> {
    let lines =
        text::lines(preamble).map(|(_, line)| line.split(char::from(delimiter)).map(str::trim).map(String::from));
    let named = lines.map(Iterator::collect::<Vec<String>>).filter(|cells| cells.len() > 1 && !cells[0].is_empty());
    named.map(|mut cells| (cells.remove(0), cells)).collect()
}

/// A value under our name for it.
fn named(name: &str, cell: &str) -> (String, String) {
    let cell = text::tidy(cell);
    match name.to_lowercase().as_str() {
        "frequency" | "frequency_hz" | "freq" if cell == "0" => ("frequency_hz".into(), "click".into()),
        "frequency" | "freq" => ("frequency_hz".into(), cell),
        "level" => ("level_db".into(), cell),
        "epoch_n" | "averages" => ("n_averages".into(), cell),
        other => (own_name(other), cell),
    }
}

/// A name without the unit in parentheses or brackets at its end.
fn without_unit(name: &str) -> (String, Option<Unit>) {
    let open = name.rfind(['(', '[']);
    let unit = open.and_then(|at| {
        let symbol = name[at + 1..].trim_end_matches([')', ']', ' ']).replace(['µ', 'μ'], "u");
        Unit::ALL.into_iter().find(|unit| unit.symbol().eq_ignore_ascii_case(&symbol))
    });
    match (open, unit) {
        (Some(at), Some(_)) => (name[..at].trim().to_string(), unit),
        _ => (name.trim().to_string(), None),
    }
}

/// The level that a column is named after: `30 dB`, `30`, `Level 30 dB SPL`.
fn level(name: &str) -> Option<f64> {
    let lower = name.to_lowercase();
    let plain = lower.trim_start_matches("level").trim_start_matches([' ', '_']);
    let number = plain.find("db").map_or(plain, |at| &plain[..at]).trim().trim_end_matches('_');
    number.parse().ok().filter(|level: &f64| level.is_finite())
}

/// One run of rising times.
struct Sweep {
    /// The line of its first instant.
    line: usize,
    groups: Vec<String>,
    times: Vec<f64>,
    /// The samples of each instant, in the order of the columns.
    samples: Vec<f32>,
}

/// One instant.
struct Row<'a> {
    table: &'a Table<'a>,
    line: usize,
    record: &'a ByteRecord,
}

impl Row<'_> {
    fn add_to(&self, sweeps: &mut Vec<Sweep>) -> Result<()> {
        let Table { source, names, time, .. } = self.table;
        if self.record.len() != names.len() {
            let problem = format!("{} values, but there are {} columns", self.record.len(), names.len());
            return Err(source.line(self.line, problem));
        }
        let Some(at) = self.number(*time)? else {
            return Err(source.line(self.line, format!("the time in column `{}` is missing", names[*time])));
        };
        let groups: Vec<String> =
            self.table.groups().map(|column| trimmed(&self.record[column]).into_owned()).collect();
        match sweeps.last_mut() {
            Some(sweep) if sweep.groups == groups && sweep.times.last() < Some(&at) => self.add(at, sweep),
            last => {
                last.map_or(Ok(()), |last| last.check_length(source))?;
                let mut sweep = Sweep { line: self.line, groups, times: Vec::new(), samples: Vec::new() };
                self.add(at, &mut sweep)?;
                sweeps.push(sweep);
                Ok(())
            }
        }
    }

    fn add(&self, at: f64, sweep: &mut Sweep) -> Result<()> {
        sweep.times.push(at);
        for column in self.table.signals() {
            let sample = self.number(column)?.unwrap_or(f64::NAN);
            if sample.abs() > text::MAX_SAMPLE_UV {
                let problem = format!("a sample of {sample} µV (more than 1000 V) cannot be");
                return Err(self.table.source.line(self.line, problem));
            }
            sweep.samples.push(sample as f32);
        }
        Ok(())
    }

    fn number(&self, column: usize) -> Result<Option<f64>> {
        let cell = trimmed(&self.record[column]);
        if is_missing(&cell) {
            return Ok(None);
        }
        let number = plain_number(&cell, self.table.decimal_comma).and_then(|plain| plain.parse::<f64>().ok());
        number.filter(|number| number.is_finite()).map(Some).ok_or_else(|| {
            let Table { source, names, .. } = self.table;
            let problem =
                format!("`{}` in column `{}` is no number that is clear", text::excerpt(&cell), names[column]);
            source.error(format_args!("line {}", self.line), problem, "write a plain number, or leave the cell empty")
        })
    }
}

impl Sweep {
    fn check_length(&self, source: &Source) -> Result<()> {
        let found = self.times.len();
        if found >= FEWEST {
            return Ok(());
        }
        let problem = format!(
            "time runs down the rows of this table, and there are {found} instants instead of {FEWEST} or more"
        );
        Err(source.line(self.line, problem))
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
    fn finish(self, table: &Table, recordings: &mut Vec<Recording>, notices: &mut Vec<String>) -> Result<()> {
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
            table.describe(column, &mut recording);
            for (column, value) in table.groups().zip(&self.groups) {
                match table.names[column].to_lowercase().as_str() {
                    "subject" | "subject_id" => recording.subject.clone_from(value),
                    "ear" => recording.say("ear", tdt::ear(value).unwrap_or(value)),
                    name => {
                        let (name, value) = named(name, value);
                        recording.say(&name, value);
                    }
                }
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
