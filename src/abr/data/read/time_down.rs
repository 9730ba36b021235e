//! Tables in which time runs down the rows: one row per instant, one column per recording.
//!
//! | line | what |
//! | --- | --- |
//! | `frequency,8000,8000,…`, `level,20,30,…` | one value per recording, as psiexperiment's averages have it; optional |
//! | `Subject,M7` | one value for all recordings; optional |
//! | `Time (ms),30 dB,60 dB,80 dB` | the names: the time first, then a level or a channel per recording |
//! | `0.05,0.0028,-0.0153,-0.0026` | one instant: its time, then a sample of each recording |
//!
//! Columns with known names (`level`, `intensity`, `trial`, `ear`, `subject`, `condition`, `epoch`, …), before or after
//! the time, describe the samples in their row. A new recording begins where their values change, or where the times
//! start again. The name `8 kHz 30 dB left` gives the stimulus, the level and the ear, `30 dB Cz` the level and the
//! channel. A name that is only a number is a level, or a channel if the names count from 0 or 1; a notice says which.
//! Columns whose last word marks a statistic other than the average (`SEM`, `SD`, `N`, `diff`, …) are skipped with a
//! notice. So are columns whose name, group or line before the header names another response (`Protocol,cVEMP`).
//!
//! This format includes MNE's `to_data_frame` (`time` and one column per channel; or long, with `channel` and `value`),
//! EPL's `Time,C,R,AVG` (only the average of both polarities is read), and the tables of CFTS 3 (`.tsv`). Times must be
//! equally spaced. The column name gives their unit (`(ms)`, `(s)`, `(us)`); otherwise the reader picks the unit that
//! gives a sample rate from 1 to 1000 kHz, with a notice. Samples are in µV unless their name contains `(V)`, `(mV)` or
//! `(nV)`.

mod attributes;
mod detect;
mod names;
mod sweeps;

pub use detect::runs_down;

use super::columns::{Naming, own_name};
use super::delimited::{Decimals, Layout, Record, ambiguous, is_missing, name, plain_number, trimmed};
use super::vocabulary::{self, FrequencyUnit, Stimulus, other_response_in_note};
use super::{Format, ReadFn, ReadOutcome, Recording, SourceFile, tdt, text};
use crate::error::{Error, Result};
use attributes::Attribute;
use detect::find;
use names::{Named, known, time_unit};
use sweeps::{Sweep, TimeDownRow};

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

/// The range of sample rates of evoked-response recorders, in Hz.
const RATES_HZ: std::ops::RangeInclusive<f64> = 1e3..=1e6;
/// The highest plausible stimulus level.
const HIGHEST_DB: f64 = 150.0;

/// The most columns that describe the recordings: each recording keeps the values of all.
const MOST_GROUPS: usize = 32;

/// The meaning of a column.
enum TimeDownColumn {
    Time,
    /// A value that is constant within a recording and may change to the next one below.
    Group,
    Signal(Named),
    Nothing,
}

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`] with the line: a cell that is no number, times that repeat, fall or are not equally spaced, a
/// column that is no recording.
fn read(source: &SourceFile) -> Result<ReadOutcome> {
    let Some(layout) = find(source.head()) else {
        return Err(source.line(1, "there is no column with the time of each sample"));
    };
    // only `:` and `=` separate names here: a line of cells has a value for each column
    if let Some((line, name, response)) = vocabulary::other_test(&layout.preamble(source)?, &[':', '=']) {
        return Ok(ReadOutcome::NotAbr(format!("line {line}: `{name}` names {response}")));
    }
    let mut lines = layout.open(source)?;
    let mut record = Record::default();
    lines.next(source, &mut record)?;
    let mut notices = Vec::new();
    let table = TimeDownTable::of(source, &layout, lines.decimals, &record, &mut notices)?;
    let mut sweeps = Vec::new();
    while let Some(line) = lines.next(source, &mut record)? {
        TimeDownRow { table: &table, line, record: &record }.add_to(&mut sweeps)?;
    }
    table.refuse_constants(&sweeps)?;
    let (mut recordings, mut others) = (Vec::new(), Vec::new());
    for sweep in sweeps {
        sweep.finish(&table, &mut recordings, &mut others, &mut notices)?;
    }
    if let Some(first) = others.first() {
        if recordings.is_empty() {
            return Ok(ReadOutcome::NotAbr(first.clone()));
        }
        notices.push(format!("{} recordings were left out: {first}", others.len()));
    }
    let rate = recordings.first().and_then(|recording: &Recording| recording.sample_rate_hz);
    if let Some(rate) = rate.filter(|rate| !RATES_HZ.contains(rate)) {
        return Ok(ReadOutcome::NotAbr(format!(
            "time runs down the rows, at {rate} Hz: too slow or too fast for evoked responses"
        )));
    }
    if recordings.is_empty() {
        return Err(source.line(layout.header_line, "no column contains a sample"));
    }
    notices.dedup();
    Ok(ReadOutcome::Recordings { recordings, subject: None, notices })
}

/// The context that all lines share.
struct TimeDownTable<'a> {
    source: &'a SourceFile,
    decimals: Decimals,
    /// The header line.
    line: usize,
    names: Vec<String>,
    kinds: Vec<TimeDownColumn>,
    /// The time column.
    time: usize,
    /// The group columns.
    groups: Vec<usize>,
    attributes: Vec<Attribute>,
    /// Whether a group or an attribute names the channels.
    names_channels: bool,
}

impl<'a> TimeDownTable<'a> {
    fn of(
        source: &'a SourceFile,
        layout: &Layout,
        decimals: Decimals,
        names: &Record,
        notices: &mut Vec<String>,
    ) -> Result<Self> {
        let line = layout.header_line;
        let names: Vec<String> = names.iter().map(|cell| name(cell).into_owned()).collect();
        let Some(time) = names.iter().position(|name| time_unit(name).is_some()) else {
            return Err(source.line(line, "there is no column with the time of each sample"));
        };
        let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        let polarities = has("c") && has("r") && has("avg");
        if polarities {
            let notice = "the average of both polarities (AVG) was read; C and R, each alone, were left out";
            notices.push(notice.to_string());
        }
        let (mut kinds, mut left_out) = (Vec::with_capacity(names.len()), Vec::new());
        for (column, name) in names.iter().enumerate() {
            let named = Named::of(name);
            kinds.push(match name.to_lowercase().as_str() {
                _ if column == time => TimeDownColumn::Time,
                "" if column < time => TimeDownColumn::Nothing,
                name if known(name).is_some() => TimeDownColumn::Group,
                "c" | "r" if polarities => TimeDownColumn::Nothing,
                "avg" if polarities => TimeDownColumn::Signal(Named::default()),
                _ if polarities || named.is_statistic() => {
                    left_out.push(name.as_str());
                    TimeDownColumn::Nothing
                }
                _ => TimeDownColumn::Signal(named),
            });
        }
        if !left_out.is_empty() {
            let columns = left_out.join(", ");
            notices
                .push(format!("the columns {columns} were left out: by their names they contain no average response"));
        }
        let groups: Vec<usize> =
            (0..kinds.len()).filter(|&column| matches!(kinds[column], TimeDownColumn::Group)).collect();
        if groups.len() > MOST_GROUPS {
            let problem = format!("{} columns describe the recordings", groups.len());
            return Err(source.error(format_args!("line {line}"), problem, "remove those that are not needed"));
        }
        let attributes = Attribute::all(&layout.preamble(source)?, layout.delimiter);
        let mut describing = groups.iter().map(|&column| &names[column]).chain(attributes.iter().map(|a| &a.name));
        let names_channels = describing.any(|name| known(name) == Some("channel"));
        let mut table =
            TimeDownTable { source, decimals, line, names, kinds, time, groups, attributes, names_channels };
        notices.extend(table.take_bare_levels()?);
        let last = table.signals().map(|(column, _)| column).max().unwrap_or(0);
        table.attributes.iter().try_for_each(|attribute| attribute.check(source, &table.names, last))?;
        Ok(table)
    }

    /// The sample columns, with their parsed names.
    fn signals(&self) -> impl Iterator<Item = (usize, &Named)> {
        self.kinds.iter().enumerate().filter_map(|(column, kind)| match kind {
            TimeDownColumn::Signal(named) => Some((column, named)),
            _ => None,
        })
    }

    /// Interprets names that are plain numbers as levels, or as channels if they count from 0 or 1. Returns a notice.
    fn take_bare_levels(&mut self) -> Result<Option<String>> {
        let bare: Vec<(usize, f64)> =
            self.signals().filter_map(|(column, named)| Some((column, named.bare_level()?))).collect();
        let [(_, first), ..] = bare[..] else { return Ok(None) };
        let list = bare.iter().map(|(column, _)| self.names[*column].as_str()).collect::<Vec<_>>().join(", ");
        let counted = bare.iter().zip(0..).all(|((_, number), i)| *number == first + f64::from(i));
        if counted && (first == 0.0 || first == 1.0) {
            for kind in &mut self.kinds {
                if let TimeDownColumn::Signal(named) = kind
                    && let Some(number) = named.bare_level()
                {
                    (named.rest, named.level) = (number.to_string(), None);
                }
            }
            return Ok(Some(format!("the columns {list} were taken for channels: they are counted, and state no dB")));
        }
        if let Some((column, _)) = bare.iter().find(|(_, level)| *level > HIGHEST_DB) {
            let problem = format!("column `{}` is named by a number that is no level in dB", self.names[*column]);
            let remedy = "state its unit (`60 dB`, `8000 Hz`), or name it by a word";
            return Err(self.error(self.line, problem, remedy));
        }
        Ok(Some(format!("the columns {list} were taken for levels in dB")))
    }

    /// Refuses times without a unit that may number recordings instead of counting microseconds.
    fn refuse_counts(&self, step: f64) -> Result<()> {
        if step < 1.0 || Naming::of(self.names.iter().map(|name| name.into())).is_none() {
            return Ok(());
        }
        let time = &self.names[self.time];
        let problem = format!("column `{time}` rises by {step} from row to row, and the others are numbered");
        let remedy = format!(
            "if time runs down the rows, state its unit: `{time} (us)`; if each row is a recording, rename the column"
        );
        Err(self.error(self.line, problem, &remedy))
    }

    /// Refuses columns that are constant within each recording while others vary: trials, gains, ages.
    fn refuse_constants(&self, sweeps: &[Sweep]) -> Result<()> {
        let width = self.signals().count();
        let samples = |sweep: &Sweep, i: usize| -> Vec<f32> {
            sweep.samples.iter().skip(i).step_by(width).copied().filter(|sample| !sample.is_nan()).collect()
        };
        let varies = |i: usize| sweeps.iter().any(|sweep| samples(sweep, i).windows(2).any(|pair| pair[0] != pair[1]));
        let is_empty = |i: usize| sweeps.iter().all(|sweep| samples(sweep, i).is_empty());
        let (varied, constant): (Vec<_>, Vec<_>) = self.signals().enumerate().partition(|&(i, _)| varies(i));
        let refused = constant.into_iter().find(|&(i, (_, named))| {
            named.level.is_none() && named.stimulus.is_none() && !named.rest.is_empty() && !is_empty(i)
        });
        let Some((_, (column, _))) = refused.filter(|_| !varied.is_empty()) else {
            return Ok(());
        };
        let problem = format!("column `{}` has one value throughout each recording", self.names[column]);
        let remedy = "remove it, or name it after the property of the recording: condition, trial, level, ear";
        Err(self.error(self.line, problem, remedy))
    }

    fn error(&self, line: usize, problem: String, remedy: &str) -> Error {
        self.source.error(format_args!("line {line}"), problem, remedy)
    }

    /// Adds the metadata from a sample column's name and from the lines before the header.
    fn describe(&self, column: usize, named: &Named, recording: &mut Recording) -> Result<()> {
        recording.convert_from(named.unit);
        recording.columns.reserve_exact(2 + self.attributes.len());
        if let Some(ear) = named.ear() {
            recording.add_column("ear", ear);
        } else if !self.names_channels {
            recording.add_column("channel", &named.rest);
        }
        if let Some(stimulus) = &named.stimulus {
            stimulus.add_to(recording);
        }
        if let Some(level) = &named.level {
            recording.add_column("level_db", level.db);
        }
        self.attributes.iter().try_for_each(|attribute| {
            self.add_value(attribute.line, &attribute.name, attribute.value(column), recording)
        })
    }

    /// The place and the response, if a line before the header, a column name or a group names a response other than an
    /// ABR.
    fn other_response(&self, column: usize, sweep: &Sweep) -> Option<String> {
        let attributes = self.attributes.iter().map(|a| (a.line, a.name.as_str(), a.value(column)));
        let groups = self.groups.iter().copied().zip(&sweep.groups);
        let groups = groups.map(|(group, value)| (sweep.lines[0], self.names[group].as_str(), value.as_str()));
        let own = std::iter::once((self.line, "test", self.names[column].as_str()));
        let mut all = attributes.chain(groups).chain(own).filter(|(_, name, _)| vocabulary::names_test(name));
        all.find_map(|(line, _, value)| {
            Some(format!("line {line}: `{}` names {}", text::excerpt(value), other_response_in_note(value)?))
        })
    }

    /// Adds the name of a sample column as its channel if the table names channels. A single sample column whose rows
    /// already have a channel is called `value` or after its unit, and its name is no channel.
    fn name_channel(&self, named: &Named, recording: &mut Recording) {
        let has_channel = recording.column("channel").is_some();
        if self.names_channels && named.ear().is_none() && !(has_channel && self.signals().nth(1).is_none()) {
            add(recording, "channel", &named.rest);
        }
    }

    /// Adds a named value from a line of the file.
    fn add_value(&self, line: usize, name: &str, value: &str, recording: &mut Recording) -> Result<()> {
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
            Some(known @ ("frequency" | "frequency_hz" | "frequency_khz")) => {
                let number = value.parse().ok().filter(|number| *number >= 0.0 && known == "frequency");
                let unit = if known == "frequency_khz" { FrequencyUnit::Khz } else { FrequencyUnit::Hz };
                let stimulus = match number {
                    Some(number) => Stimulus::without_unit(name, number).or(Some(Stimulus::Other(value.to_string()))),
                    None => Stimulus::parse(self.source, line, &format!("`{name}`"), value, unit)?,
                };
                let other = matches!(stimulus, Some(Stimulus::Other(_)));
                if let Some(stimulus) = stimulus.filter(|_| other || recording.cell("frequency_hz").is_none()) {
                    stimulus.add_to(recording);
                }
            }
            Some("ear") => add(recording, "ear", tdt::ear(value).unwrap_or(value)),
            Some(known) => add(recording, known, &text::tidy(value)),
            None => add(recording, &own_name(name), &text::tidy(value)),
        }
        Ok(())
    }
}

/// Adds a column, with a prefix if the recording already has one of this name.
fn add(recording: &mut Recording, name: &str, value: &str) {
    let mut name = name.to_string();
    while recording.cell(&name).is_some() {
        name.insert_str(0, "file_");
    }
    recording.add_column(name, value);
}
