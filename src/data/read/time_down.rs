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
use super::delimited::{Layout, decode_cell, is_missing, plain_number};
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
        first.is_some_and(|name| time_unit(name).is_some()) && names.len() > 1 && Naming::of(names).is_none()
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
    Group(String),
    Signal(Signal),
    Nothing,
}

/// What is known of one column of samples.
struct Signal {
    columns: Vec<(String, String)>,
    unit: Option<Unit>,
}

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line: a cell that is no number, times that are not equally spaced.
fn read(source: &Source) -> Result<Reading> {
    let Some(layout) = find(source.bytes()) else {
        return Err(source.line(1, "there is no column with the time of each sample"));
    };
    let mut table = layout.open(source)?;
    let mut record = ByteRecord::new();
    table.next(source, &mut record)?;
    let names: Vec<String> = record.iter().map(|cell| decode_cell(cell).trim().to_string()).collect();
    let mut notices = Vec::new();
    let holds = columns(&names, &attributes(&layout.preamble(source)?, layout.delimiter), &mut notices);
    let Some(time) = holds.iter().position(|holds| matches!(holds, Holds::Time)) else {
        return Err(source.line(layout.header_line, "there is no column with the time of each sample"));
    };
    let mut sweeps = Vec::new();
    while let Some(line) = table.next(source, &mut record)? {
        let row = Row { source, line, names: &names, record: &record, decimal_comma: layout.decimal_comma };
        row.add_to(&mut sweeps, &holds, time)?;
    }
    let stated = time_unit(&names[time]).flatten();
    let mut recordings = Vec::new();
    for sweep in sweeps {
        sweep.finish(source, &holds, stated, &mut recordings, &mut notices)?;
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

/// The lines before the names that give a value per column: their name, and their cells.
fn attributes(preamble: &str, delimiter: u8) -> Vec<(String, Vec<String>)> {
    let lines =
        text::lines(preamble).map(|(_, line)| line.split(char::from(delimiter)).map(str::trim).map(String::from));
    let named = lines.map(Iterator::collect::<Vec<String>>).filter(|cells| cells.len() > 1 && !cells[0].is_empty());
    named.map(|mut cells| (cells.remove(0), cells)).collect()
}

fn columns(names: &[String], attributes: &[(String, Vec<String>)], notices: &mut Vec<String>) -> Vec<Holds> {
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    let polarities = has("c") && has("r") && has("avg");
    if polarities {
        notices.push("the average of both polarities (AVG) was read; C and R, each alone, were left out".to_string());
    }
    let mut time = false;
    let holds = names.iter().enumerate().map(|(column, name)| match name.to_lowercase().as_str() {
        _ if !time && time_unit(name).is_some() => {
            time = true;
            Holds::Time
        }
        "" if !time => Holds::Nothing,
        "c" | "r" if polarities => Holds::Nothing,
        "condition" | "epoch" | "subject" | "subject_id" | "level" | "level_db" | "frequency" | "frequency_hz"
        | "ear" | "channel" => Holds::Group(name.to_lowercase()),
        _ => Holds::Signal(Signal::of(if polarities { "" } else { name }, column, attributes)),
    });
    holds.collect()
}

impl Signal {
    /// From its column's name and the lines before the names.
    fn of(name: &str, column: usize, attributes: &[(String, Vec<String>)]) -> Signal {
        let (name, unit) = without_unit(name);
        let mut columns = Vec::new();
        match level(&name) {
            Some(level) => columns.push(("level_db".to_string(), level.to_string())),
            None if !name.is_empty() => columns.push(("channel".to_string(), name)),
            None => {}
        }
        for (attribute, cells) in attributes {
            let Some(cell) = cells.get(column.wrapping_sub(1)).filter(|cell| !cell.is_empty()) else { continue };
            columns.push(named(attribute, cell));
        }
        Signal { columns, unit }
    }
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

/// One run of rising times: a sample of each signal column at each.
struct Sweep {
    /// The line of its first instant.
    line: usize,
    groups: Vec<String>,
    times: Vec<f64>,
    samples: Vec<Vec<f32>>,
}

struct Row<'a> {
    source: &'a Source,
    line: usize,
    names: &'a [String],
    record: &'a ByteRecord,
    decimal_comma: bool,
}

impl Row<'_> {
    fn add_to(&self, sweeps: &mut Vec<Sweep>, holds: &[Holds], time: usize) -> Result<()> {
        if self.record.len() != self.names.len() {
            let problem = format!("{} values, but there are {} columns", self.record.len(), self.names.len());
            return Err(self.source.line(self.line, problem));
        }
        let Some(at) = self.number(time)? else {
            return Err(self.source.line(self.line, format!("the time in column `{}` is missing", self.names[time])));
        };
        let group = |(column, holds): (usize, &Holds)| matches!(holds, Holds::Group(_)).then(|| self.text(column));
        let groups: Vec<String> = holds.iter().enumerate().filter_map(group).collect();
        let signals = holds.iter().enumerate().filter(|(_, holds)| matches!(holds, Holds::Signal(_)));
        let goes_on = sweeps.last().is_some_and(|s: &Sweep| s.groups == groups && s.times.last() < Some(&at));
        if !goes_on {
            let samples = vec![Vec::new(); signals.clone().count()];
            sweeps.push(Sweep { line: self.line, groups, times: Vec::new(), samples });
        }
        let Some(sweep) = sweeps.last_mut() else { return Ok(()) };
        sweep.times.push(at);
        for ((column, _), samples) in signals.zip(&mut sweep.samples) {
            let sample = self.number(column)?.unwrap_or(f64::NAN);
            if sample.abs() > text::MAX_SAMPLE_UV {
                return Err(self
                    .source
                    .line(self.line, format!("a sample of {sample} µV (more than 1000 V) cannot be")));
            }
            samples.push(sample as f32);
        }
        Ok(())
    }

    fn text(&self, column: usize) -> String {
        decode_cell(self.record[column].trim_ascii()).into_owned()
    }

    fn number(&self, column: usize) -> Result<Option<f64>> {
        let cell = self.text(column);
        if is_missing(&cell) {
            return Ok(None);
        }
        let number = plain_number(&cell, self.decimal_comma).and_then(|plain| plain.parse::<f64>().ok());
        number.filter(|number| number.is_finite()).map(Some).ok_or_else(|| {
            let problem =
                format!("`{}` in column `{}` is no number that is clear", text::excerpt(&cell), self.names[column]);
            self.source.error(
                format_args!("line {}", self.line),
                problem,
                "write a plain number, or leave the cell empty",
            )
        })
    }
}

impl Sweep {
    fn finish(
        self,
        source: &Source,
        holds: &[Holds],
        stated: Option<f64>,
        recordings: &mut Vec<Recording>,
        notices: &mut Vec<String>,
    ) -> Result<()> {
        let n = self.times.len();
        if n < FEWEST {
            let problem = format!(
                "time runs down the rows of this table, and there are {n} instants instead of {FEWEST} or more"
            );
            return Err(source.line(self.line, problem));
        }
        let step = (self.times[n - 1] - self.times[0]) / (n - 1) as f64;
        let off = |(i, at): (usize, &f64)| (at - self.times[0] - i as f64 * step).abs() > JITTER * step;
        if let Some(i) = self.times.iter().enumerate().find(|&(i, at)| off((i, at))).map(|(i, _)| i) {
            let problem = format!(
                "the times are not equally spaced: {} should be {}",
                self.times[i],
                self.times[0] + i as f64 * step
            );
            return Err(source.error(
                format_args!("line {}", self.line + i),
                problem,
                "resample the table to equal steps",
            ));
        }
        let unit_ms = match stated {
            Some(unit_ms) => unit_ms,
            None => likely_unit(step, notices),
        };
        let rate = tdt::sample_rate_hz(1000.0 / (step * unit_ms));
        let mut groups = self.groups.iter();
        let of_group: Vec<(&str, &String)> = holds
            .iter()
            .filter_map(
                |holds| if let Holds::Group(name) = holds { Some((name.as_str(), groups.next()?)) } else { None },
            )
            .collect();
        let signals =
            holds.iter().filter_map(|holds| if let Holds::Signal(signal) = holds { Some(signal) } else { None });
        for (signal, mut samples) in signals.zip(self.samples) {
            let length = n - samples.iter().rev().take_while(|sample| sample.is_nan()).count();
            if length == 0 {
                continue;
            }
            samples.truncate(length);
            let mut recording = Recording::new(samples);
            recording.sample_rate_hz = Some(rounded(rate));
            recording.t0_ms = Some(rounded(self.times[0] * unit_ms));
            recording.convert_from(signal.unit);
            for (name, value) in &signal.columns {
                recording.say(name, value);
            }
            for (name, value) in &of_group {
                match *name {
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
