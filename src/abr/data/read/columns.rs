//! Interprets the column names of a table with one row per recording.

mod labels;
mod names;

use super::delimited::{Layout, Record};
use super::{text, time_down, units};
use crate::data::{PEAK_COLUMNS, WAVES};
use labels::label;
use names::{check_distinct, named_twice, places};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use names::ColumnNames;

/// The fewest numbered columns that count as samples: a few, such as `1`, `2`, `3`, may name anything.
pub const FEWEST_NUMBERED: usize = 16;
/// This many columns `s1`, `s2`, … count as samples even without `s0`, which is then missing.
const FEWEST_NAMED: usize = 16;
/// The most columns without a name. Row numbers have none, and spreadsheets leave trailing separators; more than this
/// is damage.
const MOST_NAMELESS: usize = 1000;

/// The naming scheme of a table's columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Naming {
    /// The project's own: samples are `s0`, `s1`, …; other columns keep their names.
    Own,
    /// Samples are numbered from this number on (`0` or `1`); the words in other names give their meaning.
    Numbered(usize),
}

/// The meaning of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    Sample(usize),
    TruthSample(usize),
    /// Index into [`WAVES`].
    TruthLatency(usize),
    Subject,
    Ear,
    /// The factor to Hz by the name's unit; `None` if only the cells state it.
    Frequency(Option<f64>),
    SampleRateHz,
    SamplePeriodUs,
    T0Ms,
    /// The onset delay of the stimulus. Only 0 is unambiguous.
    OnsetDelayMs,
    /// Index into [`PEAK_COLUMNS`], and the factor from the cell's unit to ours; `None` for an amplitude without a
    /// unit.
    Peak(usize, Option<f64>),
    /// The unit of the row's samples.
    Unit,
    /// A number, under one of our standard names.
    Number(&'static str),
    /// Any other value, under the column's own name.
    Other(Arc<str>),
    /// Not kept: the row numbers of R and pandas.
    Nothing,
}

impl ColumnKind {
    /// The name by which filters refer to the column.
    pub fn name(&self) -> Option<Arc<str>> {
        match self {
            ColumnKind::Subject => Some("subject_id".into()),
            ColumnKind::Ear => Some("ear".into()),
            ColumnKind::Frequency(_) => Some("frequency_hz".into()),
            ColumnKind::SampleRateHz | ColumnKind::SamplePeriodUs => Some("sample_rate_hz".into()),
            ColumnKind::T0Ms | ColumnKind::OnsetDelayMs => Some("t0_ms".into()),
            ColumnKind::Peak(peak, _) => Some(PEAK_COLUMNS[*peak].into()),
            ColumnKind::Number(name) => Some((*name).into()),
            ColumnKind::Other(name) => Some(name.clone()),
            ColumnKind::Sample(_) | ColumnKind::TruthSample(_) | ColumnKind::TruthLatency(_) | ColumnKind::Unit => None,
            ColumnKind::Nothing => None,
        }
    }
}

/// The columns of a table, with the positions of its samples.
#[derive(Debug)]
pub struct TableColumns {
    pub names: ColumnNames,
    pub kinds: Vec<ColumnKind>,
    /// The column index of each sample, in the order of the sample numbers.
    pub samples: Vec<u32>,
    pub ground_truth: Vec<u32>,
}

/// What is wrong with the column names: the problem and the remedy.
pub type ColumnProblem = (String, String);

impl Naming {
    /// The naming scheme of these columns; `None` if they are not those of a table of recordings.
    pub fn of<'a>(names: impl Iterator<Item = Cow<'a, str>>) -> Option<Naming> {
        let (mut numbered, mut named, mut times) = (BTreeSet::new(), BTreeSet::new(), 0);
        for name in names {
            let number = plain_number(&name);
            times += usize::from(number.is_none() && without_x(&name).parse::<f64>().is_ok_and(f64::is_finite));
            numbered.extend(number);
            named.extend(sample_number(&name, "s"));
        }
        if named.contains(&0) {
            return Some(Naming::Own);
        }
        // columns named by the times of their samples (0.0, 0.1, …) are not numbered
        if times > 1 {
            return None;
        }
        // a run from 0 or 1. The reader refuses gaps further on, but levels (0, 5, 10, …) are no samples
        let first = [0, 1].into_iter().find(|first| numbered.contains(first));
        let neighbours = numbered.iter().zip(numbered.iter().skip(1)).filter(|(a, b)| *a + 1 == **b).count();
        match first.filter(|_| numbered.len() >= FEWEST_NUMBERED && 2 * neighbours >= numbered.len()) {
            Some(first) => Some(Naming::Numbered(first)),
            None => (named.len() >= FEWEST_NAMED).then_some(Naming::Own),
        }
    }

    /// Finds the layout of a table whose naming `wanted` accepts and whose rows are recordings.
    pub fn find(head: &[u8], wanted: impl Fn(Naming) -> bool) -> Option<Layout> {
        let layout = Layout::find(head, |names| Naming::of(names.iter()).is_some_and(&wanted));
        layout.filter(|layout| !time_down::runs_down(layout, head))
    }

    /// The name of a sample's column.
    pub fn sample(self, index: usize) -> String {
        match self {
            Naming::Own => format!("s{index}"),
            Naming::Numbered(first) => (first + index).to_string(),
        }
    }

    fn kind_of(self, name: &str) -> ColumnKind {
        match self {
            Naming::Own => own(name),
            Naming::Numbered(first) => numbered(name, first),
        }
    }
}

impl TableColumns {
    /// Finds the meaning of each column.
    ///
    /// # Errors
    /// Two columns with one name or for one sample, a missing sample number, or more than [`MOST_NAMELESS`] columns
    /// without a name.
    pub fn of(mut names: Record, naming: Naming) -> Result<TableColumns, ColumnProblem> {
        let nameless = names.iter().filter(|name| name.trim_ascii().is_empty()).count();
        if nameless > MOST_NAMELESS {
            return Err((format!("{nameless} columns have no name"), "name each column, or remove it".to_string()));
        }
        names.shrink();
        let names = ColumnNames(names);
        check_distinct(&names)?;
        let mut kinds: Vec<ColumnKind> = names.iter().map(|name| naming.kind_of(&name)).collect();
        let mut units = (0..names.len()).filter(|&column| kinds[column] == ColumnKind::Unit);
        if let (Some(first), Some(second)) = (units.next(), units.next()) {
            return Err(named_twice(&names, first, second));
        }
        if naming != Naming::Own {
            if let Some(mark) = names.iter().find(|name| naming == Naming::Numbered(1) && is_of_biosig(name)) {
                let problem = format!("column `0` is missing: BioSig, whose tables have `{mark}`, begins there");
                return Err((problem, "export the table again, or add the column with empty cells".to_string()));
            }
            one_subject(&names, &mut kinds);
            keep_first(&names, &mut kinds);
        }
        let sample = |kind: &ColumnKind| if let ColumnKind::Sample(i) = kind { Some(*i) } else { None };
        let truth = |kind: &ColumnKind| if let ColumnKind::TruthSample(i) = kind { Some(*i) } else { None };
        Ok(TableColumns {
            samples: places(&names, &kinds, sample, |i| naming.sample(i))?,
            ground_truth: places(&names, &kinds, truth, |i| format!("truth_s{i}"))?,
            kinds,
            names,
        })
    }
}

/// Whether a name is typical of BioSig, which numbers samples from 0. If its column `0` is missing, all other samples
/// would seem to come one sample early.
fn is_of_biosig(name: &str) -> bool {
    let plain = own_name(name);
    units::of_mark(name).is_some() || plain.starts_with("samp_per") || plain.starts_with("o_s_time")
}

/// Keeps the clearest of several subject columns, wherever it stands: an `ID` beside it may number the rows.
fn one_subject(names: &ColumnNames, kinds: &mut [ColumnKind]) {
    let rank = |name: &str| match name.to_lowercase() {
        lower if lower.contains("sub") => 0,
        lower if lower.trim() == "id" => 2,
        _ => 1,
    };
    let subjects = || (0..names.len()).filter(|&column| kinds[column] == ColumnKind::Subject);
    let Some(best) = subjects().min_by_key(|&column| rank(&names.get(column))) else { return };
    for column in subjects().filter(|&column| column != best).collect::<Vec<_>>() {
        kinds[column] = ColumnKind::Other(own_name(&names.get(column)).into());
    }
}

/// The first of several columns with the same meaning keeps it; the others are kept under their own names.
fn keep_first(names: &ColumnNames, kinds: &mut [ColumnKind]) {
    let (mut taken, mut copies) = (BTreeSet::<Arc<str>>::new(), BTreeMap::<String, usize>::new());
    for (name, kind) in names.iter().zip(kinds.iter_mut()) {
        let meaning = match &*kind {
            ColumnKind::Sample(_) | ColumnKind::TruthSample(_) | ColumnKind::Nothing => continue,
            ColumnKind::Peak(peak, _) => PEAK_COLUMNS[*peak].into(),
            ColumnKind::Frequency(_) => "frequency_hz".into(),
            ColumnKind::SamplePeriodUs => "SampleRateHz".into(),
            ColumnKind::OnsetDelayMs => "T0Ms".into(),
            ColumnKind::Number(name) => (*name).into(),
            ColumnKind::Other(name) => name.clone(),
            other => format!("{other:?}").into(),
        };
        if taken.insert(meaning) {
            continue;
        }
        let own = own_name(&name);
        let copy = copies.entry(own.clone()).or_default();
        *kind = loop {
            *copy += 1;
            let other: Arc<str> = if *copy == 1 { format!("file_{own}") } else { format!("file_{copy}_{own}") }.into();
            if taken.insert(other.clone()) {
                break ColumnKind::Other(other);
            }
        };
    }
}

/// The number in a sample's name: `s0`, `s000`.
fn sample_number(name: &str, prefix: &str) -> Option<usize> {
    digits(name.strip_prefix(prefix)?)
}

fn digits(text: &str) -> Option<usize> {
    let plain = !text.is_empty() && text.len() < 10 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Removes the `X` that R puts before a number.
fn without_x(name: &str) -> &str {
    name.strip_prefix('X').filter(|number| number.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(name)
}

/// The number in a name that is only a number: `7`, `007`, `7.0` as pandas writes it, or `X7` as R does.
fn plain_number(name: &str) -> Option<usize> {
    let name = without_x(name);
    let (whole, fraction) = name.split_once('.').unwrap_or((name, "0"));
    digits(whole).filter(|_| !fraction.is_empty() && fraction.bytes().all(|b| b == b'0'))
}

fn own(name: &str) -> ColumnKind {
    let peak = PEAK_COLUMNS.iter().position(|peak| *peak == name);
    let truth_latency = || WAVES.iter().position(|wave| name == format!("truth_{wave}_ms"));
    match name {
        "subject_id" => ColumnKind::Subject,
        "sample_rate_hz" => ColumnKind::SampleRateHz,
        "t0_ms" => ColumnKind::T0Ms,
        _ if units::is_name(name) => ColumnKind::Unit,
        _ if is_row_number(name) => ColumnKind::Nothing,
        _ => match (sample_number(name, "s"), sample_number(name, "truth_s"), peak) {
            (Some(i), _, _) => ColumnKind::Sample(i),
            (_, Some(i), _) => ColumnKind::TruthSample(i),
            (_, _, Some(peak)) => ColumnKind::Peak(peak, Some(1.0)),
            _ => truth_latency().map_or_else(|| ColumnKind::Other(name.into()), ColumnKind::TruthLatency),
        },
    }
}

fn is_row_number(name: &str) -> bool {
    name.is_empty() || name.strip_prefix("Unnamed: ").is_some_and(|number| digits(number).is_some())
}

fn numbered(name: &str, first: usize) -> ColumnKind {
    if let Some(number) = plain_number(name) {
        // a number below the first sample has another meaning
        return number.checked_sub(first).map_or_else(|| ColumnKind::Other(own_name(name).into()), ColumnKind::Sample);
    }
    if is_row_number(name) {
        return ColumnKind::Nothing;
    }
    if units::is_name(name) {
        return ColumnKind::Unit;
    }
    if let Some((peak, factor)) = label(name) {
        return ColumnKind::Peak(peak, factor);
    }
    meaning(name).unwrap_or_else(|| ColumnKind::Other(own_name(name).into()))
}

/// Whether a recorder's column of this name names the subject.
pub fn names_subject(name: &str) -> bool {
    meaning(name) == Some(ColumnKind::Subject)
}

/// The meaning of a recorder's column name; `None` if unknown.
pub fn meaning(name: &str) -> Option<ColumnKind> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let scales = ["pespl", "spl", "nhl", "ehl", "hl"].iter();
    let db = scales.filter_map(|scale| plain.strip_suffix(scale)).find(|plain| plain.ends_with("db"));
    Some(match db.unwrap_or(&plain) {
        "subject" | "subjectid" | "subjectname" | "subid" | "patient" | "patientid" | "patientname" | "id"
        | "animal" | "animalid" | "mouse" => ColumnKind::Subject,
        "ear" | "side" | "testear" => ColumnKind::Ear,
        "freqhz" | "frequencyhz" | "stimfreqhz" => ColumnKind::Frequency(Some(1.0)),
        "freqkhz" | "frequencykhz" | "stimfreqkhz" => ColumnKind::Frequency(Some(1000.0)),
        "freq" | "frequency" | "stimfreq" | "stimulus" | "stimulusfrequency" => ColumnKind::Frequency(None),
        "sampleratehz" | "samplinghz" | "samplingratehz" | "samplingfrequencyhz" => ColumnKind::SampleRateHz,
        // BioSig's table of averages
        "sampper" | "sampperus" | "sampleperiodus" => ColumnKind::SamplePeriodUs,
        "ostime" | "onsetdelay" | "ostimems" | "onsetdelayms" => ColumnKind::OnsetDelayMs,
        "t0ms" => ColumnKind::T0Ms,
        "level"
        | "leveldb"
        | "intensity"
        | "intensitydb"
        | "stimuluslevel"
        | "stimulusleveldb"
        | "stimlevel"
        | "stimleveldb"
        | "stimulusintensity"
        | "stimulusintensitydb"
        | "stimintensity"
        | "stimintensitydb"
        | "soundlevel"
        | "soundleveldb"
        | "db" => ColumnKind::Number("level_db"),
        "rate" | "ratehz" | "stimrate" | "stimulusrate" | "clickrate" | "rates" => ColumnKind::Number("rate_hz"),
        "averages" | "naverages" | "noavgs" | "noaverages" | "sweeps" | "nsweeps" | "numberofsweeps" => {
            ColumnKind::Number("n_averages")
        }
        "artifacts" | "nartifacts" | "noarts" | "noartifacts" | "rejected" => ColumnKind::Number("n_artifacts"),
        "threshold" | "thresholddb" => ColumnKind::Number("threshold_db"),
        "channel" | "chan" => ColumnKind::Other("channel".into()),
        "polarity" => ColumnKind::Other("polarity".into()),
        _ => return None,
    })
}

/// A column's own name in snake case.
pub fn own_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    match words.map(str::to_lowercase).collect::<Vec<_>>().join("_").as_str() {
        "" => "unnamed".to_string(),
        "frequency_hz" | "stimulus" => format!("file_{name}"),
        name => text::free_name(name),
    }
}
