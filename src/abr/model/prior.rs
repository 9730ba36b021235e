//! The aggregated posterior: latents of generated traces come from the encoder's posteriors of training rows with
//! similar conditions.
//!
//! The KL term pulls all posteriors together towards a standard normal prior, regardless of the condition. But under a
//! given condition, the decoder has learned to decode the posteriors of the rows with that condition. The prior here is
//! their mixture, the aggregated posterior (Hoffman and Johnson 2016, "ELBO surgery"; Tomczak and Welling 2018, "VAE
//! with a VampPrior", arXiv:1705.07120), conditioned by a kernel (Nadaraya 1964; Watson 1964). Each posterior is moved
//! along a regression from its row's condition to the given condition (like the adjustment of draws in Beaumont et al.
//! 2002, Genetics 162:2025).

mod regression;

use crate::engine::rng::Rng;
use nalgebra::{DMatrix, linalg::Cholesky};
use ndarray::{Array1, Array2, ArrayView1};
use regression::Regression;
use std::cell::OnceCell;

/// The kernel's standard deviation in encoded conditions (whose standard deviation over the training rows is 1), in the
/// direction in which latents change most. In other directions it is wider ([`Regression::metric`]).
const BANDWIDTH: f64 = 0.2;
/// The kernel is widened until this many rows count (Kish's effective number), or all of them.
const FEWEST_ROWS: f64 = 20.0;
/// Rows and subjects with a smaller weight are left out.
const NEGLIGIBLE: f64 = 1e-9;
/// Draws scatter about a subject by this share of the standard deviation between subjects (the smoothed bootstrap,
/// Silverman and Young 1987). So draws are listeners between the recorded ones, not copies.
const SMOOTHING: f64 = 0.5;
/// The share of a posterior's variance that belongs to the recording; the rest belongs to the subject. Rows of a
/// subject under one condition differ mostly by noise, which noise-free traces do not have and which only makes the
/// subject uncertain. Our choice: tests and retests differ far less than listeners do (Edwards et al. 1982).
const OF_RECORDING: f64 = 0.1;

/// Posteriors of training rows with their conditions.
///
/// A latent has a subject part, which all recordings of a drawn subject share, and a small recording part.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregatedPosterior {
    /// `[N, S]`, encoded.
    condition: Array2<f32>,
    /// `[N, Z]`
    mu: Array2<f32>,
    /// `[N, Z]`
    logvar: Array2<f32>,
    /// How far generated subjects vary beyond these rows: the factor on the standard deviations of `training.augment`.
    pub variation: f32,
    /// The size of the residual added to generated traces, relative to their root mean square ([`crate::residual`]).
    pub residual_share: f32,
    /// The regression of mu on the condition …
    regression: Regression,
    /// `[N, Z]`: … and its residuals.
    residual: Array2<f64>,
    /// `[S, S]`: multiplied by this, conditions lie as far apart as the latents change between them …
    metric: Array2<f64>,
    /// `[N, S]`: … and the rows' conditions multiplied by it.
    places: Array2<f64>,
    /// The rows of each subject.
    rows: Vec<Vec<usize>>,
}

/// The weights of rows and subjects by the distance of their conditions from a given one.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// Each row's squared distance from the given condition.
    squares: Vec<f64>,
    /// The bandwidth of the kernel.
    bandwidth: f64,
    /// `[Z]`: the latent expected under the given condition; `None` without a condition.
    expected: Option<Array1<f64>>,
    /// The weight of each subject.
    subjects: Vec<f64>,
    /// `[Z]`: the weighted mean of each subject's rows, computed when needed …
    means: Vec<OnceCell<Array1<f64>>>,
    /// … and of all rows.
    mean: Array1<f64>,
    /// `[Z, Z]`, lower triangular: the Cholesky factor of the covariance of posteriors about the means of their
    /// subjects.
    within: Array2<f64>,
}

/// A drawn subject: a training subject, and two others whose difference is added for smoothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubjectDraw {
    own: usize,
    between: [usize; 2],
}

impl Near {
    /// Adds the weight of each subject.
    pub fn add_weights(&self, weights: &mut [f64]) {
        weights.iter_mut().zip(&self.subjects).for_each(|(sum, weight)| *sum += weight);
    }
}

impl SubjectDraw {
    /// Draws a subject with probabilities proportional to `weights`.
    pub fn draw(weights: &[f64], draws: &mut Rng) -> SubjectDraw {
        let mut pick = || draws.weighted(weights.iter().copied());
        SubjectDraw { own: pick(), between: [pick(), pick()] }
    }
}

impl AggregatedPosterior {
    /// The maximum number of rows whose posteriors are stored.
    pub const MOST_ROWS: usize = 4096;

    /// From rows with encoded conditions `[N, S]`, posteriors `[N, Z]` and the subject of each row, counted from 0.
    ///
    /// # Panics
    /// If there are no rows, or the numbers of rows differ.
    pub fn new(condition: Array2<f32>, mu: Array2<f32>, logvar: Array2<f32>, subject: Vec<u32>) -> Self {
        assert!(condition.nrows() > 0 && condition.nrows() == mu.nrows(), "AggregatedPosterior: rows");
        assert_eq!(mu.dim(), logvar.dim(), "AggregatedPosterior: mu and logvar");
        assert_eq!(subject.len(), mu.nrows(), "AggregatedPosterior: subjects");
        let mut rows = vec![Vec::new(); 1 + *subject.iter().max().expect("a row") as usize];
        subject.iter().enumerate().for_each(|(row, &subject)| rows[subject as usize].push(row));
        rows.retain(|rows| !rows.is_empty());
        let regression = Regression::new(&condition, &mu, &rows);
        let mut residual = mu.mapv(f64::from);
        residual.outer_iter_mut().zip(condition.outer_iter()).for_each(|(mut mu, c)| mu -= &regression.at(c));
        let metric = regression.metric(&condition);
        let places = condition.mapv(f64::from).dot(&metric);
        AggregatedPosterior {
            condition,
            mu,
            logvar,
            variation: 0.0,
            residual_share: 0.0,
            regression,
            residual,
            metric,
            places,
            rows,
        }
    }

    /// The conditions of the rows `[N, S]`.
    pub fn condition(&self) -> &Array2<f32> {
        &self.condition
    }

    /// The weights of all rows under a condition `[S]`; without a condition, all are equal.
    pub fn near(&self, condition: Option<ArrayView1<f32>>) -> Near {
        let (squares, expected) = match condition {
            Some(wanted) => {
                let place = wanted.mapv(f64::from).dot(&self.metric);
                let square = |row: ArrayView1<f64>| row.iter().zip(&place).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
                let squares: Vec<f64> = self.places.outer_iter().map(square).collect();
                (squares, Some(self.regression.at(wanted)))
            }
            None => (vec![0.0; self.mu.nrows()], None),
        };
        let (bandwidth, least) = kernel(&squares);
        let latent = self.mu.ncols();
        let mut near = Near {
            squares,
            bandwidth,
            expected,
            subjects: Vec::with_capacity(self.rows.len()),
            means: vec![OnceCell::new(); self.rows.len()],
            mean: Array1::zeros(latent),
            within: Array2::zeros((latent, latent)),
        };
        // for rows that count: the deviation from the subject's mean, times the square root of the weight
        let (mut about, mut variances) = (Vec::new(), Array1::<f64>::zeros(latent));
        for rows in &self.rows {
            let (own, total, nearest) = self.mean_of(&near, rows);
            let share = weight(nearest - least, bandwidth);
            near.subjects.push(total * share);
            if share < NEGLIGIBLE {
                continue;
            }
            near.mean.scaled_add(total * share, &own);
            for &row in rows {
                let weight = share * weight(near.squares[row] - nearest, bandwidth);
                if weight > NEGLIGIBLE {
                    about.extend((self.moved(&near, row) - &own) * weight.sqrt());
                    variances.zip_mut_with(&self.logvar.row(row), |sum, v| *sum += weight * f64::from(*v).exp());
                }
            }
        }
        let total: f64 = near.subjects.iter().sum();
        near.mean /= total;
        let about = Array2::from_shape_vec((about.len() / latent, latent), about).expect("rows of latents");
        near.within = factor(&((about.t().dot(&about) + Array2::from_diag(&variances)) / total));
        near
    }

    /// The mu `[Z]` of a row, moved from its condition to the given one.
    fn moved(&self, near: &Near, row: usize) -> Array1<f64> {
        match &near.expected {
            Some(expected) => expected + &self.residual.row(row),
            None => self.mu.row(row).mapv(f64::from),
        }
    }

    /// The weighted mean `[Z]` of a subject's rows (the weights are relative to the subject's nearest row, so that
    /// distant subjects have a mean too), the sum of the weights, and the squared distance of the nearest row.
    fn mean_of(&self, near: &Near, rows: &[usize]) -> (Array1<f64>, f64, f64) {
        let nearest = rows.iter().map(|&row| near.squares[row]).fold(f64::INFINITY, f64::min);
        let (mut mean, mut total) = (Array1::zeros(self.mu.ncols()), 0.0);
        for &row in rows {
            let weight = weight(near.squares[row] - nearest, near.bandwidth);
            if weight > NEGLIGIBLE {
                mean.scaled_add(weight, &self.moved(near, row));
                total += weight;
            }
        }
        (mean / total, total, nearest)
    }

    /// The number of subjects.
    pub fn subjects(&self) -> usize {
        self.rows.len()
    }

    /// Computes the latent `[Z]` of a recording from standard normal numbers: those of the recording in `recording
    /// [Z]`, and those of its subject in `z`, which is overwritten with the latent.
    pub fn draw(&self, near: &Near, subject: &SubjectDraw, recording: &[f32], z: &mut [f32]) {
        let mixed = z.iter().zip(recording).map(|(subject, recording)| {
            (1.0 - OF_RECORDING).sqrt() * f64::from(*subject) + OF_RECORDING.sqrt() * f64::from(*recording)
        });
        let within = near.within.dot(&mixed.collect::<Array1<f64>>());
        // the difference of two subjects has twice the variance between subjects; this factor keeps the total variance
        let keep = 1.0 / (1.0 + SMOOTHING * SMOOTHING).sqrt();
        let share = SMOOTHING / 2.0_f64.sqrt();
        let mean = |subject: usize| near.means[subject].get_or_init(|| self.mean_of(near, &self.rows[subject]).0);
        let (own, [one, other]) = (mean(subject.own), subject.between.map(mean));
        for (unit, z) in z.iter_mut().enumerate() {
            let about = own[unit] - near.mean[unit] + share * (one[unit] - other[unit]);
            *z = (near.mean[unit] + keep * about + within[unit]) as f32;
        }
    }
}

/// The Cholesky factor of a covariance, with a small diagonal term against rounding errors.
fn factor(covariance: &Array2<f64>) -> Array2<f64> {
    let size = covariance.nrows();
    let mean = covariance.diag().mean().unwrap_or(0.0);
    let mut matrix = DMatrix::from_fn(size, size, |i, j| covariance[[i, j]]);
    (0..size).for_each(|i| matrix[(i, i)] += 1e-9 * mean + f64::MIN_POSITIVE);
    let factor = Cholesky::new(matrix).map(|cholesky| cholesky.l());
    factor.map_or_else(|| Array2::zeros((size, size)), |l| Array2::from_shape_fn((size, size), |at| l[at]))
}

/// The weight of a row with this squared distance.
fn weight(square: f64, bandwidth: f64) -> f64 {
    (-square / (2.0 * bandwidth * bandwidth)).exp()
}

/// The bandwidth of the kernel for rows with these squared distances from the given condition, and the smallest
/// distance.
fn kernel(squares: &[f64]) -> (f64, f64) {
    let nearest = squares.iter().copied().fold(f64::INFINITY, f64::min);
    let enough = FEWEST_ROWS.min(squares.len() as f64 * 0.99);
    let mut bandwidth = BANDWIDTH;
    loop {
        let (mut sum, mut sum_of_squares) = (0.0, 0.0);
        for square in squares {
            let weight = weight(square - nearest, bandwidth);
            (sum, sum_of_squares) = (sum + weight, sum_of_squares + weight * weight);
        }
        if sum * sum >= enough * sum_of_squares {
            return (bandwidth, nearest);
        }
        bandwidth *= 1.25;
    }
}

#[cfg(test)]
mod tests;
