//! The Fréchet distance of two sets of points, each treated as a Gaussian.
//!
//! `d² = |m_a - m_b|² + tr(A + B - 2 (A^½ B A^½)^½)`, m the means and A, B the covariances (Dowson and Landau 1982,
//! "The Fréchet distance between multivariate normal distributions", J. Multivar. Anal. 12:450; of images' features
//! Heusel et al. 2017, arXiv:1706.08500). As in Heusel et al., "distance" means the square, in the squared unit of the
//! points. It is 0 for equal Gaussians. In finite samples it is biased upwards, more with fewer rows: compare sets of
//! equal size.

use super::linear::{eigenvalues, square_root};
use super::{covariance, mean};
use ndarray::{Array1, Array2, ArrayView2};

/// Mean and covariance of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    /// `[F]`
    pub mean: Array1<f64>,
    /// `[F, F]`
    pub covariance: Array2<f64>,
}

impl Gaussian {
    /// From `points [N, F]`; the covariance has the divisor `Σw - 1`.
    ///
    /// # Panics
    /// If the number of weights differs from the number of rows.
    pub fn of(points: ArrayView2<f64>, weights: Option<&[f64]>) -> Gaussian {
        Gaussian { mean: mean(points, weights), covariance: covariance(points, weights) }
    }
}

/// The squared Fréchet distance; NaN where a mean or covariance is not finite.
///
/// # Panics
/// If the dimensions differ.
pub fn frechet(a: &Gaussian, b: &Gaussian) -> f64 {
    let finite = |gaussian: &Gaussian| gaussian.mean.iter().chain(&gaussian.covariance).all(|v| v.is_finite());
    if !finite(a) || !finite(b) {
        return f64::NAN;
    }
    let apart = (&a.mean - &b.mean).mapv_into(|d| d * d).sum();
    // the trace of a matrix root is the sum of the roots of the eigenvalues
    let root = square_root(&a.covariance);
    let common: f64 = eigenvalues(&root.dot(&b.covariance).dot(&root)).iter().map(|v| v.max(0.0).sqrt()).sum();
    (apart + a.covariance.diag().sum() + b.covariance.diag().sum() - 2.0 * common).max(0.0)
}
