//! The residual: what the network's reconstruction leaves of a trace. It models the individual shape of a new listener
//! that the few latents cannot represent.
//!
//! The residual is Gaussian. Its time scale is the width of a wave, and its variance along the trace follows the
//! differences between listeners. Its overall size in a recording is unknown; it is estimated from the recording
//! itself, together with the size of the noise (empirical Bayes; Rasmussen and Williams 2006, "Gaussian Processes for
//! Machine Learning", 5.4). Wiener's filter (1949) then estimates the residual.

use crate::baselines::MixedModel;
use crate::checkpoint::TrainedModel;
use crate::config::ResidualKind;
use crate::engine::rng::Stream;
use nalgebra::{DMatrix, DVector, SymmetricEigen, linalg::Cholesky};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

/// At this distance, the correlation of two samples is 1/e of that found between listeners: about the width of a wave,
/// so that the residual does not depend on the latencies of the training subjects.
const CORRELATION_MS: f64 = 1.0;
/// The variance along the trace is that between listeners, smoothed over this time.
const WINDOW_MS: f64 = 2.0;
/// The candidate variances of a residual, relative to that of listeners under one condition: 0, or one of these.
const LARGEST: f64 = 1.0;
const HALVINGS: i32 = 8;
/// The candidate ratios of a recording's noise to that expected from its averages: powers of √2 with exponents in this
/// range …
const NOISE_HALF_STEPS: std::ops::RangeInclusive<i32> = -4..=8;
/// … with this standard deviation of the logarithm, which is typical of recordings.
const NOISE_DEVIATION: f64 = 0.5;
/// Directions whose noise variance is below this share of the largest lie outside the band of the recordings. Values
/// from 1e-4 to 0.01 make little difference (for mice, listeners and the built-in data); with smaller values, the fit
/// finds residuals where there are none.
const IN_BAND: f64 = 0.01;
/// Sizes whose likelihood is below this share of the maximum are left out.
const NEGLIGIBLE: f64 = 1e-9;

/// The residual of a model whose training rows separate noise from differences between listeners.
pub struct Residual<'a> {
    mixed_model: &'a MixedModel,
    /// `[L, L]`: the covariance of a residual with the variance between listeners, in µV².
    covariance: DMatrix<f64>,
}

/// A basis in which noise and residual are both uncorrelated, and noise has variance 1. It spans the band of the
/// recordings: outside it there is neither, and their ratio is arbitrary.
struct Basis {
    /// `[K, L]`: maps a trace to the basis …
    to: DMatrix<f64>,
    /// `[L, K]`: … and back.
    from: DMatrix<f64>,
    /// `[K]`: the variances of the residual.
    variances: Vec<f64>,
    sizes: Vec<(f64, f64)>,
}

impl<'a> Residual<'a> {
    /// The residual of a model, if its configuration has one and repeated recordings of a cell show the noise.
    pub fn of(trained: &'a TrainedModel) -> Option<Residual<'a>> {
        let mixed_model = Residual::mixed_model(trained)?;
        let samples_per_ms = trained.data.sample_rate_hz / 1000.0;
        Some(Residual { mixed_model, covariance: local(&mixed_model.between(), samples_per_ms) })
    }

    /// The mixed model behind the residual, if there is one.
    pub fn mixed_model(trained: &'a TrainedModel) -> Option<&'a MixedModel> {
        let asked_for = trained.config.model.residual == ResidualKind::Gaussian;
        trained.baselines.as_ref().filter(|_| asked_for)?.noise()
    }

    /// Adds the posterior mean of the residual to `made [N, L]`, the network's reconstructions of `recorded [N, L]`;
    /// all in µV. `averages [N]` are the sweeps of each row.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn add(&self, recorded: ArrayView2<f32>, averages: &[f32], made: &mut Array2<f32>) {
        assert_eq!(recorded.dim(), made.dim(), "Residual::add: shapes");
        assert_eq!(recorded.nrows(), averages.len(), "Residual::add: averages");
        let Some(basis) = Basis::new(&self.mixed_model.noise(), &self.covariance) else { return };
        let rows: Vec<usize> = (0..made.nrows()).collect();
        let posterior = |row: &usize| {
            let sweeps = self.mixed_model.sweeps(averages[*row]);
            basis.posterior(recorded.row(*row), made.row(*row), sweeps)
        };
        let added: Vec<DVector<f64>> = rows.par_iter().map(posterior).collect();
        for (mut trace, residual) in made.outer_iter_mut().zip(added) {
            trace.iter_mut().zip(residual.iter()).for_each(|(v, r)| *v += *r as f32);
        }
    }

    /// The factor for drawing residuals with mean variance 1 along the trace, within the band of the recordings.
    pub fn factor(&self) -> ResidualFactor {
        ResidualFactor::new(&self.mixed_model.noise(), &self.covariance)
    }
}

/// A factor of the covariance of residuals, to draw them.
pub struct ResidualFactor {
    /// `[L, K]`
    factor: DMatrix<f64>,
}

impl ResidualFactor {
    /// Empty if there is no noise (and so no band), or no residual.
    fn new(noise: &Array2<f64>, covariance: &DMatrix<f64>) -> ResidualFactor {
        let (band, _) = band(noise);
        let within = band.transpose() * covariance * &band;
        let (size, mean) = (within.nrows(), within.trace() / covariance.nrows() as f64);
        if !(mean > 0.0 && mean.is_finite()) {
            return ResidualFactor { factor: DMatrix::zeros(covariance.nrows(), 0) };
        }
        let unit = within / mean + DMatrix::identity(size, size) * 1e-9;
        let factor = Cholesky::new(unit).map(|cholesky| cholesky.l());
        ResidualFactor { factor: band * factor.unwrap_or_else(|| DMatrix::zeros(size, size)) }
    }

    /// Draws a residual `[L]`; `sample` selects its random numbers in the stream.
    pub fn draw(&self, stream: Stream, sample: u32) -> Array1<f64> {
        let mut normals = vec![0.0; self.factor.ncols()];
        stream.normals(sample, &mut normals);
        let normals = DVector::from_iterator(normals.len(), normals.into_iter().map(f64::from));
        (&self.factor * normals).iter().copied().collect()
    }
}

impl Basis {
    /// `None` without any noise, where the ratio of residual to noise is undefined.
    fn new(noise: &Array2<f64>, residual: &DMatrix<f64>) -> Option<Basis> {
        let (band, deviations) = band(noise);
        if deviations.is_empty() {
            return None;
        }
        let whiten = &band * DMatrix::from_diagonal(&deviations.map(|v| 1.0 / v));
        let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(whiten.transpose() * residual * &whiten);
        Some(Basis {
            sizes: sizes(),
            to: (whiten * &eigenvectors).transpose(),
            from: band * DMatrix::from_diagonal(&deviations) * eigenvectors,
            variances: eigenvalues.iter().map(|v| v.max(0.0)).collect(),
        })
    }

    /// The posterior mean `[L]` in µV of the residual: the mean of Wiener's estimates over the candidate sizes of
    /// residual and noise, weighted by their likelihood.
    fn posterior(&self, recorded: ArrayView1<f32>, made: ArrayView1<f32>, sweeps: f64) -> DVector<f64> {
        let left = recorded.iter().zip(made).map(|(a, b)| sweeps.sqrt() * (f64::from(*a) - f64::from(*b)));
        let left = &self.to * DVector::from_iterator(recorded.len(), left);
        let sizes = &self.sizes;
        let log_likelihood = |&(residual, noise): &(f64, f64)| {
            let terms = left.iter().zip(&self.variances).map(|(v, variance)| {
                let variance = noise + residual * sweeps * variance;
                variance.ln() + v * v / variance
            });
            -0.5 * (terms.sum::<f64>() + (noise.ln() / NOISE_DEVIATION).powi(2))
        };
        let logs: Vec<f64> = sizes.iter().map(log_likelihood).collect();
        let best = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = logs.iter().map(|log| (log - best).exp());
        let likely: Vec<(&(f64, f64), f64)> = sizes.iter().zip(weights).filter(|(_, w)| *w > NEGLIGIBLE).collect();
        let total: f64 = likely.iter().map(|(_, weight)| weight).sum();
        let kept = left.iter().zip(&self.variances).map(|(v, variance)| {
            let gains = likely.iter().map(|((residual, noise), weight)| {
                let residual = residual * sweeps * variance;
                weight * residual / (noise + residual)
            });
            v * gains.sum::<f64>() / (total * sweeps.sqrt())
        });
        &self.from * DVector::from_iterator(left.len(), kept)
    }
}

/// The directions `[L, K]` of the recordings' band, and the standard deviations `[K]` of the noise in them.
fn band(noise: &Array2<f64>) -> (DMatrix<f64>, DVector<f64>) {
    let noise = SymmetricEigen::new(DMatrix::from_fn(noise.nrows(), noise.ncols(), |i, j| noise[[i, j]]));
    let least = IN_BAND * noise.eigenvalues.max();
    let inside: Vec<usize> = (0..noise.eigenvalues.len()).filter(|&i| noise.eigenvalues[i] > least).collect();
    let deviations = inside.iter().map(|&i| noise.eigenvalues[i].sqrt());
    (noise.eigenvectors.select_columns(&inside), DVector::from_iterator(inside.len(), deviations))
}

/// The candidate variances of residual and noise.
fn sizes() -> Vec<(f64, f64)> {
    let residuals = std::iter::once(0.0).chain((0..=HALVINGS).map(|halvings| LARGEST * 0.5_f64.powi(halvings)));
    let noises = || NOISE_HALF_STEPS.map(|steps| 2.0_f64.powf(0.5 * f64::from(steps)));
    residuals.flat_map(|residual| noises().map(move |noise| (residual, noise))).collect()
}

/// A covariance `[L, L]` that does not depend on the latencies at which listeners differ: their smoothed variance along
/// the trace, and their mean autocorrelation, which decays within a wave's width. Its trace equals that of `between`.
fn local(between: &Array2<f64>, samples_per_ms: f64) -> DMatrix<f64> {
    let length = between.nrows();
    let variance: Vec<f64> = between.diag().iter().map(|v| v.max(0.0)).collect();
    let half = (0.5 * WINDOW_MS * samples_per_ms).round() as usize;
    let smoothed = |i: usize| {
        let window = &variance[i.saturating_sub(half)..(i + half + 1).min(length)];
        (window.iter().sum::<f64>() / window.len() as f64).sqrt()
    };
    let deviations: Vec<f64> = (0..length).map(smoothed).collect();
    // divided by the length for every lag, so that the covariance stays positive semidefinite
    let together = |lag: usize| (lag..length).map(|i| between[[i, i - lag]]).sum::<f64>();
    let falls = |lag: usize| together(lag) * (-(lag as f64) / (CORRELATION_MS * samples_per_ms)).exp();
    let correlation: Vec<f64> = (0..length).map(|lag| falls(lag) / falls(0)).collect();
    let matrix = DMatrix::from_fn(length, length, |i, j| deviations[i] * deviations[j] * correlation[i.abs_diff(j)]);
    let trace = matrix.trace();
    if trace > 0.0 && trace.is_finite() {
        matrix * (variance.iter().sum::<f64>() / trace)
    } else {
        DMatrix::zeros(length, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::Purpose;

    const LENGTH: usize = 80;

    fn normals(layer: u32, sample: u32) -> DVector<f64> {
        let mut values = vec![0.0_f32; LENGTH];
        Stream::new(11, Purpose::TEST, layer).normals(sample, &mut values);
        DVector::from_iterator(LENGTH, values.into_iter().map(f64::from))
    }

    /// Listeners differ by slow waves with a variance of 1 µV² in the first half and 4 µV² in the second; 20 samples
    /// are 1 ms.
    fn between() -> Array2<f64> {
        let deviation = |i: usize| if i < LENGTH / 2 { 1.0 } else { 2.0 };
        Array2::from_shape_fn((LENGTH, LENGTH), |(i, j)| {
            deviation(i) * deviation(j) * (0.2 * (i as f64 - j as f64)).cos()
        })
    }

    /// The noise of one sweep: white, 100 µV², below a quarter of the sample rate, and none above.
    fn noise() -> Array2<f64> {
        Array2::from_shape_fn((LENGTH, LENGTH), |(i, j)| {
            let lag = i as f64 - j as f64;
            let sinc =
                if lag == 0.0 { 0.5 } else { (std::f64::consts::FRAC_PI_2 * lag).sin() / (std::f64::consts::PI * lag) };
            200.0 * sinc
        })
    }

    /// The noise of one sweep: coloured, 100 µV², at all frequencies.
    fn coloured() -> Array2<f64> {
        Array2::from_shape_fn((LENGTH, LENGTH), |(i, j)| 100.0 * 0.7_f64.powi(i.abs_diff(j) as i32))
    }

    fn root(covariance: DMatrix<f64>) -> DMatrix<f64> {
        let eigen = SymmetricEigen::new(covariance);
        let deviations = eigen.eigenvalues.map(|v| v.max(0.0).sqrt());
        &eigen.eigenvectors * DMatrix::from_diagonal(&deviations)
    }

    fn trace(values: &DVector<f64>) -> Array1<f32> {
        values.iter().map(|v| *v as f32).collect()
    }

    /// The mean squares of the residual, of the error of its posterior mean, and of the error of Wiener's estimate with
    /// known sizes. The residuals have `size` times the variance of listeners, and the noise has `noisier` times the
    /// variance expected from the averages.
    fn errors(size: f64, noisier: f64) -> [f64; 3] {
        let (covariance, noise, sweeps) = (local(&between(), 20.0), coloured(), 400.0);
        let basis = Basis::new(&noise, &covariance).unwrap();
        let residual_covariance = covariance * size;
        let noise_covariance = DMatrix::from_fn(LENGTH, LENGTH, |i, j| noise[[i, j]]) * (noisier / sweeps);
        let total = &residual_covariance + &noise_covariance + DMatrix::identity(LENGTH, LENGTH) * 1e-3;
        let wiener = &residual_covariance * total.try_inverse().unwrap();
        let (shapes, noises) = (root(residual_covariance), root(noise_covariance));
        let mut sums = [0.0; 3];
        for row in 0..60 {
            let residual = &shapes * normals(0, row);
            let left = &residual + &noises * normals(1, row);
            let posterior = basis.posterior(trace(&left).view(), Array1::zeros(LENGTH).view(), sweeps);
            let squares = [residual.norm_squared(), (&residual - posterior).norm_squared()];
            sums[0] += squares[0];
            sums[1] += squares[1];
            sums[2] += (residual - &wiener * left).norm_squared();
        }
        sums.map(|sum| sum / (60.0 * LENGTH as f64))
    }

    #[test]
    fn a_residual_is_told_from_noise_whatever_their_sizes() {
        // noise has 0.25 µV² per sample, listeners 2.5 µV²
        for (size, noisier) in [(1.0, 1.0), (0.25, 1.0), (1.0, 4.0), (0.25, 0.5)] {
            let [whole, left, wiener] = errors(size, noisier);
            // the mean square of 60 residuals has a standard error of 6.2 %, by the eigenvalues of their covariance:
            // the bound is 3.2 of them
            assert!((whole / (2.5 * size) - 1.0).abs() < 0.2, "{whole}");
            // sizes estimated from one recording cost up to a quarter over known ones (here 3 to 22 %)
            assert!(left < 1.25 * wiener, "{size} {noisier}: {left} {wiener} of {whole}");
        }
    }

    #[test]
    fn noise_alone_is_no_residual() {
        let [_, left, _] = errors(0.0, 1.0);
        // a residual of 4 % of the noise: some of 60 recordings look as if they had a small one (here 3.4 % on average)
        assert!(left < 0.04 * 0.25, "{left}");
    }

    #[test]
    fn nothing_is_added_beyond_the_band() {
        let basis = Basis::new(&noise(), &local(&between(), 20.0)).unwrap();
        // half of the directions, and three more: from the 41st on, variances relative to the largest are 0.33, 0.10,
        // 0.021 and 0.0035
        assert_eq!(basis.variances.len(), LENGTH / 2 + 3);
        // the highest possible frequency
        let recorded: Array1<f32> = (0..LENGTH).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let added = basis.posterior(recorded.view(), Array1::zeros(LENGTH).view(), 400.0);
        assert!(Basis::new(&Array2::zeros((4, 4)), &DMatrix::identity(4, 4)).is_none());
        // of the frequency, 1.5 % lies in the band, and the residual has little of it there
        assert!(added.norm_squared() < 1e-3 * LENGTH as f64, "{}", added.norm_squared());
    }

    #[test]
    fn residuals_are_drawn_within_the_band_with_variance_1() {
        let factor = ResidualFactor::new(&noise(), &local(&between(), 20.0));
        let (mut variance, mut halves, mut steps) = (0.0, [0.0; 2], 0.0);
        for sample in 0..400 {
            let drawn = factor.draw(Stream::new(3, Purpose::TEST, 5), sample);
            variance += drawn.mapv(|v| v * v).mean().unwrap() / 400.0;
            (0..LENGTH).for_each(|i| halves[2 * i / LENGTH] += drawn[i] * drawn[i]);
            // alternating signs are the highest possible frequency
            let alternating: f64 = drawn.iter().enumerate().map(|(i, v)| if i % 2 == 0 { *v } else { -v }).sum();
            steps += alternating * alternating / (LENGTH as f64 * 400.0);
        }
        // By the eigenvalues of the covariance, 400 draws give the variance with a standard error of 2.4 %: the bound
        // is four of them.
        assert!((variance - 1.0).abs() < 0.1, "{variance}");
        // Deviations of 1 and 2, smoothed, have variances in the ratio of 2.61. The halves have standard errors of 3.1
        // %, so their ratio one of 4.4 %: the bound is five of them.
        assert!((halves[1] / halves[0] / 2.61 - 1.0).abs() < 5.0 * 0.044, "{halves:?}");
        // what the band holds of the highest frequency; the square of a normal number, averaged over 400 draws
        assert!((steps / 0.00607 - 1.0).abs() < 5.0 * (2.0_f64 / 400.0).sqrt(), "{steps}");
        let nothing = ResidualFactor::new(&Array2::zeros((4, 4)), &DMatrix::identity(4, 4));
        assert_eq!(nothing.draw(Stream::new(3, Purpose::TEST, 5), 0), Array1::<f64>::zeros(4));
    }

    #[test]
    fn it_is_local_and_as_large_as_listeners_differ() {
        let covariance = local(&between(), 20.0);
        // here and below: sums of 80 terms in f64, with an error of at most 80 half ulps each, and four of them
        let equal = |a: f64, b: f64| (a / b - 1.0).abs() < 4.0 * 80.0 * 0.5 * f64::EPSILON;
        assert!(equal(covariance.trace(), between().diag().sum()), "{}", covariance.trace());
        let at = |i: usize, j: usize| covariance[(i, j)];
        assert!(equal(at(10, 10), 1.0) && equal(at(70, 70), 4.0), "{} {}", at(10, 10), at(70, 70));
        // 20 samples are 1 ms: exp(-1 / 20). Of the products of deviations at a lag of 1, 39 are 1, one 2 and 39 4.
        let next = 197.0 / 200.0 * 0.2_f64.cos() * (-1.0_f64 / 20.0).exp();
        assert!(equal(at(10, 11), next), "{}", at(10, 11));
        // At a lag of 31, the listeners' correlation is nearly 1 again; of the products, 9 are 1, 31 are 2 and 9 4.
        // Around sample 36, a window of 41 holds 24 variances of 1 and 17 of 4.
        let far = 107.0 / 200.0 * 6.2_f64.cos() * (-31.0_f64 / 20.0).exp() * (92.0_f64 / 41.0).sqrt();
        assert!(equal(at(5, 36), far), "{}", at(5, 36));
        assert!(SymmetricEigen::new(covariance).eigenvalues.min() > 0.0);
        assert_eq!(local(&Array2::zeros((4, 4)), 20.0), DMatrix::zeros(4, 4));
    }
}
