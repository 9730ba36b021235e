//! The residual noise of an average, and the F-ratio that relates a response to it.
use crate::purpose;

use super::conditions::layer;
use crate::engine::rng::Stream;

/// The band of the recording, in Hz: the usual click-ABR filter (Hall 2007).
const BAND_HZ: [f64; 2] = [100.0, 3000.0];
/// Power falls as `1/f`: our simplification of the spectrum of EEG and muscle activity within the band.
const SPECTRAL_SLOPE: f64 = 1.0;
/// The line spacing is so small that the noise repeats after 40 ms at the earliest: four windows of 10 ms.
const LINE_SPACING_HZ: f64 = 25.0;
const WINDOWS_BEFORE_REPEAT: f64 = 4.0;

/// Gaussian noise within the band, as a sum of sine and cosine lines with random amplitudes.
///
/// `noise[t] = rms * Σ_k a_k (n_k cos(2π f_k t) + m_k sin(2π f_k t))`, `a_k² ∝ 1/f_k`, `Σ a_k² = 1`, with `n`, `m`
/// standard normal. At every sample, the mean square over draws is `rms²`; the RMS of a single row varies around `rms`,
/// as in real recordings.
pub(super) struct ColouredNoise {
    /// `a_k cos` and `a_k sin` of each line, alternating: `[2 lines, length]`.
    basis: Vec<Vec<f64>>,
    stream: Stream,
}

impl ColouredNoise {
    /// Makes the lines for traces of `length` samples.
    pub fn new(seed: u64, length: usize, sample_rate_hz: f64) -> Self {
        let spacing_hz = LINE_SPACING_HZ.min(sample_rate_hz / (WINDOWS_BEFORE_REPEAT * length as f64));
        let lines = ((BAND_HZ[1] - BAND_HZ[0]) / spacing_hz) as usize;
        // lines start half a spacing from the edges, so that the power in the band is right for any spacing
        let frequency_hz = |k: usize| BAND_HZ[0] + (k as f64 + 0.5) * spacing_hz;
        let power: f64 = (0..lines).map(|k| frequency_hz(k).powf(-SPECTRAL_SLOPE)).sum();
        let wave = |k: usize, of: fn(f64) -> f64| -> Vec<f64> {
            let amplitude = (frequency_hz(k).powf(-SPECTRAL_SLOPE) / power).sqrt();
            let step = std::f64::consts::TAU * frequency_hz(k) / sample_rate_hz;
            (0..length).map(|i| amplitude * of(step * i as f64)).collect()
        };
        let basis = (0..lines).flat_map(|k| [wave(k, f64::cos), wave(k, f64::sin)]).collect();
        ColouredNoise { basis, stream: Stream::new(seed, purpose::SYNTH, layer::NOISE) }
    }

    /// Adds the noise of a row to `trace`, with an average RMS of `rms`, in the trace's unit.
    pub fn add(&self, row: u32, rms: f64, trace: &mut [f64]) {
        let mut draws = vec![0.0_f32; self.basis.len()];
        self.stream.normals(row, &mut draws);
        for (line, draw) in self.basis.iter().zip(draws) {
            let factor = rms * f64::from(draw);
            trace.iter_mut().zip(line).for_each(|(sample, value)| *sample += factor * value);
        }
    }
}

/// Number of sweeps in one average.
const SWEEPS: f64 = 2000.0;
/// Number of points in the window with independent noise: Elberling & Don 1984 found 5 degrees of freedom in 10 ms.
const INDEPENDENT_POINTS: f64 = 5.0;

/// The multiple-point F-ratio of an average (Elberling & Don 1984; several points: Don & Elberling 1994):
///
/// `Fmp = Var_t(average) / (mean over points of Var_sweeps / N)`.
///
/// The numerator is the variance of `trace` over the window, of response and residual noise together. The denominator
/// estimates the variance of the residual noise, `rms²`. With `N` sweeps and `P` independent points it is distributed
/// as `rms² χ²(ν) / ν`, `ν = P (N - 1)`; the approximation of Wilson & Hilferty 1931 draws it. `Fmp` is about 1 without
/// a response; a value of 3.1 means a response with 99 % confidence.
pub(super) fn f_ratio(trace: &[f64], rms: f64, seed: u64, row: u32) -> f64 {
    let n = trace.len() as f64;
    let mean = trace.iter().sum::<f64>() / n;
    let variance = trace.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let normal = Stream::new(seed, purpose::SYNTH, layer::F_RATIO).rng(row).normal();
    let spread = 2.0 / (9.0 * INDEPENDENT_POINTS * (SWEEPS - 1.0));
    let estimate = rms.powi(2) * (1.0 - spread + normal * spread.sqrt()).powi(3);
    variance / estimate
}
