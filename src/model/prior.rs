//! Where latents come from when traces are generated: what the encoder made of training rows whose conditions are near.
//!
//! A standard normal prior is what the KL term pulls the posteriors to, all together and without regard to the condition. What
//! the decoder has learned to decode under a condition are the posteriors of the rows that had it: their mixture, the
//! aggregated posterior (Hoffman and Johnson 2016, "ELBO surgery"; Tomczak and Welling 2018, "VAE with a VampPrior",
//! arXiv:1705.07120), given the condition by a kernel (Nadaraya 1964; Watson 1964).

use crate::rng::{Draws, Stream};
use ndarray::{Array2, ArrayView1};

/// Standard deviation of the kernel in encoded conditions, which have one of 1 over the training rows.
const BANDWIDTH: f64 = 1.0 / 3.0;
/// The kernel is widened until so many rows count (Kish's effective number), or all of them.
const FEWEST_ROWS: f64 = 50.0;
/// Draws scatter about a row's posterior by this share of the deviation between rows (the smoothed bootstrap, Silverman and
/// Young 1987): listeners between those that were recorded, and no copies.
const SMOOTHING: f64 = 0.5;

/// Posteriors of training rows with their conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregatedPosterior {
    /// `[N, S]`, encoded.
    pub condition: Array2<f32>,
    /// `[N, Z]`
    pub mu: Array2<f32>,
    /// `[N, Z]`
    pub logvar: Array2<f32>,
}

/// Rows by how near their conditions are to a given one.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// Sums of the weights of the rows so far.
    cumulative: Vec<f64>,
}

impl AggregatedPosterior {
    /// The rows at most whose posteriors are kept.
    pub const MOST_ROWS: usize = 4096;

    /// The weights of all rows under a condition `[S]`; without one all weigh the same.
    ///
    /// # Panics
    /// When there is no row.
    pub fn near(&self, condition: Option<ArrayView1<f32>>) -> Near {
        let rows = self.condition.outer_iter();
        let squares: Vec<f64> = match condition {
            Some(wanted) => {
                rows.map(|row| row.iter().zip(&wanted).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()).collect()
            }
            None => vec![0.0; rows.len()],
        };
        let nearest = squares.iter().copied().fold(f64::INFINITY, f64::min);
        let enough = FEWEST_ROWS.min(squares.len() as f64 * 0.99);
        let mut bandwidth = BANDWIDTH;
        loop {
            let weight = |square: &f64| (-(square - nearest) / (2.0 * bandwidth * bandwidth)).exp();
            let (mut sum, mut sum_of_squares) = (0.0, 0.0);
            let cumulative: Vec<f64> = squares
                .iter()
                .map(|square| {
                    let weight = weight(square);
                    sum += weight;
                    sum_of_squares += weight * weight;
                    sum
                })
                .collect();
            if sum * sum >= enough * sum_of_squares {
                return Near { cumulative };
            }
            bandwidth *= 1.25;
        }
    }

    /// Draws a latent `[Z]` from the rows that are near; `normals` are those of its trace.
    pub fn draw(&self, near: &Near, draws: &mut Draws, normals: Stream, trace: u32, z: &mut [f32]) {
        normals.normals(trace, z);
        let [row, one, other] = [near.row(draws), near.row(draws), near.row(draws)];
        // the difference of two rows has twice the variance between rows
        let share = (SMOOTHING / 2.0_f64.sqrt()) as f32;
        for (unit, z) in z.iter_mut().enumerate() {
            let between = self.mu[[one, unit]] - self.mu[[other, unit]];
            *z = self.mu[[row, unit]] + *z * (0.5 * self.logvar[[row, unit]]).exp() + share * between;
        }
    }
}

impl Near {
    fn row(&self, draws: &mut Draws) -> usize {
        let total = self.cumulative.last().expect("there are rows");
        let wanted = draws.uniform() * total;
        self.cumulative.partition_point(|sum| *sum < wanted).min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use ndarray::{Array1, array};

    /// Levels from -1.5 to 1.5, 40 rows each, and a unit that is twice the level; the other tells odd rows from even ones.
    fn prior() -> AggregatedPosterior {
        let level = |row: usize| -1.5 + 0.25 * (row % 13) as f32;
        AggregatedPosterior {
            condition: Array2::from_shape_fn((520, 1), |(row, _)| level(row)),
            mu: Array2::from_shape_fn((520, 2), |(row, unit)| match unit {
                0 => 2.0 * level(row),
                _ => {
                    if row / 13 % 2 == 0 {
                        3.0
                    } else {
                        -3.0
                    }
                }
            }),
            logvar: Array2::from_elem((520, 2), (0.04_f32).ln()),
        }
    }

    fn drawn(prior: &AggregatedPosterior, condition: Option<Array1<f32>>) -> Array2<f32> {
        let near = prior.near(condition.as_ref().map(|c| c.view()));
        let stream = Stream::new(3, Purpose::Test, 0);
        let mut z = Array2::zeros((4000, 2));
        for (row, mut z) in z.outer_iter_mut().enumerate() {
            let mut draws = Stream::new(3, Purpose::Test, 1).draws(row as u32);
            prior.draw(&near, &mut draws, stream, row as u32, z.as_slice_mut().unwrap());
        }
        z
    }

    fn moments(column: ArrayView1<f32>) -> (f64, f64) {
        let values = column.mapv(f64::from);
        (values.mean().unwrap(), values.var(0.0))
    }

    #[test]
    fn latents_are_those_of_rows_with_a_near_condition() {
        let prior = prior();
        for level in [-0.5_f32, 0.0, 0.5] {
            let z = drawn(&prior, Some(array![level]));
            let (mean, variance) = moments(z.column(0));
            // the kernel's variance is 1/9, twice that of the level's four times; smoothing adds a quarter; posterior .04
            let wanted = 4.0 / 9.0 * 1.25 + 0.04;
            assert!((mean - 2.0 * f64::from(level)).abs() < 0.06, "{level}: {mean}");
            assert!((variance - wanted).abs() < 0.05, "{level}: {variance} {wanted}");
            let (mean, variance) = moments(z.column(1));
            assert!(mean.abs() < 0.3 && (variance - (9.0 * 1.25 + 0.04)).abs() < 0.6, "{mean} {variance}");
        }
    }

    #[test]
    fn far_from_all_rows_the_nearest_count_and_without_a_condition_all() {
        let prior = prior();
        let (mean, _) = moments(drawn(&prior, Some(array![40.0])).column(0));
        assert!((2.5..3.0).contains(&mean), "{mean}");
        let (mean, variance) = moments(drawn(&prior, None).column(0));
        // the variance of 13 even steps of a half
        let wanted = 0.25 * (13.0 * 13.0 - 1.0) / 12.0 * 1.25 + 0.04;
        assert!(mean.abs() < 0.15 && (variance - wanted).abs() < 0.3, "{mean} {variance} {wanted}");
    }

    #[test]
    fn one_row_alone_is_its_own_posterior() {
        let prior = AggregatedPosterior {
            condition: array![[0.0]],
            mu: array![[1.0, -2.0]],
            logvar: Array2::from_elem((1, 2), -200.0),
        };
        assert_eq!(drawn(&prior, Some(array![5.0])).row(7), array![1.0, -2.0]);
    }
}
