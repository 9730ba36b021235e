//! The share of a trace that lies inside the central interval of draws.
//!
//! Sort the M draws of each sample and count them from 1. The interval of a share s goes from the k-th to the (M + 1 -
//! k)-th draw, with `k = (M + 1)(1 - s) / 2`. A value from the same distribution falls into each of the M + 1 gaps
//! around the draws with equal probability, so it lies inside with probability s exactly if k is whole: 39 or 199 draws
//! suit 50, 80 and 95 %. For other k the bounds interpolate linearly between order statistics (Weibull's plotting
//! positions, type 6 of Hyndman and Fan 1996, Am. Stat. 50:361). With too few draws for a share (k < 1), the interval
//! goes from the smallest to the largest draw and holds less: (M - 1)/(M + 1). A value on a bound is inside.

use super::quantile::between;
use ndarray::{ArrayView1, ArrayView2, Axis};

/// The draws of each sample, sorted once for all shares and traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals {
    /// L times M
    sorted: Vec<Vec<f64>>,
}

impl Intervals {
    /// Sorts `draws [M, L]`.
    pub fn new(draws: ArrayView2<f64>) -> Intervals {
        let mut sorted: Vec<Vec<f64>> = draws.axis_iter(Axis(1)).map(|column| column.to_vec()).collect();
        sorted.iter_mut().for_each(|column| column.sort_unstable_by(f64::total_cmp));
        Intervals { sorted }
    }

    /// The interval of sample `i` that should hold a `share` of the values: its lower and upper bound; NaN without
    /// draws.
    ///
    /// # Panics
    /// If there is no such sample.
    pub fn at(&self, i: usize, share: f64) -> (f64, f64) {
        let sorted = &self.sorted[i];
        let draws = sorted.len() as f64;
        let k = (draws + 1.0) * (1.0 - share) / 2.0;
        // 0.95 is not exact in binary
        let k = if (k - k.round()).abs() < 1e-9 { k.round() } else { k };
        (between(sorted, k - 1.0), between(sorted, draws - k))
    }

    /// The share of the samples of `y [L]` inside their interval of `share`; NaN without samples.
    ///
    /// # Panics
    /// If `y` and the draws differ in length.
    pub fn inside(&self, y: ArrayView1<f64>, share: f64) -> f64 {
        assert_eq!(y.len(), self.sorted.len(), "Intervals: draws and y");
        let inside = |(i, y): &(usize, &f64)| {
            let (low, high) = self.at(*i, share);
            (low..=high).contains(*y)
        };
        y.iter().enumerate().filter(inside).count() as f64 / y.len() as f64
    }
}
