//! The squared maximum mean discrepancy of two sets of points.
//!
//! `MMD² = mean k(a, a') + mean k(b, b') - 2 mean k(a, b)`, where the first two means are over pairs of different rows:
//! the unbiased estimate of Gretton et al. 2012 ("A kernel two-sample test", JMLR 13:723, eq. 3). If both sets come
//! from one population, it is 0 on average, and negative about half of the time.
//!
//! `k(x, y)` is the mean of three Gaussian kernels `exp(-|x - y|² / 2 h²)`, with h = ½, 1 and 2 times the median
//! distance of all pairs of the pooled rows. The kernel does not depend on the weights.
//!
//! With weights the means over pairs are weighted: `Σ_{i≠j} w_i w_j k(a_i, a_j) / Σ_{i≠j} w_i w_j` and `Σ_ij w_i v_j
//! k(a_i, b_j) / Σ_ij w_i v_j`. A row drawn twice counts twice in pairs with others, but does not pair with its own
//! copy: the kernel of that pair is always 1.

use super::distances::distances_from;
use super::median;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate};

/// The bandwidths, relative to the median distance.
const BANDWIDTHS: [f64; 3] = [0.5, 1.0, 2.0];

/// The kernels of all pairs of two sets of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Mmd {
    /// `[Na, Na]`, 0 on the diagonal
    aa: Array2<f64>,
    /// `[Nb, Nb]`, 0 on the diagonal
    bb: Array2<f64>,
    /// `[Na, Nb]`
    ab: Array2<f64>,
}

impl Mmd {
    /// From `a [Na, F]` and `b [Nb, F]`. The discrepancy is NaN if the median distance is 0.
    ///
    /// # Panics
    /// If the dimensions differ.
    pub fn new(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Mmd {
        let pooled = concatenate(Axis(0), &[a, b]).expect("points of one dimension");
        let mut distances: Vec<f64> =
            distances_from(pooled.view(), pooled.view(), |row, to| to[row + 1..].to_vec()).concat();
        let middle = median(&mut distances);
        let kernel = |distance: f64| {
            let of = |bandwidth: &f64| (-0.5 * (distance / (bandwidth * middle)).powi(2)).exp();
            BANDWIDTHS.iter().map(of).sum::<f64>() / BANDWIDTHS.len() as f64
        };
        let kernels = |a: ArrayView2<f64>, b: ArrayView2<f64>| {
            let rows = distances_from(a, b, |_, to| to.iter().copied().map(kernel).collect::<Vec<_>>());
            Array2::from_shape_vec((a.nrows(), b.nrows()), rows.concat()).expect("one row of b per row of a")
        };
        let (mut aa, mut bb, ab) = (kernels(a, a), kernels(b, b), kernels(a, b));
        aa.diag_mut().fill(0.0);
        bb.diag_mut().fill(0.0);
        Mmd { aa, bb, ab }
    }

    /// The discrepancy with row weights `a [Na]` and `b [Nb]`; NaN if a side has fewer than two rows with weight.
    ///
    /// # Panics
    /// If the number of weights differs from the number of rows.
    pub fn squared(&self, a: &[f64], b: &[f64]) -> f64 {
        let (a, b) = (ArrayView1::from(a), ArrayView1::from(b));
        let total = |kernels: &Array2<f64>, a: &ArrayView1<f64>, b: &ArrayView1<f64>| {
            let of_rows: Array1<f64> = kernels.dot(b);
            a.dot(&of_rows)
        };
        let within = |kernels: &Array2<f64>, weights: &ArrayView1<f64>| {
            total(kernels, weights, weights) / (weights.sum().powi(2) - weights.dot(weights))
        };
        within(&self.aa, &a) + within(&self.bb, &b) - 2.0 * total(&self.ab, &a, &b) / (a.sum() * b.sum())
    }
}
