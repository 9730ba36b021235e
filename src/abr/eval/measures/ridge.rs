//! Ridge regression (Hoerl and Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems",
//! Technometrics 12:55).
//!
//! Minimises `Σ w (y - c - xᵀβ)² + ridge Σw |β|²`, with the features x standardised by their own weighted mean and SD
//! (divisor Σw). The intercept c has no penalty.

use super::linear::solve;
use super::moments::{Standard, filled};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// A fitted regression.
#[derive(Debug, Clone, PartialEq)]
pub struct Ridge {
    standard: Standard,
    /// `[F]`, of standardised features
    weights: Array1<f64>,
    intercept: f64,
}

impl Ridge {
    /// Fits `target [N]` from `features [N, F]`; `ridge` is above 0.
    ///
    /// # Panics
    /// If the numbers of rows differ, no row has weight, `ridge` is not above 0, or a value is not finite.
    pub fn fit(features: ArrayView2<f64>, target: ArrayView1<f64>, weights: Option<&[f64]>, ridge: f64) -> Ridge {
        assert_eq!(features.nrows(), target.len(), "Ridge: features and target");
        assert!(ridge > 0.0, "Ridge: a penalty of {ridge}");
        let standard = Standard::of(features, weights);
        let x = standard.apply(features);
        let row_weights = filled(weights, target.len());
        let total = row_weights.sum();
        // the standardised features have mean 0, so the intercept is the mean of the target
        let intercept = target.dot(&row_weights) / total;
        let weighted = &x * &row_weights.insert_axis(Axis(1));
        let normal = weighted.t().dot(&x) + Array2::from_diag_elem(x.ncols(), ridge * total);
        let weights = solve(&normal, &weighted.t().dot(&(&target - intercept)));
        Ridge { standard, weights, intercept }
    }

    /// `[M]`: the predictions for `features [M, F]`.
    pub fn predict(&self, features: ArrayView2<f64>) -> Array1<f64> {
        self.standard.apply(features).dot(&self.weights) + self.intercept
    }
}
