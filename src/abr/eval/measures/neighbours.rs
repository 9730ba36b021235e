//! Measures of generated points by nearest neighbours.
//!
//! Density and coverage (Naeem et al. 2020, arXiv:2002.09797): around each real row lies a ball that reaches to its
//! k-th nearest other real row. Density is the number of balls that a generated row lies in, divided by k and averaged
//! over the generated rows: 1 on average if both sets come from one population, above 1 if generated rows crowd where
//! real ones are dense. Coverage is the share of balls that contain a generated row. As in the authors' code, a point
//! on the surface is outside.
//!
//! Memorisation: the median distance of generated rows to their nearest training row, divided by the same median of
//! test rows. It is about 1 if the model samples the population, and well below 1 if it copies training rows (comparing
//! these distances follows Meehan et al. 2020, arXiv:2004.05675; the ratio of medians is our choice).
//!
//! All distances are Euclidean: scale the features first.

use super::distances::{distances_from, nth};
use super::median;
use ndarray::ArrayView2;

/// Density and coverage of generated rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensityCoverage {
    /// The number of balls that a generated row lies in, divided by k: 1 on average for one population; may exceed 1.
    pub density: f64,
    /// The share of balls that contain a generated row: from 0 to 1.
    pub coverage: f64,
}

/// Density and coverage of `real [N, F]` by `generated [M, F]` with the `k` nearest neighbours; NaN if there are k real
/// rows or fewer, or no generated rows.
///
/// # Panics
/// If `k` is 0 or the dimensions differ.
pub fn density_and_coverage(real: ArrayView2<f64>, generated: ArrayView2<f64>, k: usize) -> DensityCoverage {
    assert!(k > 0, "density_and_coverage: no neighbours");
    if real.nrows() <= k || generated.nrows() == 0 {
        return DensityCoverage { density: f64::NAN, coverage: f64::NAN };
    }
    // the nearest row is the row itself
    let radii = distances_from(real, real, |_, to| nth(to, k + 1));
    let held = distances_from(real, generated, |row, to| to.iter().filter(|d| **d < radii[row]).count());
    DensityCoverage {
        density: held.iter().sum::<usize>() as f64 / (k * generated.nrows()) as f64,
        coverage: held.iter().filter(|count| **count > 0).count() as f64 / real.nrows() as f64,
    }
}

/// The distance of each row of `points [N, F]` to the nearest row of `among [M, F]`; NaN if `among` is empty.
///
/// # Panics
/// If the dimensions differ.
pub fn nearest_distances(points: ArrayView2<f64>, among: ArrayView2<f64>) -> Vec<f64> {
    distances_from(points, among, |_, to| nth(to, 1))
}

/// The median distance of `generated [M, F]` to the nearest row of `train [N, F]`, divided by that of `test [K, F]`.
///
/// # Panics
/// If the dimensions differ.
pub fn memorisation(train: ArrayView2<f64>, generated: ArrayView2<f64>, test: ArrayView2<f64>) -> f64 {
    let middle = |points: ArrayView2<f64>| median(&mut nearest_distances(points, train));
    middle(generated) / middle(test)
}
