//! Which column of a table holds what.

use crate::config::{DataConfig, Encoding, PrepareConfig, StaticColumn};
use crate::data::{PEAK_COLUMNS, WAVES};
use crate::error::{Error, Result, nearest};
use std::collections::HashMap;

/// A column of the table: its place in a row, and its name for messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub index: usize,
    pub name: String,
}

/// The columns that are read, found in the header.
#[derive(Debug)]
pub struct Layout {
    /// Columns a row must have.
    pub width: usize,
    /// The first `signal_length` samples, or all if they are to be prepared.
    pub samples: Vec<Place>,
    /// Samples that the table has beyond them.
    pub cut: usize,
    /// One a filter of `data.filters`.
    pub filters: Vec<Place>,
    pub statics: Vec<StaticPlace>,
    pub subject: Option<Place>,
    pub sample_rate_hz: Option<Place>,
    pub t0_ms: Option<Place>,
    pub peaks: [Option<Place>; PEAK_COLUMNS.len()],
    pub truth: Option<TruthLayout>,
}

/// A static column and what its cells may hold.
#[derive(Debug)]
pub struct StaticPlace {
    pub place: Place,
    pub encoding: Encoding,
    /// Whether a cell may be empty.
    pub may_miss: bool,
}

/// The columns of a simulated row's truth.
#[derive(Debug)]
pub struct TruthLayout {
    pub samples: Vec<Place>,
    pub latencies_ms: [Option<Place>; WAVES.len()],
}

impl Layout {
    /// Finds the columns that `config` and the model need.
    pub fn find(source: &str, header: &[String], config: &DataConfig, signal_length: usize) -> Result<Layout> {
        let header = Header::new(source, header)?;
        let wanted = if config.prepare == PrepareConfig::default() { Some(signal_length) } else { None };
        let (samples, cut) = header.samples("s", wanted)?;
        let truth = match header.index.contains_key("truth_s0") {
            true => Some(TruthLayout {
                samples: header.samples("truth_s", wanted)?.0,
                latencies_ms: WAVES.map(|wave| header.find(&format!("truth_{wave}_ms"))),
            }),
            false => None,
        };
        let static_place = |column: &StaticColumn| {
            Ok(StaticPlace {
                place: header.need(column.name(), "data.static_columns")?,
                encoding: column.encoding(),
                may_miss: config.impute_statics.iter().any(|name| name == column.name()),
            })
        };
        let layout = Layout {
            width: header.names.len(),
            samples,
            cut,
            filters: config.filters.iter().map(|f| header.need(&f.column, "data.filters")).collect::<Result<_>>()?,
            statics: config.static_columns.iter().map(static_place).collect::<Result<_>>()?,
            subject: header.find(&config.subject_column),
            sample_rate_hz: header.find("sample_rate_hz"),
            t0_ms: header.find("t0_ms"),
            peaks: PEAK_COLUMNS.map(|name| header.find(name)),
            truth,
        };
        header.check_needs(&layout, config)?;
        Ok(layout)
    }
}

struct Header<'a> {
    source: &'a str,
    names: &'a [String],
    index: HashMap<&'a str, usize>,
}

impl<'a> Header<'a> {
    fn new(source: &'a str, names: &'a [String]) -> Result<Self> {
        let mut index = HashMap::new();
        for (i, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if let Some(first) = index.insert(name.as_str(), i) {
                let problem = format!("columns {} and {} are both named `{name}`", first + 1, i + 1);
                return Err(Error::input(source, "header", problem, "rename or remove one of them"));
            }
        }
        Ok(Header { source, names, index })
    }

    fn find(&self, name: &str) -> Option<Place> {
        self.index.get(name).map(|&index| Place { index, name: name.to_string() })
    }

    fn error(&self, problem: String, remedy: impl std::fmt::Display) -> Error {
        Error::input(self.source, "header", problem, remedy)
    }

    /// The first `wanted` of the columns `<prefix>0`, `<prefix>1`, … (or all), and how many follow them.
    fn samples(&self, prefix: &str, wanted: Option<usize>) -> Result<(Vec<Place>, usize)> {
        let all: Vec<Place> = (0..).map_while(|i| self.find(&format!("{prefix}{i}"))).collect();
        if all.is_empty() {
            let remedy = match self.names {
                [one] if one.contains([';', '\t']) => "save the table with commas between the columns",
                _ => {
                    "name the columns of the samples s0, s1, s2, … in the order of time; the first line holds the names"
                }
            };
            return Err(self.error(format!("no column `{prefix}0`"), remedy));
        }
        let found = all.len();
        let number = |name: &String| name.strip_prefix(prefix)?.parse::<usize>().ok();
        if let Some(beyond) = self.names.iter().filter_map(number).filter(|&i| i > found).min() {
            let problem = format!("column `{prefix}{found}` is missing, though `{prefix}{beyond}` is there");
            return Err(self.error(problem, "number the samples without a gap"));
        }
        let wanted = wanted.unwrap_or(found);
        if found < wanted {
            let problem =
                format!("{found} samples a row (`{prefix}0` to `{}`), but {wanted} are wanted", all[found - 1].name);
            return Err(
                self.error(problem, format!("set model.signal_length to {found} or less, or use longer recordings"))
            );
        }
        Ok((all.into_iter().take(wanted).collect(), found - wanted))
    }

    fn need(&self, name: &str, key: &str) -> Result<Place> {
        self.find(name).ok_or_else(|| {
            let near = match nearest(name, self.metadata()) {
                Some(near) => format!("is it `{near}`? "),
                None => String::new(),
            };
            let columns = self.metadata().collect::<Vec<_>>().join(", ");
            self.error(
                format!("no column `{name}`, which {key} names"),
                format!("{near}{key} may name any of: {columns}"),
            )
        })
    }

    /// Names of columns that are not samples.
    fn metadata(&self) -> impl Iterator<Item = &'a str> {
        let sample = |name: &str| {
            let number = name.strip_prefix("truth_").unwrap_or(name).strip_prefix('s');
            number.is_some_and(|digits| digits.parse::<usize>().is_ok())
        };
        self.names.iter().map(String::as_str).filter(move |name| !name.is_empty() && !sample(name))
    }

    fn check_needs(&self, layout: &Layout, config: &DataConfig) -> Result<()> {
        if layout.subject.is_none() && config.split.needs_subjects() {
            let near = nearest(&config.subject_column, self.metadata());
            let near = near.map(|near| format!(" (is it `{near}`?)")).unwrap_or_default();
            return Err(self.error(
                format!("no column `{}`, and the split is by subject", config.subject_column),
                format!(
                    "name the column with the subjects in data.subject_column{near}, or set data.split to \"row\"; a trained \
                     model is evaluated on other recordings with --split all"
                ),
            ));
        }
        for (column, setting, what) in
            [(&layout.sample_rate_hz, config.sample_rate_hz, "sample_rate_hz"), (&layout.t0_ms, config.t0_ms, "t0_ms")]
        {
            if column.is_none() && setting.is_none() {
                let example =
                    if what == "t0_ms" { "0.0 if the first sample is at the stimulus onset" } else { "20000.0" };
                return Err(self.error(
                    format!("no column `{what}`, and the configuration does not give it"),
                    format!(
                        "add the column, or, to train, set data.{what} (for example {example}); it is never assumed"
                    ),
                ));
            }
        }
        Ok(())
    }
}
