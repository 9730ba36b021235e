//! The bootstrap by groups: how much a measure would vary with other subjects.
//!
//! A replicate draws groups with replacement, as many as there are, and computes the measure with each group counted as
//! often as it was drawn. The interval holds the middle 95 % of the replicates (the percentile interval of Efron 1979,
//! "Bootstrap methods: another look at the jackknife", Ann. Stat. 7:1). Groups are the units that vary independently:
//! rows of one subject are alike, so an interval from rows drawn one by one would be too narrow.
//!
//! The draws depend on the number of groups alone, so two measures of the same groups see the same replicates.
use crate::purpose;

use super::quantile;
use crate::engine::rng::Stream;
use rayon::prelude::*;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

const REPLICATES: u32 = 400;

/// The share of the replicates inside the interval.
const SHARE: f64 = 0.95;

/// A measure with its bootstrap interval, if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The measure of all groups, each counted once.
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// The measure of `groups` groups with its 95 % interval over 400 replicates. `measure` gets the weight of each group.
///
/// NaN replicates are left out. There is no interval with fewer than two groups, or if fewer than half of the
/// replicates remain.
pub fn bootstrap(groups: usize, measure: impl Fn(&[f64]) -> f64 + Sync) -> Interval {
    bootstrap_all(groups, |weights| vec![measure(weights)]).remove(0)
}

/// Several measures at once, each as in [`bootstrap`], for measures that cost no more together than one alone.
pub fn bootstrap_all(groups: usize, measures: impl Fn(&[f64]) -> Vec<f64> + Sync) -> Vec<Interval> {
    let values = measures(&vec![1.0; groups]);
    let replicates = if groups < 2 { 0 } else { REPLICATES };
    let replicates = (0..replicates).into_par_iter().map(|replicate| measures(&drawn(groups, replicate)));
    let replicates: Vec<Vec<f64>> = replicates.collect();
    let interval = |(i, value): (usize, f64)| {
        let drawn = replicates.iter().map(|replicate| replicate[i]);
        Interval::of(value, drawn.filter(|value| !value.is_nan()).collect())
    };
    values.into_iter().enumerate().map(interval).collect()
}

impl Interval {
    /// A value without an interval.
    pub fn exact(value: f64) -> Interval {
        Interval { value, low: None, high: None }
    }

    fn of(value: f64, mut replicates: Vec<f64>) -> Interval {
        replicates.sort_unstable_by(f64::total_cmp);
        let enough = replicates.len() >= REPLICATES as usize / 2;
        let at = |share: f64| enough.then(|| quantile(&replicates, share));
        Interval { value, low: at((1.0 - SHARE) / 2.0), high: at((1.0 + SHARE) / 2.0) }
    }
}

/// How often each group is drawn in a replicate.
fn drawn(groups: usize, replicate: u32) -> Vec<f64> {
    let mut draws = Stream::new(0, purpose::EVALUATE, 1).at(replicate).rng(0);
    let mut weights = vec![0.0; groups];
    for _ in 0..groups {
        weights[draws.below(groups as u32) as usize] += 1.0;
    }
    weights
}

/// The weight of each row: that of its group.
///
/// # Panics
/// If a row's group has no weight.
pub fn of_rows(row_group: &[usize], weights: &[f64]) -> Vec<f64> {
    row_group.iter().map(|&group| weights[group]).collect()
}

/// `0.712 [0.650, 0.760]`, or the value alone; three decimals unless the format sets another precision.
impl Display for Interval {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let decimals = f.precision().unwrap_or(3);
        write!(f, "{:.decimals$}", self.value)?;
        match (self.low, self.high) {
            (Some(low), Some(high)) => write!(f, " [{low:.decimals$}, {high:.decimals$}]"),
            _ => Ok(()),
        }
    }
}
