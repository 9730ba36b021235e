//! Tables in which time runs down the rows: one row per instant, one column per recording.
//!
//! | line | what |
//! | --- | --- |
//! | `frequency,8000,8000,…`, `level,20,30,…` | a value per recording, as psiexperiment's averages have it; optional |
//! | `Subject,M7` | a value for all recordings; optional |
//! | `Time (ms),30 dB,60 dB,80 dB` | the names: the time first, then a level or a channel per recording |
//! | `0.05,0.0028,-0.0153,-0.0026` | one instant: its time, then a sample of each recording |
//!
//! Other columns that are known by name (`level`, `intensity`, `trial`, `ear`, `subject`, `condition`, `epoch`, …)
//! describe the samples beside them, and a new recording begins where they change, or where the times begin again.
//! `30 dB left` gives the level and the ear, `30 dB Cz` the level and the channel. A name that is a number alone is
//! taken for a level, with a notice.
//!
//! Read so are also MNE's `to_data_frame` (`time`, a column per channel), EPL's `Time,C,R,AVG` (the average of both
//! polarities is read, each alone is not), and the tables of CFTS 3 (`.tsv`). Times are equally spaced. Their unit
//! stands in the name (`(ms)`, `(s)`, `(us)`); else the one is taken that makes a sample rate from 1 to 1000 kHz of the
//! step, with a notice. Samples are in µV unless their name says `(V)`, `(mV)` or `(nV)`.

mod names;
mod sweeps;

use super::columns::{Naming, own_name};
use super::delimited::{Cells, Decimals, Layout, ambiguous, is_missing, plain_number, trimmed};
use super::vocabulary::{Stimulus, Unit};
use super::{Format, ReadFn, Reading, Recording, Source, tdt, text};
use crate::error::{Error, Result};
use csv::ByteRecord;
use names::{Level, known, time_unit, without_unit};
use std::cell::Cell;
use sweeps::{Row, Sweep};

pub const FORMAT: Format = Format {
    name: "table with time down the rows (CSV, TSV)",
    extensions: &["csv", "tsv", "txt"],
    companions: &[],
    about: "a column `time`, then one column per level or channel: MNE's `to_data_frame`, psiexperiment's averages, \
            EPL's `Time,C,R,AVG`",
    detect: |head| find(head).is_some(),
    read: ReadFn::Whole(read),
    samples: &["time_down.csv", "time_down.tsv", "psi.csv"],
};

/// No recorder of evoked responses is slower or faster, in Hz.
const RATES_HZ: std::ops::RangeInclusive<f64> = 1e3..=1e6;

fn find(head: &[u8]) -> Option<Layout> {
    // a line before the names may begin with a time too: `Time,10:31`
    let mut skipped = 0;
    loop {
        let (seen, recordings_in_rows) = (Cell::new(0), Cell::new(false));
        let layout = Layout::find(head, |names| {
            seen.set(seen.get() + 1);
            recordings_in_rows.set(Naming::of(names.iter()).is_some());
            seen.get() > skipped && (recordings_in_rows.get() || time_column(names).is_some())
        })?;
        if recordings_in_rows.get() {
            return None;
        }
        if layout.first_row(head).is_some_and(|(names, row)| is_instant(&names, &row)) {
            return Some(layout);
        }
        skipped = seen.get();
    }
}

/// The first column that has a name, if it holds times and there are others.
fn time_column(names: &Cells) -> Option<usize> {
    let first = names.iter().position(|name| !name.is_empty())?;
    let timed = names.iter().nth(first).is_some_and(|name| time_unit(&name).is_some());
    (timed && names.iter().nth(1).is_some()).then_some(first)
}

/// Whether a line gives a time below its name, and a sample or an empty cell beside it.
fn is_instant(names: &Cells, row: &Cells) -> bool {
    let number = |cell: &str| [cell, &cell.replacen(',', ".", 1)].iter().any(|c| c.parse().is_ok_and(f64::is_finite));
    let time = time_column(names);
    let timed = time.and_then(|time| row.iter().nth(time)).is_some_and(|cell| number(&cell));
    let mut others = row.iter().enumerate().filter(|(column, _)| Some(*column) > time);
    timed && others.any(|(_, cell)| is_missing(&cell) || number(&cell))
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
/// [`Error::Input`] with the line: a cell that is no number, times that stand twice, fall or are not equally spaced, a
/// column that is no recording.
fn read(source: &Source) -> Result<Reading> {
    let Some(layout) = find(source.head()) else {
        return Err(source.line(1, "there is no column with the time of each sample"));
    };
    let mut lines = layout.open(source)?;
    let mut record = ByteRecord::new();
    lines.next(source, &mut record)?;
    let mut notices = Vec::new();
    let table = Table::of(source, &layout, lines.decimals, &record, &mut notices)?;
    let mut sweeps = Vec::new();
    while let Some(line) = lines.next(source, &mut record)? {
        Row { table: &table, line, record: &record }.add_to(&mut sweeps)?;
    }
    table.refuse_constants(&sweeps)?;
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
        return Err(source.line(layout.header_line, "no column holds a sample"));
    }
    notices.dedup();
    Ok(Reading::Recordings { recordings, subject: None, notices })
}

/// What all lines share.
struct Table<'a> {
    source: &'a Source,
    decimals: Decimals,
    /// The line of the names.
    line: usize,
    names: Vec<String>,
    holds: Vec<Holds>,
    /// The column of the times.
    time: usize,
    /// Whether the columns are the averages of each polarity and of both.
    polarities: bool,
    attributes: Vec<Attribute>,
}

impl<'a> Table<'a> {
    fn of(
        source: &'a Source,
        layout: &Layout,
        decimals: Decimals,
        names: &ByteRecord,
        notices: &mut Vec<String>,
    ) -> Result<Self> {
        let line = layout.header_line;
        let names: Vec<String> = names.iter().map(|cell| trimmed(cell).into_owned()).collect();
        let Some(time) = names.iter().position(|name| time_unit(name).is_some()) else {
            return Err(source.line(line, "there is no column with the time of each sample"));
        };
        let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        let polarities = has("c") && has("r") && has("avg");
        if polarities {
            let notice = "the average of both polarities (AVG) was read; C and R, each alone, were left out";
            notices.push(notice.to_string());
        }
        let holds = names.iter().enumerate().map(|(column, name)| match name.to_lowercase().as_str() {
            _ if column == time => Holds::Time,
            "" if column < time => Holds::Nothing,
            "c" | "r" if polarities => Holds::Nothing,
            name if known(name).is_some() => Holds::Group,
            _ => Holds::Signal,
        });
        let holds = holds.collect();
        let attributes = Attribute::all(&layout.preamble(source)?, layout.delimiter);
        let table = Table { source, decimals, line, names, holds, time, polarities, attributes };
        notices.extend(table.bare_levels());
        Ok(table)
    }

    /// The columns of groups.
    fn groups(&self) -> impl Iterator<Item = usize> {
        (0..self.holds.len()).filter(|&column| matches!(self.holds[column], Holds::Group))
    }

    /// The columns of samples.
    fn signals(&self) -> impl Iterator<Item = usize> {
        (0..self.holds.len()).filter(|&column| matches!(self.holds[column], Holds::Signal))
    }

    /// What is to be said of numbers that are taken for levels.
    fn bare_levels(&self) -> Option<String> {
        let names = self.signals().map(|column| without_unit(&self.names[column]).0);
        let bare: Vec<String> = names.filter(|name| Level::of(name).is_some_and(|level| level.bare)).collect();
        (!bare.is_empty()).then(|| format!("the columns {} were taken for levels in dB", bare.join(", ")))
    }

    /// Refuses columns of one value in each recording, beside others that vary: trials, gains, ages.
    fn refuse_constants(&self, sweeps: &[Sweep]) -> Result<()> {
        let width = self.signals().count();
        let samples = |sweep: &Sweep, i: usize| -> Vec<f32> {
            sweep.samples.iter().skip(i).step_by(width).copied().filter(|sample| !sample.is_nan()).collect()
        };
        let varies = |i: usize| sweeps.iter().any(|sweep| samples(sweep, i).windows(2).any(|pair| pair[0] != pair[1]));
        let is_empty = |i: usize| sweeps.iter().all(|sweep| samples(sweep, i).is_empty());
        let (varied, constant): (Vec<_>, Vec<_>) = self.signals().enumerate().partition(|&(i, _)| varies(i));
        let refused = constant.into_iter().find(|&(i, column)| {
            let name = without_unit(&self.names[column]).0;
            !name.is_empty() && Level::of(&name).is_none() && !is_empty(i)
        });
        let Some((_, column)) = refused.filter(|_| !varied.is_empty()) else {
            return Ok(());
        };
        let problem = format!("column `{}` holds one value throughout each recording", self.names[column]);
        let remedy = "remove it, or name it after what it tells of a recording: condition, trial, level, ear";
        Err(self.error(self.line, problem, remedy))
    }

    fn error(&self, line: usize, problem: String, remedy: &str) -> Error {
        self.source.error(format_args!("line {line}"), problem, remedy)
    }

    /// What a column of samples says of its recording: its name, and the lines before the names.
    fn describe(&self, column: usize, recording: &mut Recording) -> Result<()> {
        let (name, unit) = without_unit(if self.polarities { "" } else { &self.names[column] });
        recording.convert_from(unit);
        recording.columns.reserve_exact(2 + self.attributes.len());
        let level = Level::of(&name);
        let rest = level.as_ref().map_or(&name, |level| &level.rest);
        let is_ear = |word: &str| tdt::ear(word).is_some() || word.eq_ignore_ascii_case("ear");
        match tdt::ear(rest).filter(|_| level.is_some() && rest.split(' ').all(is_ear)) {
            Some(ear) => recording.say("ear", ear),
            None => recording.say("channel", rest),
        }
        if let Some(level) = level {
            recording.say("level_db", level.db);
        }
        for Attribute { line, name, values } in &self.attributes {
            let value = if values.len() == 1 { values.first() } else { values.get(column.wrapping_sub(1)) };
            self.say(*line, name, value.map_or("", String::as_str), recording)?;
        }
        Ok(())
    }

    /// Adds what a line of the file says under a name.
    fn say(&self, line: usize, name: &str, value: &str, recording: &mut Recording) -> Result<()> {
        if is_missing(value) {
            return Ok(());
        }
        let Some(plain) = plain_number(value, self.decimals) else {
            let (problem, remedy) = ambiguous(value, self.decimals);
            return Err(self.error(line, format!("`{name}`: {problem}"), &remedy));
        };
        let value = if plain.parse::<f64>().is_ok() { &plain } else { value };
        match known(name) {
            Some("subject_id") => recording.subject = value.to_string(),
            Some(known @ ("frequency_hz" | "frequency_khz")) => {
                let unit = if known == "frequency_khz" { Unit::Khz } else { Unit::Hz };
                let stimulus = Stimulus::parse(self.source, line, &format!("`{name}`"), value, unit)?;
                let other = matches!(stimulus, Some(Stimulus::Other(_)));
                if let Some(stimulus) = stimulus.filter(|_| other || recording.cell("frequency_hz").is_none()) {
                    stimulus.say(recording);
                }
            }
            Some("ear") => add(recording, "ear", tdt::ear(value).unwrap_or(value)),
            Some(known) => add(recording, known, &text::tidy(value)),
            None => add(recording, &own_name(name), &text::tidy(value)),
        }
        Ok(())
    }
}

/// Adds a column; where the recording has one of this name, beside it.
fn add(recording: &mut Recording, name: &str, value: &str) {
    let mut name = name.to_string();
    while recording.cell(&name).is_some() {
        name.insert_str(0, "file_");
    }
    recording.say(&name, value);
}

/// A line before the names: its name, then a value for all recordings or a value per column.
struct Attribute {
    line: usize,
    name: String,
    values: Vec<String>,
}

impl Attribute {
    fn all(preamble: &str, delimiter: u8) -> Vec<Attribute> {
        let lines = text::lines(preamble.trim_start_matches('\u{feff}'));
        let attributes = lines.filter_map(|(line, text)| {
            let mut cells = text.split(char::from(delimiter)).map(|cell| cell.trim().to_string());
            let name = cells.next().filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("sep="))?;
            let mut values: Vec<String> = cells.collect();
            // spreadsheets fill lines up with empty cells
            if values.iter().skip(1).all(String::is_empty) {
                values.truncate(1);
            }
            Some(Attribute { line, name, values })
        });
        attributes.collect()
    }
}
