//! Which rows train, which validate, which are kept for the test.

use crate::config::{DataConfig, HeldValue, SplitBy};
use crate::data::{Column, Dataset, Values, hash::data_hash};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Row numbers of a [`Dataset`], no row in two lists, each list in rising order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
    /// Rows that a held-out condition leaves to no part.
    pub unused: Vec<usize>,
}

/// Deals the subjects (or the rows, when `data.split` is `"row"`) out by `data.seed`: the shares are rounded, but at least one
/// unit validates and, if `data.test_split` is above 0, at least one tests. Subjects go by name: the order of the rows does not
/// matter. See [`SplitBy`] for folds and held-out conditions.
///
/// # Errors
/// [`Error::Input`] if too few are left to train on, or if no row tests a held-out condition.
pub fn split(dataset: &Dataset, config: &DataConfig) -> Result<Split> {
    let mut units = match config.split {
        SplitBy::Row => (0..dataset.len()).map(|row| vec![row]).collect(),
        _ => rows_by_subject(dataset),
    };
    let n = units.len();
    let share = |part: f64| if part > 0.0 { ((n as f64 * part).round() as usize).max(1) } else { 0 };
    Stream::new(config.seed, Purpose::Split, 0).draws(0).shuffle(&mut units);
    let (validation, test) = (share(config.validation_split), share(config.test_split));
    let testing = match config.split {
        SplitBy::KFold { folds, .. } if n < folds => return Err(too_few(dataset, config, n)),
        SplitBy::KFold { folds, fold } => n * fold / folds..n * (fold + 1) / folds,
        _ => validation.min(n)..(validation + test).min(n),
    };
    let test: Vec<_> = units.splice(testing, []).collect();
    let train = units.split_off(validation.min(units.len()));
    let mut split = Split { train: rows(train), validation: rows(units), test: rows(test), unused: Vec::new() };
    if let SplitBy::HeldOut { column, values } = &config.split {
        split.hold_out(dataset, column, values)?;
    }
    // batch norm needs two rows to train on
    if split.train.len() < 2 { Err(too_few(dataset, config, n)) } else { Ok(split) }
}

impl Split {
    /// Leaves the condition to the test rows, and the test rows the condition alone.
    fn hold_out(&mut self, dataset: &Dataset, column: &str, values: &[HeldValue]) -> Result<()> {
        let found = dataset.statics.iter().find(|c| c.name == column).expect("checked: a static column");
        let held = |row: &usize| values.iter().any(|value| holds(found, *row, value));
        for (part, wanted) in [(&mut self.train, false), (&mut self.validation, false), (&mut self.test, true)] {
            self.unused.extend(part.extract_if(.., |row| held(row) != wanted));
        }
        self.unused.sort_unstable();
        if self.test.is_empty() {
            let problem = format!("no subject that tests has a row with {column} of {}", listed(values));
            let remedy = "hold out a condition that is there, raise data.test_split, or choose another data.seed";
            return Err(Error::input(&dataset.source, "data.split.held_out", problem, remedy));
        }
        Ok(())
    }

    /// What says which rows and subjects went where: with the data's hash, enough to tell whether a row was trained on.
    pub fn manifest(&self, dataset: &Dataset, config: &DataConfig) -> Value {
        #[derive(Serialize)]
        struct Part<'a> {
            rows: usize,
            subjects: Vec<&'a str>,
            /// Counted from 1, in the order in which they were read, without those that `data.filters` leave out.
            row_numbers: Vec<usize>,
        }
        let part = |rows: &[usize]| Part {
            rows: rows.len(),
            subjects: subjects(dataset, rows).into_iter().collect(),
            row_numbers: rows.iter().map(|row| row + 1).collect(),
        };
        json!({
            "data": dataset.source,
            "sha256": data_hash(dataset),
            "split": config.split,
            "seed": config.seed,
            "train": part(&self.train),
            "validation": part(&self.validation),
            "test": part(&self.test),
            "unused": part(&self.unused),
        })
    }
}

/// The subjects of rows, in the order of their names.
pub fn subjects<'a>(dataset: &'a Dataset, rows: &[usize]) -> BTreeSet<&'a str> {
    rows.iter().map(|&row| dataset.subjects[row].as_str()).collect()
}

fn holds(column: &Column, row: usize, value: &HeldValue) -> bool {
    match (&column.values, value) {
        (Values::Number(have), HeldValue::Number(wanted)) => have[row] == *wanted,
        (Values::Text(have), HeldValue::Text(wanted)) => have[row] == *wanted,
        // a category may look like a number, and a number may be quoted
        (Values::Text(have), HeldValue::Number(wanted)) => have[row].parse() == Ok(*wanted),
        (Values::Number(have), HeldValue::Text(wanted)) => wanted.parse() == Ok(have[row]),
    }
}

fn listed(values: &[HeldValue]) -> String {
    let text = |value: &HeldValue| match value {
        HeldValue::Number(number) => number.to_string(),
        HeldValue::Text(text) => text.clone(),
    };
    values.iter().map(text).collect::<Vec<_>>().join(", ")
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
        SplitBy::Subject | SplitBy::HeldOut { .. } => (
            "subject",
            shares,
            "add recordings of other subjects, choose smaller shares, or set data.split to \"row\", which puts rows of one \
             subject into training and test alike, so that the results say nothing about new subjects",
        ),
    };
    let problem = format!("{n} {what}{plural} cannot be split: with {how} at least two rows must be left to train on");
    Error::input(&dataset.source, "", problem, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixture::dataset;
    use proptest::prelude::*;

    fn by_row() -> DataConfig {
        DataConfig { split: SplitBy::Row, ..DataConfig::default() }
    }

    #[test]
    fn counts_are_rounded_and_never_zero() {
        let config = DataConfig::default();
        let parts = split(&dataset(100, 10), &config).unwrap();
        // 10 subjects of 10 rows: 0.2 and 0.15 are 2 and, rounded up, 2
        assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (60, 20, 20));
        let parts = split(&dataset(9, 3), &config).unwrap();
        assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (3, 3, 3));
        let parts = split(&dataset(9, 3), &DataConfig { test_split: 0.0, ..config }).unwrap();
        assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (6, 3, 0));
    }

    #[test]
    fn the_seed_decides() {
        let data = dataset(200, 50);
        let at = |seed| split(&data, &DataConfig { seed, ..DataConfig::default() }).unwrap();
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
    }

    #[test]
    fn one_subject_is_refused_and_may_be_split_by_row() {
        let message = split(&dataset(50, 1), &DataConfig::default()).unwrap_err().to_string();
        assert!(
            message.contains("1 subject cannot be split") && message.contains("data.split to \"row\""),
            "{message}"
        );
        assert!(split(&dataset(50, 2), &DataConfig::default()).is_err());
        assert_eq!(split(&dataset(50, 1), &by_row()).unwrap().validation.len(), 10);
        assert!(split(&dataset(3, 1), &by_row()).unwrap_err().to_string().contains("3 rows cannot be split"));
    }

    #[test]
    fn every_subject_tests_in_one_fold() {
        let data = dataset(70, 10);
        let fold = |fold| DataConfig { split: SplitBy::KFold { folds: 4, fold }, ..DataConfig::default() };
        let mut tested: Vec<usize> = (0..4).flat_map(|i| split(&data, &fold(i)).unwrap().test).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..70).collect::<Vec<_>>());
        let message = split(&dataset(9, 3), &fold(0)).unwrap_err().to_string();
        assert!(message.contains("3 subjects cannot be split: with 4 folds"), "{message}");
    }

    #[test]
    fn a_held_out_condition_is_only_tested() {
        let data = dataset(350, 50);
        let held = |values| SplitBy::HeldOut { column: "level_db".into(), values };
        let config = |values| DataConfig { split: held(values), ..DataConfig::default() };
        let parts = split(&data, &config(vec![HeldValue::Number(30.0), HeldValue::Number(80.0)])).unwrap();
        let Values::Number(levels) = &data.statics[0].values else { unreachable!("a number column") };
        let at = |rows: &[usize]| rows.iter().filter(|&&r| [30.0, 80.0].contains(&levels[r])).count();
        assert_eq!((at(&parts.train), at(&parts.validation), at(&parts.test)), (0, 0, parts.test.len()));
        assert!(!parts.test.is_empty() && parts.unused.len() > parts.test.len());
        let quoted = vec![HeldValue::Text("30".into()), HeldValue::Text("80.0".into())];
        assert_eq!(split(&data, &config(quoted)).unwrap(), parts);
        let message = split(&data, &config(vec![HeldValue::Number(31.0)])).unwrap_err().to_string();
        assert!(message.contains("level_db of 31"), "{message}");
    }

    #[test]
    fn the_manifest_names_every_row_and_subject() {
        let data = dataset(20, 5);
        let parts = split(&data, &DataConfig::default()).unwrap();
        let manifest = parts.manifest(&data, &DataConfig::default());
        assert_eq!(manifest["sha256"], data_hash(&data));
        let numbers = |part: &str| manifest[part]["row_numbers"].as_array().unwrap().len();
        assert_eq!(numbers("train") + numbers("validation") + numbers("test"), 20);
        assert_eq!(manifest["validation"]["subjects"].as_array().unwrap().len(), 1);
    }

    fn any_subject_split() -> impl Strategy<Value = SplitBy> {
        let folds = (2_usize..6).prop_flat_map(|folds| (Just(folds), 0..folds));
        prop_oneof![
            Just(SplitBy::Subject),
            folds.prop_map(|(folds, fold)| SplitBy::KFold { folds, fold }),
            (0_u8..7).prop_map(|level| SplitBy::HeldOut {
                column: "level_db".into(),
                values: vec![HeldValue::Number(20.0 + 10.0 * f64::from(level))]
            }),
        ]
    }

    proptest! {
        #[test]
        fn every_row_once_and_no_subject_twice(
            names in proptest::collection::vec(0_u8..20, 3..200), seed: u64, validation in 0.01..0.6, test in 0.0..0.39,
            by in any_subject_split(),
        ) {
            let mut data = dataset(names.len(), 1);
            data.subjects = names.iter().map(|n| format!("S{n}")).collect();
            let config =
                DataConfig { seed, validation_split: validation, test_split: test, split: by, ..DataConfig::default() };
            let Ok(parts) = split(&data, &config) else { return Ok(()) };

            let mut all = [&parts.train[..], &parts.validation, &parts.test, &parts.unused].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..data.len()).collect::<Vec<_>>());
            let subjects = |rows: &[usize]| rows.iter().map(|&r| names[r]).collect::<std::collections::BTreeSet<_>>();
            let (a, b, c) = (subjects(&parts.train), subjects(&parts.validation), subjects(&parts.test));
            prop_assert!(a.is_disjoint(&b) && a.is_disjoint(&c) && b.is_disjoint(&c));
            let held_out = matches!(config.split, SplitBy::HeldOut { .. });
            prop_assert!(held_out || (!b.is_empty() && parts.unused.is_empty()));
            // another order of the rows: the same subjects
            if held_out {
                return Ok(());
            }
            data.subjects.reverse();
            let reversed = split(&data, &config).unwrap();
            let turned: Vec<usize> = reversed.test.iter().rev().map(|r| data.len() - 1 - r).collect();
            prop_assert_eq!(turned, parts.test);
        }
    }
}
