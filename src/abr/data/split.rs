//! Splits rows into training, validation and test.
use crate::purpose;

use crate::config::{DataConfig, HeldValue, SplitBy};
use crate::data::{Column, Dataset, Values};
use crate::engine::rng::Stream;
use crate::error::{Error, Result};
use crate::text::nearest;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// The most names or rows that a message lists; it counts the rest.
const LISTED: usize = 5;

/// Row numbers of a [`Dataset`], from 0: no row is in two lists, and each list is sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
    /// Rows that a held-out condition excludes from every part.
    pub unused: Vec<usize>,
}

/// Splits the subjects (the rows, if `data.split` is `"row"`) at random by `data.seed`. The shares are rounded, but a
/// share above 0 gets at least one subject (or row). Subjects are sorted by name first, so the order of the rows does
/// not matter. See [`SplitBy`] for folds and for held-out conditions and subjects.
///
/// # Errors
/// [`Error::Input`] if too few rows are left to train on, if no row tests a held-out condition, or if no subject has a
/// held-out name.
pub fn split(dataset: &Dataset, config: &DataConfig) -> Result<Split> {
    let mut units = match config.split {
        SplitBy::Row => (0..dataset.len()).map(|row| vec![row]).collect(),
        _ => rows_by_subject(dataset),
    };
    let n = units.len();
    Stream::new(config.seed, purpose::SPLIT, 0).rng(0).shuffle(&mut units);
    let (validation, test) = (share(n, config.validation_split), share(n, config.test_split));
    // if folds or held-out names leave a single subject, it trains
    let (test, validation) = match &config.split {
        SplitBy::KFold { folds, .. } if n < *folds => return Err(too_few(dataset, config, n)),
        SplitBy::KFold { folds, fold } => {
            let test: Vec<_> = units.splice(n * fold / folds..n * (fold + 1) / folds, []).collect();
            (test, if units.len() == 1 { 0 } else { validation })
        }
        SplitBy::HeldOut { column, values } if *column == config.subject_column => {
            check_names(dataset, values)?;
            let named = |rows: &mut Vec<usize>| values.iter().any(|value| is_text(&dataset.subjects[rows[0]], value));
            let test: Vec<_> = units.extract_if(.., named).collect();
            let rest = units.len();
            (test, if rest == 1 { 0 } else { share(rest, config.validation_split) })
        }
        _ => (units.splice(validation.min(n)..(validation + test).min(n), []).collect(), validation),
    };
    let train = units.split_off(validation.min(units.len()));
    let mut split = Split { train: rows(train), validation: rows(units), test: rows(test), unused: Vec::new() };
    if let SplitBy::HeldOut { column, values } = &config.split
        && *column != config.subject_column
    {
        split.hold_out(dataset, column, values)?;
    }
    // batch norm needs at least two training rows
    if split.train.len() < 2 { Err(too_few(dataset, config, n)) } else { Ok(split) }
}

/// The rounded share of `n`, at least 1 unless `part` is 0.
fn share(n: usize, part: f64) -> usize {
    if part > 0.0 { ((n as f64 * part).round() as usize).max(1) } else { 0 }
}

impl Split {
    /// The three parts with their names, without the unused rows.
    pub fn parts(&self) -> [(&'static str, &[usize]); 3] {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }

    /// Removes the held-out condition from training and validation, and all other conditions from the test.
    fn hold_out(&mut self, dataset: &Dataset, column: &str, values: &[HeldValue]) -> Result<()> {
        let found = dataset.conditions.iter().find(|c| c.name == column).expect("checked: a conditioning variable");
        let held = |row: &usize| values.iter().any(|value| holds(found, *row, value));
        for (part, wanted) in [(&mut self.train, false), (&mut self.validation, false), (&mut self.test, true)] {
            self.unused.extend(part.extract_if(.., |row| held(row) != wanted));
        }
        self.unused.sort_unstable();
        if self.test.is_empty() {
            let problem = format!("no test subject has a row with {column} of {}", listed(values));
            let remedy = "hold out a condition that occurs, raise data.test_split, or choose another data.seed";
            return Err(Error::input(&dataset.source, "data.split.held_out", problem, remedy));
        }
        Ok(())
    }

    /// Records which rows and subjects are in which part. With the data's hash (see
    /// [`data_hash`](super::hash::data_hash)) this is enough to tell whether a model was trained on a row.
    pub fn manifest(&self, dataset: &Dataset, hash: &str, config: &DataConfig) -> Value {
        #[derive(Serialize)]
        struct SplitPart<'a> {
            rows: usize,
            subjects: Vec<&'a str>,
            /// Counted from 1 in the order of reading, without rows that `data.filters` drop.
            row_numbers: Vec<usize>,
        }
        let part = |rows: &[usize]| SplitPart {
            rows: rows.len(),
            subjects: subjects(dataset, rows).into_iter().collect(),
            row_numbers: rows.iter().map(|row| row + 1).collect(),
        };
        json!({
            "data": dataset.source,
            "sha256": hash,
            "split": config.split,
            "seed": config.seed,
            "train": part(&self.train),
            "validation": part(&self.validation),
            "test": part(&self.test),
            "unused": part(&self.unused),
        })
    }
}

/// The distinct subjects of some rows, sorted by name.
pub fn subjects<'a>(dataset: &'a Dataset, rows: &[usize]) -> BTreeSet<&'a str> {
    rows.iter().map(|&row| dataset.subjects[row].as_str()).collect()
}

/// Whether this name stands for a row without a subject: `row 12`.
pub fn is_row_number(name: &str) -> bool {
    name.strip_prefix("row ").is_some_and(|number| number.parse::<usize>().is_ok())
}

fn holds(column: &Column, row: usize, value: &HeldValue) -> bool {
    match (&column.values, value) {
        (Values::Number(have), HeldValue::Number(wanted)) => have[row] == *wanted,
        (Values::Text(have), wanted) => is_text(&have[row], wanted),
        // the configuration may quote a number
        (Values::Number(have), HeldValue::Text(wanted)) => wanted.parse() == Ok(have[row]),
    }
}

/// Whether a category or a subject's name is this value. A name may look like a number.
fn is_text(have: &str, wanted: &HeldValue) -> bool {
    match wanted {
        HeldValue::Number(wanted) => have.parse() == Ok(*wanted),
        HeldValue::Text(wanted) => have == wanted,
    }
}

fn listed(values: &[HeldValue]) -> String {
    values.iter().map(written).collect::<Vec<_>>().join(", ")
}

fn written(value: &HeldValue) -> String {
    match value {
        HeldValue::Number(number) => number.to_string(),
        HeldValue::Text(text) => text.clone(),
    }
}

/// Refuses a held-out name that no subject has.
fn check_names(dataset: &Dataset, values: &[HeldValue]) -> Result<()> {
    let names: BTreeSet<&str> = dataset.subjects.iter().map(String::as_str).collect();
    let Some(unknown) = values.iter().find(|value| !names.iter().any(|name| is_text(name, value))) else {
        return Ok(());
    };
    let unknown = written(unknown);
    let near = nearest(&unknown, names.iter().copied());
    let hint = near.map_or(String::new(), |name| format!("did you mean {name}? "));
    let problem = format!("no subject is named {unknown}");
    let remedy = format!("{hint}the subjects are {}", some_of(names.into_iter()));
    Err(Error::input(&dataset.source, "data.split.held_out.values", problem, remedy))
}

/// The first few items of a list and the number of the rest: `A1, A2, A3 and 5 more`.
pub(super) fn some_of(items: impl ExactSizeIterator<Item: Display>) -> String {
    let more = items.len().saturating_sub(LISTED);
    let first: Vec<String> = items.take(LISTED).map(|item| item.to_string()).collect();
    match more {
        0 => first.join(", "),
        _ => format!("{} and {more} more", first.join(", ")),
    }
}

fn rows_by_subject(dataset: &Dataset) -> Vec<Vec<usize>> {
    let mut subjects: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, subject) in dataset.subjects.iter().enumerate() {
        subjects.entry(subject).or_default().push(row);
    }
    subjects.into_values().collect()
}

fn rows(units: Vec<Vec<usize>>) -> Vec<usize> {
    let mut rows = units.concat();
    rows.sort_unstable();
    rows
}

fn too_few(dataset: &Dataset, config: &DataConfig, n: usize) -> Error {
    let plural = if n == 1 { "" } else { "s" };
    let shares = format!("data.validation_split {} and data.test_split {}", config.validation_split, config.test_split);
    let (what, how, remedy) = match &config.split {
        SplitBy::Row => ("row", shares, "add recordings or choose smaller shares"),
        SplitBy::KFold { folds, .. } => (
            "subject",
            format!("{folds} folds and data.validation_split {}", config.validation_split),
            "add recordings of other subjects, or choose fewer folds",
        ),
        SplitBy::HeldOut { column, values } if *column == config.subject_column => {
            ("subject", format!("{} held out", listed(values)), "hold out fewer subjects, or add recordings of others")
        }
        SplitBy::Subject | SplitBy::HeldOut { .. } => (
            "subject",
            shares,
            "add recordings of other subjects, choose smaller shares, or set data.split to \"row\", which puts rows of \
             one subject into training and test alike, so that the results mean nothing for new subjects",
        ),
    };
    let problem = format!("{n} {what}{plural} cannot be split: with {how} at least two rows must be left to train on");
    Error::input(&dataset.source, "", problem, remedy)
}

#[cfg(test)]
mod tests;
