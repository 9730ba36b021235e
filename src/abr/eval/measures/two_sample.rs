//! The classifier two-sample test: how well a classifier separates two sets of points.
//!
//! A classifier learns to separate rows of a from rows of b, and scores held-out rows. The area under its curve is .5
//! if both sets come from one population, and 1 if they can be separated perfectly (Lopez-Paz and Oquab 2017,
//! arXiv:1610.06545; unlike their accuracy, the area depends neither on a threshold nor on the sizes of the sets).
//!
//! Rows of one subject are alike, so whole subjects are held out: in five folds, or fewer if a side has fewer subjects,
//! but at least two. Each side's subjects are distributed evenly over the folds, in an order shuffled by the seed. An
//! id that occurs on both sides is one subject in one fold; otherwise the classifier would know it from the other side
//! and assign the wrong label. A side with a single subject is split by rows.
//!
//! Scores of two folds come from two classifiers and are not comparable: pooled over all folds, the area would be below
//! .5 for equal populations. [`HeldOut::auc`] is the mean of the folds' areas, weighted by their numbers of pairs.
use crate::purpose;

use super::distances::{distances_from, nth};
use super::{Logistic, Standard, auc, with_squares};
use crate::engine::rng::{Rng, Stream};
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use std::collections::{BTreeMap, BTreeSet};

const FOLDS: usize = 5;

/// The ridge of [`Classifier::Logistic`].
const RIDGE: f64 = 1e-2;

/// [`Classifier::Neighbours`] measures the distance to this neighbour.
const NEIGHBOURS: usize = 5;

/// The smallest distance, so that equal points have a finite logarithm.
const LEAST_DISTANCE: f64 = 1e-12;

/// The rows of one side.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// `[N, F]`
    pub points: ArrayView2<'a, f64>,
    /// `[N]`: the subject of each row.
    pub subjects: &'a [usize],
}

/// The kind of classifier. Both kinds see points standardised by the training rows of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classifier {
    /// Logistic regression on the standardised points and their squares, which detects differences in mean and
    /// variance.
    Logistic,
    /// Log distance to the 5th nearest training row of a minus that of b: a log density ratio up to a factor and a
    /// constant (Wang, Kulkarni and Verdú 2009, IEEE Trans. Inf. Theory 55:2392). The side with more training rows is
    /// randomly thinned to the size of the other.
    Neighbours,
}

/// Scores of rows by classifiers that have not seen them; a higher score means more like b.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOut {
    pub a: Vec<Scored>,
    pub b: Vec<Scored>,
}

/// A row's fold and its score there; NaN if one side had no training row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    pub fold: usize,
    pub score: f64,
}

/// Scores all rows of a and b, in their order.
///
/// # Panics
/// If the numbers of points and subjects or the dimensions of the sides differ, or a point is not finite.
pub fn two_sample<'a>(a: Sample<'a>, b: Sample<'a>, classifier: Classifier, seed: u64) -> HeldOut {
    for side in [a, b] {
        assert_eq!(side.points.nrows(), side.subjects.len(), "two_sample: points and subjects");
    }
    assert_eq!(a.points.ncols(), b.points.ncols(), "two_sample: the points' dimensions");
    let stream = Stream::new(seed, purpose::EVALUATE, 2);
    let folds = deal(a.subjects, b.subjects, stream);
    let unscored =
        |folds: &[usize]| -> Vec<Scored> { folds.iter().map(|&fold| Scored { fold, score: f64::NAN }).collect() };
    let mut held_out = HeldOut { a: unscored(&folds[0]), b: unscored(&folds[1]) };
    for fold in 0..FOLDS {
        let train = [(a, &folds[0]), (b, &folds[1])].map(|(side, folds)| {
            let rows: Vec<usize> = (0..folds.len()).filter(|&row| folds[row] != fold).collect();
            side.points.select(Axis(0), &rows)
        });
        if train.iter().any(|points| points.is_empty()) {
            continue;
        }
        let trained = FittedClassifier::new(classifier, train, stream.at(1 + fold as u32));
        for (points, scored) in [(a.points, &mut held_out.a), (b.points, &mut held_out.b)] {
            let rows: Vec<usize> = (0..scored.len()).filter(|&row| scored[row].fold == fold).collect();
            let scores = trained.scores(points.select(Axis(0), &rows).view());
            rows.into_iter().zip(scores).for_each(|(row, score)| scored[row].score = score);
        }
    }
    held_out
}

/// The fold of each row of a and of b.
fn deal(a: &[usize], b: &[usize], stream: Stream) -> [Vec<usize>; 2] {
    // the units to distribute: the subjects of a side, or the rows of a single subject
    let units = |subjects: &[usize], side: usize| -> Vec<(usize, usize)> {
        let one = subjects.iter().all(|subject| *subject == subjects[0]);
        let unit = |(row, subject): (usize, &usize)| if one { (1 + side, row) } else { (0, *subject) };
        subjects.iter().enumerate().map(unit).collect()
    };
    let (a, b) = (units(a, 0), units(b, 1));
    let in_a: BTreeSet<_> = a.iter().copied().collect();
    let in_b: BTreeSet<_> = b.iter().copied().collect();
    let folds = FOLDS.min(in_a.len()).min(in_b.len()).max(2);
    let shared = in_a.intersection(&in_b).count();
    let parts = [
        (in_a.intersection(&in_b).collect::<Vec<_>>(), 0),
        (in_a.difference(&in_b).collect(), shared),
        (in_b.difference(&in_a).collect(), shared),
    ];
    let mut fold_of = BTreeMap::new();
    for (sample, (mut part, first)) in parts.into_iter().enumerate() {
        stream.rng(sample as u32).shuffle(&mut part);
        fold_of.extend(part.into_iter().enumerate().map(|(i, unit)| (*unit, (first + i) % folds)));
    }
    [a, b].map(|units| units.iter().map(|unit| fold_of[unit]).collect())
}

/// A classifier fitted to the training rows of one fold.
struct FittedClassifier {
    standard: Standard,
    rule: Rule,
}

enum Rule {
    Logistic(Logistic),
    /// The standardised training rows of a and b, in equal numbers.
    Neighbours([Array2<f64>; 2]),
}

impl FittedClassifier {
    fn new(classifier: Classifier, train: [Array2<f64>; 2], stream: Stream) -> FittedClassifier {
        let pooled = concatenate(Axis(0), &[train[0].view(), train[1].view()]).expect("points of one dimension");
        let standard = Standard::of(pooled.view(), None);
        let rule = match classifier {
            Classifier::Logistic => {
                let is_b: Vec<bool> = (0..pooled.nrows()).map(|row| row >= train[0].nrows()).collect();
                let features = with_squares(&standard.apply(pooled.view()));
                Rule::Logistic(Logistic::fit(features.view(), &is_b, RIDGE))
            }
            Classifier::Neighbours => {
                let rows = train[0].nrows().min(train[1].nrows());
                let mut draws = stream.rng(0);
                Rule::Neighbours(train.map(|points| thinned(&standard.apply(points.view()), rows, &mut draws)))
            }
        };
        FittedClassifier { standard, rule }
    }

    fn scores(&self, points: ArrayView2<f64>) -> Vec<f64> {
        let points = self.standard.apply(points);
        match &self.rule {
            Rule::Logistic(logistic) => logistic.score(with_squares(&points).view()),
            Rule::Neighbours([a, b]) => {
                let log_distance = |_, to: &mut [f64]| nth(to, NEIGHBOURS).max(LEAST_DISTANCE).ln();
                let to = |train: &Array2<f64>| distances_from(points.view(), train.view(), log_distance);
                to(a).into_iter().zip(to(b)).map(|(to_a, to_b)| to_a - to_b).collect()
            }
        }
    }
}

/// This many rows, chosen at random if there are more. Their order does not matter here.
fn thinned(points: &Array2<f64>, rows: usize, draws: &mut Rng) -> Array2<f64> {
    if points.nrows() == rows {
        return points.clone();
    }
    let mut order: Vec<usize> = (0..points.nrows()).collect();
    draws.shuffle(&mut order);
    points.select(Axis(0), &order[..rows])
}

impl HeldOut {
    /// The probability that a row of b scores above a row of a in the same fold, with ties counted half: the mean of
    /// the folds' areas weighted by their numbers of pairs. NaN if a fold with pairs had no training rows, or if there
    /// is no pair.
    ///
    /// # Panics
    /// If the number of weights differs from the number of rows.
    pub fn auc(&self, weights_a: Option<&[f64]>, weights_b: Option<&[f64]>) -> f64 {
        let (mut sum, mut pairs) = (0.0, 0.0);
        for fold in 0..FOLDS {
            let (mut scores, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
            let mut totals = [0.0; 2];
            for (side, (rows, given)) in [(&self.a, weights_a), (&self.b, weights_b)].into_iter().enumerate() {
                assert!(given.is_none_or(|given| given.len() == rows.len()), "HeldOut: weights and rows");
                for (row, scored) in rows.iter().enumerate().filter(|(_, scored)| scored.fold == fold) {
                    let weight = given.map_or(1.0, |given| given[row]);
                    totals[side] += weight;
                    scores.push(scored.score);
                    labels.push(side == 1);
                    weights.push(weight);
                }
            }
            let in_fold = totals[0] * totals[1];
            if in_fold > 0.0 {
                sum += in_fold * auc(&scores, &labels, Some(&weights));
                pairs += in_fold;
            }
        }
        sum / pairs
    }
}
