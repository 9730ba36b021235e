//! Where latents come from when traces are generated: what the encoder made of training rows whose conditions are near.
//!
//! A standard normal prior is what the KL term pulls the posteriors to, all together and without regard to the condition. What
//! the decoder has learned to decode under a condition are the posteriors of the rows that had it: their mixture, the
//! aggregated posterior (Hoffman and Johnson 2016, "ELBO surgery"; Tomczak and Welling 2018, "VAE with a VampPrior",
//! arXiv:1705.07120), given the condition by a kernel (Nadaraya 1964; Watson 1964), moved along a line from the row's condition
//! to the given one (as Beaumont et al. 2002, Genetics 162:2025, adjust draws).

use crate::rng::{Draws, Stream};
use nalgebra::{DMatrix, linalg::Cholesky};
use ndarray::{Array1, Array2, ArrayView1, Axis};

/// Standard deviation of the kernel in encoded conditions, which have one of 1 over the training rows.
const BANDWIDTH: f64 = 1.0 / 3.0;
/// The kernel is widened until so many rows count (Kish's effective number), or all of them.
const FEWEST_ROWS: f64 = 50.0;
/// Draws scatter about a row's posterior by this share of the deviation between rows (the smoothed bootstrap, Silverman and
/// Young 1987): listeners between those that were recorded, and no copies.
const SMOOTHING: f64 = 0.5;

/// What is added on the diagonal of the regression for each row: with few listeners a slope is theirs as much as the condition's.
const RIDGE: f64 = 0.01;

/// Posteriors of training rows with their conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregatedPosterior {
    /// `[N, S]`, encoded.
    condition: Array2<f32>,
    /// `[N, Z]`
    mu: Array2<f32>,
    /// `[N, Z]`
    logvar: Array2<f32>,
    /// `[S, Z]`: how mu goes with the condition, by linear regression.
    slope: Array2<f32>,
}

/// Rows by how near their conditions are to a given one.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// Sums of the weights of the rows so far.
    cumulative: Vec<f64>,
    /// `[S]`: where draws are moved to from the condition of their row.
    wanted: Option<Array1<f32>>,
}

impl AggregatedPosterior {
    /// The rows at most whose posteriors are kept.
    pub const MOST_ROWS: usize = 4096;

    /// Rows with encoded conditions `[N, S]` and posteriors `[N, Z]`.
    ///
    /// # Panics
    /// When there is no row, or not as many of each.
    pub fn new(condition: Array2<f32>, mu: Array2<f32>, logvar: Array2<f32>) -> Self {
        assert!(condition.nrows() > 0 && condition.nrows() == mu.nrows(), "AggregatedPosterior: rows");
        assert_eq!(mu.dim(), logvar.dim(), "AggregatedPosterior: mu and logvar");
        let slope = slope(&condition, &mu);
        AggregatedPosterior { condition, mu, logvar, slope }
    }

    /// Conditions `[N, S]`, mu and logvar `[N, Z]`.
    pub fn into_parts(self) -> (Array2<f32>, Array2<f32>, Array2<f32>) {
        (self.condition, self.mu, self.logvar)
    }

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
                return Near { cumulative, wanted: condition.map(|wanted| wanted.to_owned()) };
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
            let moved: f32 = near
                .wanted
                .iter()
                .flatten()
                .zip(self.condition.row(row))
                .zip(self.slope.column(unit))
                .map(|((wanted, is), slope)| (wanted - is) * slope)
                .sum();
            *z = self.mu[[row, unit]] + moved + *z * (0.5 * self.logvar[[row, unit]]).exp() + share * between;
        }
    }
}

/// The ridge regression of `mu` on `condition`, both about their means.
fn slope(condition: &Array2<f32>, mu: &Array2<f32>) -> Array2<f32> {
    let centred = |values: &Array2<f32>| {
        let values = values.mapv(f64::from);
        let mean = values.mean_axis(Axis(0)).expect("there are rows");
        values - mean
    };
    let (condition, mu) = (centred(condition), centred(mu));
    let width = condition.ncols();
    let (gram, cross) = (condition.t().dot(&condition), condition.t().dot(&mu));
    let ridge = RIDGE * condition.nrows() as f64;
    let gram = DMatrix::from_fn(width, width, |i, j| gram[[i, j]] + if i == j { ridge } else { 0.0 });
    let cross = DMatrix::from_fn(width, mu.ncols(), |i, j| cross[[i, j]]);
    let solved = Cholesky::new(gram).expect("a ridge makes it positive").solve(&cross);
    Array2::from_shape_fn((width, mu.ncols()), |at| solved[at] as f32)
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
    use ndarray::array;

    /// Levels from -1.5 to 1.5, 40 rows each, and a unit that is twice the level; the other tells odd rows from even ones.
    fn prior() -> AggregatedPosterior {
        let level = |row: usize| -1.5 + 0.25 * (row % 13) as f32;
        AggregatedPosterior::new(
            Array2::from_shape_fn((520, 1), |(row, _)| level(row)),
            Array2::from_shape_fn((520, 2), |(row, unit)| match unit {
                0 => 2.0 * level(row),
                _ => {
                    if row / 13 % 2 == 0 {
                        3.0
                    } else {
                        -3.0
                    }
                }
            }),
            Array2::from_elem((520, 2), (0.04_f32).ln()),
        )
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
            // moved along the line, rows differ by their posteriors alone; smoothing adds a quarter of the kernel's variance,
            // 1/9 in levels and four times that in the unit
            let wanted = 0.25 * 4.0 / 9.0 + 0.04;
            assert!((mean - 2.0 * f64::from(level)).abs() < 0.06, "{level}: {mean}");
            assert!((variance - wanted).abs() < 0.05, "{level}: {variance} {wanted}");
            let (mean, variance) = moments(z.column(1));
            assert!(mean.abs() < 0.3 && (variance - (9.0 * 1.25 + 0.04)).abs() < 0.6, "{mean} {variance}");
        }
    }

    #[test]
    fn far_from_all_rows_the_nearest_count_and_without_a_condition_all() {
        let prior = prior();
        let near = prior.near(Some(array![40.0].view()));
        let weights = near.cumulative.iter().scan(0.0, |before, sum| Some(sum - std::mem::replace(before, *sum)));
        let sum: f64 = weights.zip(prior.condition.column(0)).map(|(weight, level)| weight * f64::from(*level)).sum();
        let level = sum / near.cumulative[519];
        assert!((1.3..1.5).contains(&level), "{level}");
        let (mean, variance) = moments(drawn(&prior, None).column(0));
        // the variance of 13 even steps of a half
        let wanted = 0.25 * (13.0 * 13.0 - 1.0) / 12.0 * 1.25 + 0.04;
        assert!(mean.abs() < 0.15 && (variance - wanted).abs() < 0.3, "{mean} {variance} {wanted}");
    }

    #[test]
    fn one_row_alone_is_its_own_posterior() {
        let prior = AggregatedPosterior::new(array![[0.0]], array![[1.0, -2.0]], Array2::from_elem((1, 2), -200.0));
        assert_eq!(drawn(&prior, Some(array![5.0])).row(7), array![1.0, -2.0]);
    }
}
