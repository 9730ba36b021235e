//! The linear mixed model of traces: a smooth curve of the condition, an effect of the listener, and noise (Laird and
//! Ware 1982, Biometrics 38:963). The best linear estimate of the noise-free trace is the posterior mean (Wiener 1949).
use crate::purpose;

use super::pca::eigen;
use super::products::{CHUNK, CrossProduct};
use super::stored;
use crate::data::cells::Cells;
use crate::engine::rng::Stream;
use nalgebra::{DMatrix, linalg::Cholesky};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

/// The maximum number of components of a covariance.
const MOST_COMPONENTS: usize = 96;
/// Components below this share of the largest are left out.
const SMALLEST_SHARE: f64 = 1e-4;

/// What the rows of a group share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// Subject and condition: within a group, recordings differ by noise.
    Cells,
    /// The subject only, if no condition was recorded twice: within a group, recordings differ by more than noise.
    Subjects,
}

/// The model, fitted by the method of moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixedModel {
    pub grouping: Grouping,
    /// Covariance between groups, in µV².
    between: Covariance,
    /// Covariance within groups; that of a single sweep if the numbers of averages are known.
    noise: Covariance,
    /// Whether `noise` is that of a single sweep, which a row divides by its number of averages.
    pub by_averages: bool,
    /// The median number of averages of the training rows, used for rows whose number is unknown; 1 if all are unknown,
    /// and in checkpoints that predate this field.
    #[serde(default = "one")]
    typical_averages: f64,
}

fn one() -> f64 {
    1.0
}

/// A covariance as its largest components plus the mean variance of the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Covariance {
    /// `[L, K]`: eigenvectors times the square roots of their eigenvalues minus `rest`.
    #[serde(with = "stored::matrix")]
    factors: Array2<f64>,
    /// The remaining variance in every direction, in µV².
    rest: f64,
}

impl Covariance {
    /// Whether it is one of traces of this length.
    fn is_sound(&self, length: usize) -> bool {
        self.factors.nrows() == length
            && self.factors.ncols() <= length
            && self.factors.iter().all(|value| value.is_finite())
            && self.rest >= 0.0
            && self.rest.is_finite()
    }

    fn of(matrix: &Array2<f64>) -> Covariance {
        let (vectors, values) = eigen(matrix);
        let floor = values.first().copied().unwrap_or(0.0) * SMALLEST_SHARE;
        let kept = values.iter().take_while(|value| **value > floor).count().min(MOST_COMPONENTS);
        let rest = values.slice(s![kept..]).mean().unwrap_or(0.0);
        let mut factors = vectors.slice(s![.., ..kept]).to_owned();
        for (mut factor, value) in factors.columns_mut().into_iter().zip(&values) {
            factor *= (value - rest).max(0.0).sqrt();
        }
        Covariance { factors, rest }
    }

    fn matrix(&self) -> Array2<f64> {
        let mut matrix = self.factors.dot(&self.factors.t());
        matrix.diag_mut().iter_mut().for_each(|v| *v += self.rest);
        matrix
    }
}

impl Covariance {
    /// A normal vector `[L]` with this covariance; `sample` selects its random numbers in the two streams.
    fn draw(&self, streams: [Stream; 2], sample: u32) -> Array1<f64> {
        let (length, components) = self.factors.dim();
        let (mut along, mut rest) = (vec![0.0; components], vec![0.0; length]);
        streams[0].normals(sample, &mut along);
        streams[1].normals(sample, &mut rest);
        let along: Array1<f64> = along.into_iter().map(f64::from).collect();
        let rest: Array1<f64> = rest.into_iter().map(f64::from).collect();
        self.factors.dot(&along) + rest * self.rest.sqrt()
    }
}

impl MixedModel {
    /// Whether it is one of traces of this length.
    pub(super) fn is_sound(&self, length: usize) -> bool {
        let averages = self.typical_averages >= 1.0 && self.typical_averages.is_finite();
        averages && self.between.is_sound(length) && self.noise.is_sound(length)
    }

    /// Fits rows of these `groups` from their residuals about the curve of the condition, `residual(row) [L]` in µV.
    /// `averages` are the sweeps of each row, if known for all rows. `None` if no group has two rows.
    pub fn fit(
        residual: impl Fn(usize) -> Array1<f64>,
        groups: (&Cells, Grouping),
        averages: Option<&[f32]>,
    ) -> Option<MixedModel> {
        let (cells, grouping) = groups;
        let n = cells.iter().map(<[u32]>::len).sum::<usize>();
        let freedom = n.checked_sub(cells.iter().len()).filter(|freedom| *freedom > 0)?;
        let weight = |row: &u32| averages.map_or(1.0, |averages| f64::from(averages[*row as usize]));
        let length = residual(0).len();
        let (mut within, mut between) = (CrossProduct::new(length, length), CrossProduct::new(length, length));
        let mut noise_in_means = 0.0;
        let add = |to: &mut CrossProduct, row: Array1<f64>| {
            let narrow = || row.iter().map(|v| *v as f32);
            to.add(narrow(), narrow());
        };
        for rows in cells.iter() {
            let total: f64 = rows.iter().map(weight).sum();
            let residuals: Vec<Array1<f64>> = rows.iter().map(|row| residual(*row as usize)).collect();
            let mut mean = Array1::zeros(length);
            rows.iter().zip(&residuals).for_each(|(row, v)| mean.scaled_add(weight(row) / total, v));
            if rows.len() > 1 {
                rows.iter().zip(residuals).for_each(|(row, v)| add(&mut within, (v - &mean) * weight(row).sqrt()));
            }
            add(&mut between, mean * (rows.len() as f64).sqrt());
            noise_in_means += rows.len() as f64 / total;
        }
        let noise = within.finish() / freedom as f64;
        let mut between = between.finish() / n as f64;
        between.scaled_add(-noise_in_means / n as f64, &noise);
        Some(MixedModel {
            grouping,
            between: Covariance::of(&between),
            noise: Covariance::of(&noise),
            by_averages: averages.is_some(),
            typical_averages: averages.map_or(1.0, median),
        })
    }

    /// The posterior mean `[M, L]` in µV of the noise-free traces behind `signals [M, L]`, given their `curve [M, L]`.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn denoise(&self, signals: ArrayView2<f32>, curve: &Array2<f64>, averages: &[f32]) -> Array2<f32> {
        let mut made = Array2::zeros(signals.raw_dim());
        let key = |row: usize| self.sweeps(averages[row]).to_bits();
        let mut order: Vec<usize> = (0..signals.nrows()).collect();
        order.sort_by_key(|row| key(*row));
        for rows in order.chunk_by(|a, b| key(*a) == key(*b)) {
            let gain = self.gain(f64::from_bits(key(rows[0])));
            for rows in rows.chunks(CHUNK) {
                let curve = curve.select(Axis(0), rows);
                let residual = signals.select(Axis(0), rows).mapv(f64::from) - &curve;
                let posterior = residual.dot(&gain) + curve;
                rows.iter().zip(posterior.outer_iter()).for_each(|(row, trace)| {
                    made.row_mut(*row).assign(&trace.mapv(|v| v as f32));
                });
            }
        }
        made
    }

    /// Draws noise-free traces `[N, L]` in µV about `curves [N, L]`. All rows of a group have the same difference from
    /// their curve.
    pub fn draw(&self, mut curves: Array2<f64>, groups: impl Iterator<Item = u32>, seed: u64) -> Array2<f32> {
        let streams = [0, 1].map(|layer| Stream::new(seed, purpose::EFFECT, layer));
        curves.outer_iter_mut().zip(groups).for_each(|(mut trace, group)| trace += &self.between.draw(streams, group));
        curves.mapv(|v| v as f32)
    }

    /// Adds the noise of a recording with this number of averages to `trace [L]` in µV; `sample` selects its random
    /// numbers in the two streams.
    pub fn add_noise(&self, averages: f64, streams: [Stream; 2], sample: u32, trace: &mut [f32]) {
        for (v, noise) in trace.iter_mut().zip(self.noise.draw(streams, sample)) {
            *v += (noise / averages.sqrt()) as f32;
        }
    }

    /// The covariance `[L, L]` between groups, in µV².
    pub fn between(&self) -> Array2<f64> {
        self.between.matrix()
    }

    /// The covariance `[L, L]` of noise in µV²: that of one sweep if `by_averages`.
    pub fn noise(&self) -> Array2<f64> {
        self.noise.matrix()
    }

    /// The factor by which the variance of a recording's noise is smaller than [`MixedModel::noise`]. Unknown or
    /// invalid numbers of averages count as the median of the training rows.
    pub fn sweeps(&self, averages: f32) -> f64 {
        match self.by_averages {
            true if averages.is_finite() && averages >= 1.0 => f64::from(averages),
            true => self.typical_averages,
            false => 1.0,
        }
    }

    /// `(B + N / averages)⁻¹ B`, which multiplies a residual from the right.
    fn gain(&self, averages: f64) -> Array2<f64> {
        let between = self.between.matrix();
        let total = &between + &(self.noise.matrix() / averages);
        let length = total.nrows();
        // keeps the matrix regular without any variance, where the result is the curve
        let least = total.diag().sum() / length as f64 * 1e-9 + f64::MIN_POSITIVE;
        let matrix = |of: &Array2<f64>| DMatrix::from_fn(length, length, |i, j| of[[i, j]]);
        let padded = matrix(&total) + DMatrix::identity(length, length) * least;
        let solved = Cholesky::new(padded).map(|cholesky| cholesky.solve(&matrix(&between)));
        solved.map_or_else(|| Array2::zeros((length, length)), |g| Array2::from_shape_fn((length, length), |at| g[at]))
    }
}

fn median(averages: &[f32]) -> f64 {
    let mut sorted = averages.to_vec();
    sorted.sort_by(f32::total_cmp);
    f64::from(sorted[sorted.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::Purpose;

    /// 60 cells of 8 rows: an effect along `shape` with variance 4, white noise with variance 1 per sweep, curve 0.
    fn simulated(sweeps: impl Fn(usize) -> f32) -> (Array2<f32>, Array2<f64>, Cells, Vec<f32>) {
        let (length, n) = (12, 480);
        let normals = |layer: u32, row: usize, length: usize| {
            let mut values = vec![0.0_f32; length];
            Stream::new(5, Purpose::TEST, layer).normals(row as u32, &mut values);
            values
        };
        let shape = |i: usize| (0.9 * i as f32).sin();
        let truth =
            Array2::from_shape_fn((n, length), |(row, i)| 2.0 * f64::from(normals(0, row / 8, 4)[0] * shape(i)));
        let averages: Vec<f32> = (0..n).map(sweeps).collect();
        let signals = Array2::from_shape_fn((n, length), |(row, i)| {
            truth[[row, i]] as f32 + normals(1, row, length)[i] / averages[row].sqrt()
        });
        let mut data = crate::data::fixture::dataset(n, 1);
        data.conditions.truncate(0);
        data.subjects = (0..n).map(|row| format!("S{}", row / 8)).collect();
        (signals, truth, Cells::of(&data, &(0..n).collect::<Vec<_>>()), averages)
    }

    fn residual(signals: &Array2<f32>) -> impl Fn(usize) -> Array1<f64> {
        |row| signals.row(row).mapv(f64::from)
    }

    fn error(a: &Array2<f32>, truth: &Array2<f64>) -> f64 {
        (a.mapv(f64::from) - truth).mapv(|v| v * v).mean().unwrap()
    }

    #[test]
    fn covariances_come_back_and_the_posterior_is_wieners() {
        let (signals, truth, cells, averages) = simulated(|_| 1.0);
        let curve = Array2::zeros(truth.raw_dim());
        let model = MixedModel::fit(residual(&signals), (&cells, Grouping::Cells), None).unwrap();
        let noise = model.noise.matrix();
        // 12 variances with 420 degrees of freedom: the standard error of their mean is 2 %, the bound is 2.5 of them
        assert!((noise.diag().mean().unwrap() - 1.0).abs() < 0.05, "{}", noise.diag());
        let energy: f64 = (0..12).map(|i| (0.9 * f64::from(i)).sin().powi(2)).sum();
        // 60 effects: the standard error of their variance is 18 %, the bound is 2.7 of them
        let largest = model.between.factors.column(0).mapv(|v| v * v).sum();
        assert!((largest / (4.0 * energy) - 1.0).abs() < 0.5, "{largest} {energy}");
        // along the shape, most of the residual is kept; across it, nearly nothing
        let made = error(&model.denoise(signals.view(), &curve, &averages), &truth);
        // one of 12 directions keeps its noise, and the estimated covariances add some: 0.083 with a deviation of 0.005
        // (300 simulations), five of them; the noise itself as above, with 480 rows: 1.9 %, also five
        assert!((made - 0.083).abs() < 5.0 * 0.005, "{made}");
        let recorded = error(&signals, &truth);
        assert!((recorded - 1.0).abs() < 5.0 * (2.0_f64 / (12.0 * 480.0)).sqrt(), "{recorded}");
    }

    #[test]
    fn noise_is_that_of_one_sweep_and_falls_with_the_averages() {
        let (signals, truth, cells, averages) = simulated(|row| if row % 2 == 0 { 4.0 } else { 100.0 });
        let curve = Array2::zeros(truth.raw_dim());
        let model = MixedModel::fit(residual(&signals), (&cells, Grouping::Cells), Some(&averages)).unwrap();
        // 2.5 standard errors, as above
        assert!((model.noise.matrix().diag().mean().unwrap() - 1.0).abs() < 0.05);
        let blind = MixedModel::fit(residual(&signals), (&cells, Grouping::Cells), None).unwrap();
        let [knows, not] = [&model, &blind].map(|m| error(&m.denoise(signals.view(), &curve, &averages), &truth));
        assert!(knows < not, "{knows} {not}");
        // with one sweep, the gain is large only along the shape; with many, everywhere
        let [one, many] = [1.0, 1e6].map(|averages| model.gain(averages).diag().sum());
        // 4 E / (4 E + 1) = 0.956 for the energy E = 5.44 of the shape, with a deviation of 0.008 (300 simulations); 12
        // directions of a gain near 1 against this
        assert!((one - 0.956).abs() < 5.0 * 0.008 && many > 2.0 * one, "{one} {many}");
    }

    #[test]
    fn noise_is_drawn_with_its_covariance_and_falls_with_the_averages() {
        let (signals, _, cells, _) = simulated(|_| 1.0);
        let model = MixedModel::fit(residual(&signals), (&cells, Grouping::Cells), None).unwrap();
        let streams = [2, 3].map(|layer| Stream::new(9, Purpose::TEST, layer));
        let mut drawn = Array2::<f32>::zeros((8000, 12));
        for (row, mut trace) in drawn.outer_iter_mut().enumerate() {
            model.add_noise(4.0, streams, row as u32, trace.as_slice_mut().unwrap());
        }
        let drawn = drawn.mapv(f64::from);
        let covariance = drawn.t().dot(&drawn) / 8000.0 * 4.0;
        // five standard errors of a variance of at most 1.2
        assert!((covariance - model.noise.matrix()).iter().all(|v| v.abs() < 5.0 * (2.0_f64 / 8000.0).sqrt() * 1.2));
    }

    #[test]
    fn rows_that_are_all_alone_tell_nothing_of_noise() {
        let (signals, _, _, _) = simulated(|_| 1.0);
        let alone = Cells::of(&crate::data::fixture::dataset(480, 480), &(0..480).collect::<Vec<_>>());
        assert_eq!(MixedModel::fit(residual(&signals), (&alone, Grouping::Cells), None), None);
    }
}
