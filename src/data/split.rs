//! Which rows train, which validate, which are kept for the test.

use crate::config::{DataConfig, SplitBy};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use std::collections::BTreeMap;

/// Row numbers of a [`Dataset`], each row in exactly one list, each list in rising order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
}

/// Deals the subjects (or the rows, when `data.split` is `"row"`) out by `data.seed`: the shares are rounded, but at least one
/// unit validates and, if `data.test_split` is above 0, at least one tests. Subjects go by name: the order of the rows does not
/// matter.
///
/// # Errors
/// [`Error::Input`] if too few are left to train on.
pub fn split(dataset: &Dataset, config: &DataConfig) -> Result<Split> {
    let mut units = match config.split {
        SplitBy::Subject => rows_by_subject(dataset),
        SplitBy::Row => (0..dataset.len()).map(|row| vec![row]).collect(),
    };
    let n = units.len();
    let share = |part: f64| if part > 0.0 { ((n as f64 * part).round() as usize).max(1) } else { 0 };
    let (validation, test) = (share(config.validation_split), share(config.test_split));
    Stream::new(config.seed, Purpose::Split, 0).draws(0).shuffle(&mut units);

    let train = units.split_off((validation + test).min(n));
    let test = units.split_off(validation.min(units.len()));
    let split = Split { train: rows(train), validation: rows(units), test: rows(test) };
    // batch norm needs two rows to train on
    if split.train.len() < 2 { Err(too_few(dataset, config, n)) } else { Ok(split) }
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
    let (what, remedy) = match config.split {
        SplitBy::Subject => (
            "subject",
            "add recordings of other subjects, choose smaller shares, or set data.split to \"row\", which puts rows of one \
             subject into training and test alike, so that the results say nothing about new subjects",
        ),
        SplitBy::Row => ("row", "add recordings or choose smaller shares"),
    };
    let plural = if n == 1 { "" } else { "s" };
    let problem = format!(
        "{n} {what}{plural} cannot be split: with data.validation_split {} and data.test_split {} at least two rows must be \
         left to train on",
        config.validation_split, config.test_split
    );
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

    proptest! {
        #[test]
        fn every_row_once_and_no_subject_twice(
            names in proptest::collection::vec(0_u8..20, 3..200), seed: u64, validation in 0.01..0.6, test in 0.0..0.39,
        ) {
            let mut data = dataset(names.len(), 1);
            data.subjects = names.iter().map(|n| format!("S{n}")).collect();
            let config = DataConfig { seed, validation_split: validation, test_split: test, ..DataConfig::default() };
            let Ok(parts) = split(&data, &config) else { return Ok(()) };

            let mut all = [parts.train.clone(), parts.validation.clone(), parts.test.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..data.len()).collect::<Vec<_>>());
            let subjects = |rows: &[usize]| rows.iter().map(|&r| names[r]).collect::<std::collections::BTreeSet<_>>();
            let (a, b, c) = (subjects(&parts.train), subjects(&parts.validation), subjects(&parts.test));
            prop_assert!(a.is_disjoint(&b) && a.is_disjoint(&c) && b.is_disjoint(&c));
            prop_assert!(!b.is_empty());
            // another order of the rows: the same subjects
            data.subjects.reverse();
            let reversed = split(&data, &config).unwrap();
            let turned: Vec<usize> = reversed.test.iter().rev().map(|r| data.len() - 1 - r).collect();
            prop_assert_eq!(turned, parts.test);
        }
    }
}
