//! Weighted means, covariances and standardised points.
//!
//! A row with weight 2 counts twice. The covariance has the divisor `Σw - 1`, like `numpy.cov` with `fweights`; the SD
//! for standardising points has `Σw`, like `numpy.std`.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

/// One weight per row: all 1 without `weights`.
pub(super) fn filled(weights: Option<&[f64]>, rows: usize) -> Array1<f64> {
    let weights = weights.map_or_else(|| Array1::ones(rows), |weights| Array1::from(weights.to_vec()));
    assert_eq!(weights.len(), rows, "weights and rows");
    weights
}

/// `Σ w x / Σ w`, `[F]`, of `points [N, F]`; NaN if the weights sum to 0.
///
/// # Panics
/// If the number of weights differs from the number of rows.
pub fn mean(points: ArrayView2<f64>, weights: Option<&[f64]>) -> Array1<f64> {
    let weights = filled(weights, points.nrows());
    points.t().dot(&weights) / weights.sum()
}

/// `Σ w (x - m)(x - m)ᵀ / (Σ w - 1)`, `[F, F]`, of `points [N, F]`, with their [`mean`] m; not finite if the weights
/// sum to 1 or less.
///
/// # Panics
/// If the number of weights differs from the number of rows.
pub fn covariance(points: ArrayView2<f64>, weights: Option<&[f64]>) -> Array2<f64> {
    let centred = &points - &mean(points, weights);
    let weights = filled(weights, points.nrows());
    let weighted = &centred * &weights.view().insert_axis(Axis(1));
    weighted.t().dot(&centred) / (weights.sum() - 1.0)
}

/// `[N, 2 F]`: the points, then their squares.
pub fn with_squares(points: &Array2<f64>) -> Array2<f64> {
    concatenate(Axis(1), &[points.view(), (points * points).view()]).expect("the same number of rows")
}

/// Scales the columns of points to mean 0 and SD 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    /// `[F]`
    pub mean: Array1<f64>,
    /// `[F]`, divisor `Σw`; 1 for a column that does not vary.
    pub sd: Array1<f64>,
}

impl Standard {
    /// From `points [N, F]`.
    ///
    /// # Panics
    /// If the number of weights differs from the number of rows.
    pub fn of(points: ArrayView2<f64>, weights: Option<&[f64]>) -> Standard {
        let mean = mean(points, weights);
        let weights = filled(weights, points.nrows());
        let variance = (&points - &mean).mapv_into(|d| d * d).t().dot(&weights) / weights.sum();
        let mut sd = variance.mapv_into(f64::sqrt);
        // the mean of equal numbers may have a rounding error, which is not variation
        sd.zip_mut_with(&mean, |sd, mean| *sd = if *sd > 1e-12 * mean.abs() { *sd } else { 1.0 });
        Standard { mean, sd }
    }

    /// `(points - mean) / sd`, `[N, F]`.
    pub fn apply(&self, points: ArrayView2<f64>) -> Array2<f64> {
        (&points - &self.mean) / &self.sd
    }
}
