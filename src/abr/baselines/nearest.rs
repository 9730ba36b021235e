//! A trace from its condition alone: the mean of the training traces with the nearest conditions.

use super::kd_tree::KdTree;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

/// The numbers of neighbours to [choose](NearestCondition::choose) from.
pub const NEIGHBOURS: [usize; 7] = [1, 5, 10, 25, 50, 100, 200];

/// Predicts a trace from its condition alone: the mean of the training traces with the nearest conditions.
///
/// The distance is Euclidean, between encoded (standardised) conditions; among equally near rows, the first counts as
/// nearer.
#[derive(Debug, Clone)]
pub struct NearestCondition<'a> {
    conditions: KdTree<'a>,
    signals: ArrayView2<'a, f32>,
}

impl<'a> NearestCondition<'a> {
    /// Stores the training rows: encoded `conditions [N, S]` and their `signals [N, L]` in µV.
    ///
    /// # Panics
    /// If there are no rows, or the numbers of rows differ.
    pub fn fit(conditions: ArrayView2<'a, f32>, signals: ArrayView2<'a, f32>) -> Self {
        assert_eq!(conditions.nrows(), signals.nrows(), "NearestCondition: conditions and signals");
        assert!(signals.nrows() > 0, "NearestCondition: no training rows");
        NearestCondition { conditions: KdTree::new(conditions), signals }
    }

    /// `[M, L]` in µV: for each row of `conditions [M, S]`, the mean trace of the `neighbours` nearest training rows,
    /// or of all if there are fewer.
    pub fn predict(&self, conditions: ArrayView2<f32>, neighbours: usize) -> Array2<f32> {
        let (rows, length) = (conditions.nrows(), self.signals.ncols());
        let mut traces = vec![0.0; rows * length];
        traces.par_chunks_mut(length).enumerate().for_each(|(row, trace)| {
            let nearest = self.conditions.nearest(conditions.row(row), neighbours.max(1));
            for (v, sum) in trace.iter_mut().zip(self.sum(&nearest)) {
                *v = (sum / nearest.len() as f64) as f32;
            }
        });
        Array2::from_shape_vec((rows, length), traces).expect("rows of L samples")
    }

    /// The element of `candidates` whose prediction of the validation rows (`conditions [M, S]`, `target [M, L]` in µV)
    /// has the smallest squared error; among equals, the first. The target may be noisy, because its noise is
    /// independent of the prediction.
    ///
    /// # Panics
    /// If there is no candidate.
    pub fn choose(&self, candidates: &[usize], conditions: ArrayView2<f32>, target: ArrayView2<f32>) -> usize {
        assert_eq!(conditions.nrows(), target.nrows(), "NearestCondition: conditions and target");
        let rows: Vec<Vec<f64>> = (0..conditions.nrows())
            .into_par_iter()
            .map(|row| self.squared_errors(candidates, conditions.row(row), target.row(row)))
            .collect();
        let error = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>();
        let best = (0..candidates.len()).min_by(|&a, &b| error(a).total_cmp(&error(b)));
        candidates[best.expect("at least one candidate")]
    }

    /// The squared error of one row for each number of neighbours, from one search.
    fn squared_errors(&self, candidates: &[usize], condition: ArrayView1<f32>, target: ArrayView1<f32>) -> Vec<f64> {
        let nearest = self.conditions.nearest(condition, candidates.iter().copied().fold(1, usize::max));
        let error = |&neighbours: &usize| {
            let nearest = &nearest[..neighbours.clamp(1, nearest.len())];
            let sum = self.sum(nearest);
            let difference = |(sum, &target): (&f64, &f32)| sum / nearest.len() as f64 - f64::from(target);
            sum.iter().zip(target).map(difference).map(|d| d * d).sum()
        };
        candidates.iter().map(error).collect()
    }

    fn sum(&self, rows: &[usize]) -> Array1<f64> {
        let mut sum = Array1::zeros(self.signals.ncols());
        for &row in rows {
            sum.zip_mut_with(&self.signals.row(row), |sum, &v| *sum += f64::from(v));
        }
        sum
    }
}
