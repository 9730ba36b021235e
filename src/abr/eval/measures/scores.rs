//! Proper scores of draws against an observation. Lower is better, and on average the true distribution scores best.
//!
//! Energy score (Gneiting and Raftery 2007, JASA 102:359, eq. 22, with the opposite sign): `E|X - y| - ½ E|X - X'|`,
//! estimated from M draws as `Σ|x_i - y| / M - Σ_{i≠j} |x_i - x_j| / (2 M (M - 1))`. The divisor of the second sum is
//! that of the fair score (Ferro 2014, Q. J. R. Meteorol. Soc. 140:1917), whose expectation does not depend on M. Its
//! unit is that of the traces.
//!
//! Variogram score of order ½ (Scheuerer and Hamill 2015, Mon. Weather Rev. 143:1321): the mean over pairs of samples i
//! < j, with weights `1 / (j - i)`, of `(|y_i - y_j|^½ - E|X_i - X_j|^½)²`, where E is the mean over the draws. It
//! detects wrong correlations between samples, which the energy score hardly does, but no offset of the whole trace.
//! Its unit is that of the traces.

use super::distances::{distance, distances_from};
use ndarray::{Array2, ArrayView1, ArrayView2};

/// The energy score of some draws.
#[derive(Debug, Clone, PartialEq)]
pub struct EnergyScore {
    /// `[M, L]`
    draws: Array2<f64>,
    /// `½ E|X - X'|`
    pub spread: f64,
}

impl EnergyScore {
    /// From `draws [M, L]`; NaN with fewer than two.
    pub fn new(draws: ArrayView2<f64>) -> EnergyScore {
        let m = draws.nrows() as f64;
        let total: f64 = distances_from(draws, draws, |_, to| to.iter().sum::<f64>()).iter().sum();
        EnergyScore { draws: draws.as_standard_layout().into_owned(), spread: total / (2.0 * m * (m - 1.0)) }
    }

    /// The score for the trace `y [L]`.
    ///
    /// # Panics
    /// If `y` and the draws differ in length.
    pub fn score(&self, y: ArrayView1<f64>) -> f64 {
        assert_eq!(y.len(), self.draws.ncols(), "EnergyScore: draws and y");
        let y = y.to_vec();
        let to_y = |draw: ArrayView1<f64>| distance(draw.as_slice().expect("a contiguous row"), &y);
        self.draws.outer_iter().map(to_y).sum::<f64>() / self.draws.nrows() as f64 - self.spread
    }
}

/// The variogram score of some draws.
#[derive(Debug, Clone, PartialEq)]
pub struct VariogramScore {
    length: usize,
    /// `E|X_i - X_j|^½` in the order of [`pairs`]
    expected: Vec<f64>,
}

impl VariogramScore {
    /// Sorts `draws [M, L]`.
    pub fn new(draws: ArrayView2<f64>) -> VariogramScore {
        let (m, length) = draws.dim();
        let mut expected = vec![0.0; length * length.saturating_sub(1) / 2];
        for draw in draws.outer_iter() {
            for (sum, (i, j)) in expected.iter_mut().zip(pairs(length)) {
                *sum += (draw[i] - draw[j]).abs().sqrt();
            }
        }
        expected.iter_mut().for_each(|sum| *sum /= m as f64);
        VariogramScore { length, expected }
    }

    /// The score for the trace `y [L]`; NaN for a single sample.
    ///
    /// # Panics
    /// If `y` and the draws differ in length.
    pub fn score(&self, y: ArrayView1<f64>) -> f64 {
        assert_eq!(y.len(), self.length, "VariogramScore: draws and y");
        let (mut sum, mut weights) = (0.0, 0.0);
        for (expected, (i, j)) in self.expected.iter().zip(pairs(self.length)) {
            let weight = 1.0 / (j - i) as f64;
            sum += weight * ((y[i] - y[j]).abs().sqrt() - expected).powi(2);
            weights += weight;
        }
        sum / weights
    }
}

/// All i < j below `length`.
fn pairs(length: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..length).flat_map(move |i| (i + 1..length).map(move |j| (i, j)))
}
