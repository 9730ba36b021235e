//! Probes: small regressions that predict the condition and the response from a trace.
//!
//! A generated trace is useful if it allows the same predictions as a real one. A probe sees a trace through its
//! coordinates on the first principal components of the training rows, 16 at most, and their squares: a delayed wave is
//! not a multiple of the same wave. Traces have the noise with which they are compared ([`Sides`]), and nothing is
//! subtracted from them.

mod labels;
mod synthetic;

pub(super) use labels::threshold_wave;

use crate::purpose;
pub use synthetic::{Absent, Task, TrainOnSynthetic};

use super::measures::{Interval, Ridge, of_rows, with_squares};
use super::sides::{Sides, Twins};
use super::table::{ReportTable, TableCell};
use super::wave_errors::mean;
use crate::engine::rng::Stream;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The maximum number of principal components that a probe sees.
const COMPONENTS: usize = 16;
/// The ridge penalty of every probe.
const RIDGE: f64 = 1e-2;
const FOLDS: usize = 5;

/// How well a ridge regression fitted to real traces predicts the level of real traces and of their twins.
///
/// The prediction for a real row comes from a probe that has not seen its subject: five folds of whole subjects, fewer
/// with fewer subjects, and folds of rows if there is only one subject. The prediction for a twin is the mean over the
/// probes of all folds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LevelProbe {
    pub real: LevelErrors,
    pub generated: LevelErrors,
}

/// The errors of the levels that a probe predicts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LevelErrors {
    /// Mean of |predicted - actual|.
    pub mae_db: Interval,
    /// Pearson's correlation of predicted and actual levels; NaN where one of them does not vary.
    pub r: Interval,
}

impl LevelProbe {
    /// Over the rows with a known level; `None` where they have fewer than two levels.
    pub fn of(sides: &Sides, twins: &Twins) -> Option<LevelProbe> {
        let (rows, levels) = with_level(sides).filter(|(_, levels)| vary(levels))?;
        let points = |traces: &Array2<f64>| features(sides, traces.view()).select(Axis(0), &rows);
        let subjects: Vec<usize> = rows.iter().map(|&row| sides.subjects[row]).collect();
        let (real, twins) = (points(&sides.real), points(&twins.compared));
        let (real, generated) = out_of_fold(real.view(), &levels, &folds(&subjects), twins.view());
        let errors = |predicted: &[f64]| LevelErrors {
            mae_db: sides.interval(|weights| mae(predicted, &levels, &of_rows(&rows, weights))),
            r: sides.interval(|weights| correlation(predicted, &levels, &of_rows(&rows, weights))),
        };
        Some(LevelProbe { real: errors(&real), generated: errors(&generated) })
    }
}

/// The indices of the rows with a level, and their levels in dB; `None` where the model has no level variable.
fn with_level(sides: &Sides) -> Option<(Vec<usize>, Vec<f64>)> {
    let levels = sides.levels_db.as_ref()?.iter().copied().enumerate();
    Some(levels.filter(|(_, level)| level.is_finite()).unzip())
}

fn vary(values: &[f64]) -> bool {
    values.iter().any(|value| *value != values[0])
}

/// `[N, 2 K]`: the features that probes see of `traces [N, L]` in µV.
fn features(sides: &Sides, traces: ArrayView2<f64>) -> Array2<f64> {
    features_by(sides.baselines().pca.components.view(), traces)
}

/// The same, for principal components `[L, rank]`.
fn features_by(components: ArrayView2<f64>, traces: ArrayView2<f64>) -> Array2<f64> {
    let kept = COMPONENTS.min(components.ncols());
    with_squares(&traces.dot(&components.slice(s![.., ..kept])))
}

/// The fold of each row, from 0. Subjects are distributed evenly in random order; with one subject only, so are its
/// rows.
fn folds(subjects: &[usize]) -> Vec<usize> {
    let units: Vec<usize> =
        if subjects.iter().all(|s| *s == subjects[0]) { (0..subjects.len()).collect() } else { subjects.to_vec() };
    let mut order: Vec<usize> = BTreeSet::from_iter(units.iter().copied()).into_iter().collect();
    Stream::new(0, purpose::EVALUATE, 3).rng(0).shuffle(&mut order);
    let fold_of: BTreeMap<usize, usize> = order.into_iter().enumerate().map(|(i, unit)| (unit, i % FOLDS)).collect();
    units.iter().map(|unit| fold_of[unit]).collect()
}

/// Predicts the target `[N]` from `points [N, F]`, each row by a regression fitted to the other folds; and for `others
/// [M, F]`, the mean prediction of these regressions.
///
/// # Panics
/// If there are fewer than two folds.
fn out_of_fold(
    points: ArrayView2<f64>,
    target: &[f64],
    folds: &[usize],
    others: ArrayView2<f64>,
) -> (Vec<f64>, Vec<f64>) {
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let target = ArrayView1::from(target);
    let (mut predicted, mut of_others) = (vec![f64::NAN; points.nrows()], Array1::zeros(others.nrows()));
    for fold in 0..count {
        let (held_out, train): (Vec<usize>, Vec<usize>) = (0..folds.len()).partition(|&row| folds[row] == fold);
        let select = |rows: &[usize]| points.select(Axis(0), rows);
        let probe = Ridge::fit(select(&train).view(), target.select(Axis(0), &train).view(), None, RIDGE);
        let of_held_out = probe.predict(select(&held_out).view());
        held_out.iter().zip(of_held_out).for_each(|(&row, value)| predicted[row] = value);
        of_others += &(probe.predict(others) / count as f64);
    }
    (predicted, of_others.to_vec())
}

/// The weighted mean of |predicted - actual|; NaN if the weights sum to 0.
fn mae(predicted: &[f64], actual: &[f64], weights: &[f64]) -> f64 {
    mean(
        predicted
            .iter()
            .zip(actual)
            .zip(weights)
            .map(|((predicted, actual), weight)| (*weight, (predicted - actual).abs())),
    )
}

/// Pearson's correlation; NaN where one side does not vary.
fn correlation(a: &[f64], b: &[f64], weights: &[f64]) -> f64 {
    let mean_of = |of: &dyn Fn(usize) -> f64| mean(weights.iter().enumerate().map(|(i, weight)| (*weight, of(i))));
    let (mean_a, mean_b) = (mean_of(&|i| a[i]), mean_of(&|i| b[i]));
    let ab = mean_of(&|i| (a[i] - mean_a) * (b[i] - mean_b));
    let (aa, bb) = (mean_of(&|i| (a[i] - mean_a).powi(2)), mean_of(&|i| (b[i] - mean_b).powi(2)));
    ab / (aa * bb).sqrt()
}

impl LevelProbe {
    pub(super) fn table(&self) -> ReportTable {
        let mut table = ReportTable::new("level predicted by a probe of real traces", &["", "r", "MAE, dB"]);
        for (side, errors) in [("real", &self.real), ("generated", &self.generated)] {
            let number = |of, decimals, name| TableCell::interval(of, decimals, &format!("/level_probe/{side}/{name}"));
            table.push(side, [number(errors.r, 2, "r"), number(errors.mae_db, 1, "mae_db")]);
        }
        table
    }
}

#[cfg(test)]
mod tests;
