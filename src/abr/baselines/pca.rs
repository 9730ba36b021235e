//! Principal components of traces.

use super::products::CrossProduct;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

/// Principal components of traces: the best linear autoencoder of each rank (Baldi and Hornik 1989, Neural Networks
/// 2:53).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    /// `[L]` in µV: the mean training trace.
    #[serde(with = "super::stored::vector")]
    pub mean: Array1<f64>,
    /// `[L, rank]`: one component per column, orthonormal, in descending order of variance; the largest element of each
    /// is positive.
    #[serde(with = "super::stored::matrix")]
    pub components: Array2<f64>,
    /// `[rank]` in µV²: the training rows' variance along each component (divisor N). The mean `Σ(reconstruction -
    /// trace)²` of the training rows at rank k is the sum of the entries from k on.
    #[serde(with = "super::stored::vector")]
    pub variances: Array1<f64>,
}

/// Eigenvectors (columns of length 1, the largest element positive) and eigenvalues of a covariance, in descending
/// order.
///
/// # Panics
/// If a value is not finite.
pub(super) fn eigen(covariance: &Array2<f64>) -> (Array2<f64>, Array1<f64>) {
    let length = covariance.nrows();
    // the iteration would never end with values that are not finite
    assert!(covariance.iter().all(|v| v.is_finite()), "a covariance is not finite");
    let eigen = SymmetricEigen::new(DMatrix::from_fn(length, length, |i, j| covariance[[i, j]]));
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let mut vectors =
        Array2::from_shape_fn((length, length), |(sample, rank)| eigen.eigenvectors[(sample, order[rank])]);
    vectors.columns_mut().into_iter().for_each(|mut vector| {
        let largest = vector.fold(0.0_f64, |largest, &v| if v.abs() > largest.abs() { v } else { largest });
        vector *= largest.signum();
    });
    // rounding can make a zero variance negative
    let values = order.iter().map(|&i| eigen.eigenvalues[i].max(0.0)).collect();
    (vectors, values)
}

impl Pca {
    /// Whether it fits traces of this length, and is finite.
    pub(super) fn is_sound(&self, length: usize) -> bool {
        let all = self.mean.iter().chain(&self.components).chain(&self.variances);
        self.mean.len() == length
            && self.components.dim() == (length, self.variances.len())
            && self.variances.len() <= length
            && all.copied().all(f64::is_finite)
    }

    /// The same with only the first `rank` components.
    pub fn truncated(mut self, rank: usize) -> Pca {
        let rank = rank.min(self.components.ncols());
        self.components = self.components.slice(s![.., ..rank]).to_owned();
        self.variances = self.variances.slice(s![..rank]).to_owned();
        self
    }

    /// Fits the training rows `row(0) … row(n - 1) [L]` in µV.
    ///
    /// # Panics
    /// If there are no rows or no samples, or a value is not finite.
    pub fn fit<'a>(n: usize, row: impl Fn(usize) -> ArrayView1<'a, f32>) -> Pca {
        assert!(n > 0, "PCA: no training rows");
        let mut mean = Array1::<f64>::zeros(row(0).len());
        (0..n).for_each(|i| mean.zip_mut_with(&row(i), |sum, v| *sum += f64::from(*v)));
        mean /= n as f64;
        let mut products = CrossProduct::new(mean.len(), mean.len());
        for i in 0..n {
            let centred = row(i).iter().zip(&mean).map(|(v, mean)| (f64::from(*v) - mean) as f32).collect::<Vec<_>>();
            products.add(centred.iter().copied(), centred.iter().copied());
        }
        let (components, variances) = eigen(&(products.finish() / n as f64));
        Pca { mean, components, variances }
    }

    /// `[M, L]` in µV: the reconstruction of `traces [M, L]` from the first `rank` components. Rank 0 gives the
    /// training mean, rank L or more the traces themselves.
    pub fn reconstruct(&self, traces: ArrayView2<f32>, rank: usize) -> Array2<f32> {
        let rank = rank.min(self.components.ncols());
        let components = self.components.slice(s![.., ..rank]);
        let reconstruction = self.scores(traces, rank).dot(&components.t()) + &self.mean;
        reconstruction.mapv(|v| v as f32)
    }

    /// The rank from 0 to `max_rank` with the smallest squared error between reconstructions of the validation rows and
    /// their targets; among equals, the lowest. `pairs` are inputs and targets `[M, L]` in µV, some rows at a time.
    /// With reference traces as targets, components that carry mostly noise are left out. Without them, the target is
    /// the input itself; every further component then lowers the error, so the result is `max_rank`.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn choose_rank(&self, max_rank: usize, pairs: impl Iterator<Item = (Array2<f32>, Array2<f32>)>) -> usize {
        let max_rank = max_rank.min(self.components.ncols());
        // With orthonormal components, scores s of the input and t of the target: ‖target - reconstruction‖² at rank k
        // is ‖target - mean‖² - Σ_{j<k} s_j (2 t_j - s_j), so each component contributes its own gain.
        let mut gains = Array1::<f64>::zeros(max_rank);
        for (input, target) in pairs {
            assert_eq!(input.dim(), target.dim(), "PCA: input and target");
            let (input, target) = (self.scores(input.view(), max_rank), self.scores(target.view(), max_rank));
            gains += &(&input * &(&target * 2.0 - &input)).sum_axis(Axis(0));
        }
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
