//! What a model has to beat on the same rows: the training mean by nearest condition, and a linear model of its latent size.
//!
//! Both are fitted on the training rows; their one free number (neighbours, rank) is chosen on the validation rows, against
//! the noise-free truth where there is one.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rayon::prelude::*;

/// The numbers of neighbours to [choose](NearestCondition::choose) from.
pub const NEIGHBOURS: [usize; 7] = [1, 5, 10, 25, 50, 100, 200];

/// Predicts a trace from its condition alone: the mean of the training traces with the nearest conditions.
///
/// Near is the Euclidean distance of the encoded (standardised) conditions; of equally near rows the first counts as nearer.
#[derive(Debug, Clone, Copy)]
pub struct NearestCondition<'a> {
    conditions: ArrayView2<'a, f32>,
    signals: ArrayView2<'a, f32>,
}

impl<'a> NearestCondition<'a> {
    /// Keeps the training rows: encoded `conditions [N, S]` and their `signals [N, L]` in µV.
    ///
    /// # Panics
    /// If there is no row, or not as many of the one as of the other.
    pub fn fit(conditions: ArrayView2<'a, f32>, signals: ArrayView2<'a, f32>) -> Self {
        assert_eq!(conditions.nrows(), signals.nrows(), "NearestCondition: conditions and signals");
        assert!(signals.nrows() > 0, "NearestCondition: no training rows");
        NearestCondition { conditions, signals }
    }

    /// `[M, L]` in µV: for each row of `conditions [M, S]` the mean trace of the `neighbours` nearest training rows, of all of
    /// them where there are fewer.
    pub fn predict(&self, conditions: ArrayView2<f32>, neighbours: usize) -> Array2<f32> {
        let (rows, length) = (conditions.nrows(), self.signals.ncols());
        let mut traces = vec![0.0; rows * length];
        traces.par_chunks_mut(length).enumerate().for_each(|(row, trace)| {
            let nearest = self.nearest(conditions.row(row), neighbours);
            for (v, sum) in trace.iter_mut().zip(self.sum(&nearest)) {
                *v = (sum / nearest.len() as f64) as f32;
            }
        });
        Array2::from_shape_vec((rows, length), traces).expect("rows of L samples")
    }

    /// The one of `candidates` whose prediction of the validation rows (`conditions [M, S]`, `target [M, L]` in µV) has the
    /// least squared error; of equals the first. A noisy target will do: its noise is no part of the prediction.
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

    /// The squared error of one row for each number of neighbours; they are sorted once for all.
    fn squared_errors(&self, candidates: &[usize], condition: ArrayView1<f32>, target: ArrayView1<f32>) -> Vec<f64> {
        let nearest = self.nearest(condition, candidates.iter().copied().max().unwrap_or(1));
        let error = |&neighbours: &usize| {
            let nearest = &nearest[..neighbours.clamp(1, nearest.len())];
            let sum = self.sum(nearest);
            let difference = |(sum, &target): (&f64, &f32)| sum / nearest.len() as f64 - f64::from(target);
            sum.iter().zip(target).map(difference).map(|d| d * d).sum()
        };
        candidates.iter().map(error).collect()
    }

    /// The indices of the nearest training rows, nearest first: 1 to all of them.
    fn nearest(&self, condition: ArrayView1<f32>, neighbours: usize) -> Vec<usize> {
        let distance = |row: ArrayView1<f32>| {
            row.iter().zip(condition).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>()
        };
        let mut rows: Vec<_> = self.conditions.outer_iter().map(distance).zip(0..).collect();
        let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let neighbours = neighbours.clamp(1, rows.len());
        rows.select_nth_unstable_by(neighbours - 1, order);
        rows.truncate(neighbours);
        rows.sort_unstable_by(order);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn sum(&self, rows: &[usize]) -> Array1<f64> {
        let mut sum = Array1::zeros(self.signals.ncols());
        for &row in rows {
            sum.zip_mut_with(&self.signals.row(row), |sum, &v| *sum += f64::from(v));
        }
        sum
    }
}

/// Principal components of traces: the best linear autoencoder of each rank (Baldi and Hornik 1989, Neural Networks 2:53).
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    /// `[L]` in µV: the mean training trace.
    pub mean: Array1<f64>,
    /// `[L, L]`: a component a column, orthonormal, that of the largest variance first; its largest element is positive.
    pub components: Array2<f64>,
    /// `[L]` in µV²: the training rows' variance along each component (divisor N). The training rows' mean
    /// `Σ(reconstruction - trace)²` at rank k is the sum of those from k on.
    pub variances: Array1<f64>,
}

impl Pca {
    /// Fits to the training rows `train [N, L]` in µV.
    ///
    /// # Panics
    /// If there is no row or no sample, or a value that is not finite.
    pub fn fit(train: ArrayView2<f32>) -> Pca {
        let (n, length) = train.dim();
        let traces = train.mapv(f64::from);
        let mean = traces.mean_axis(Axis(0)).expect("PCA: no training rows");
        let centred = traces - &mean;
        let covariance = centred.t().dot(&centred) / n as f64;
        // the iteration would never end
        assert!(covariance.iter().all(|v| v.is_finite()), "PCA: a training trace is not finite");
        let eigen = SymmetricEigen::new(DMatrix::from_fn(length, length, |i, j| covariance[[i, j]]));

        let mut order: Vec<usize> = (0..length).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let mut components =
            Array2::from_shape_fn((length, length), |(sample, rank)| eigen.eigenvectors[(sample, order[rank])]);
        components.columns_mut().into_iter().for_each(|mut component| {
            let largest = component.fold(0.0_f64, |largest, &v| if v.abs() > largest.abs() { v } else { largest });
            component *= largest.signum();
        });
        // rounding can leave a variance of nothing below 0
        let variances = order.iter().map(|&i| eigen.eigenvalues[i].max(0.0)).collect();
        Pca { mean, components, variances }
    }

    /// `[M, L]` in µV: `traces [M, L]` as their first `rank` components show them; rank 0 is the training mean, from L on all.
    pub fn reconstruct(&self, traces: ArrayView2<f32>, rank: usize) -> Array2<f32> {
        let rank = rank.min(self.mean.len());
        let components = self.components.slice(s![.., ..rank]);
        let reconstruction = self.scores(traces, rank).dot(&components.t()) + &self.mean;
        reconstruction.mapv(|v| v as f32)
    }

    /// The rank from 0 to `max_rank` at which the reconstruction of the validation rows `input [M, L]` is nearest to
    /// `target [M, L]` (least squared error; of equals the lowest). With the noise-free truth as target, components that carry
    /// mostly noise are left out. Where there is no truth, the target is the input itself, and as every further component
    /// brings a reconstruction nearer to its own input, that chooses `max_rank`.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn choose_rank(&self, max_rank: usize, input: ArrayView2<f32>, target: ArrayView2<f32>) -> usize {
        assert_eq!(input.dim(), target.dim(), "PCA: input and target");
        let max_rank = max_rank.min(self.mean.len());
        // With orthonormal components, scores s of the input and t of the target: ‖target - reconstruction‖² at rank k is
        // ‖target - mean‖² - Σ_{j<k} s_j (2 t_j - s_j), so each component has a gain of its own.
        let (input, target) = (self.scores(input, max_rank), self.scores(target, max_rank));
        let gains = (&input * &(&target * 2.0 - &input)).sum_axis(Axis(0));
        let (mut best_rank, mut best, mut total) = (0, 0.0, 0.0);
        for (component, gain) in gains.iter().enumerate() {
            total += gain;
            if total > best {
                (best_rank, best) = (component + 1, total);
            }
        }
        best_rank
    }

    /// `[M, rank]`: the traces' coordinates on the first components.
    fn scores(&self, traces: ArrayView2<f32>, rank: usize) -> Array2<f64> {
        (traces.mapv(f64::from) - &self.mean).dot(&self.components.slice(s![.., ..rank]))
    }
}

#[cfg(test)]
mod tests;
