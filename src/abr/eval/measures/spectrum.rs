//! Power spectra of traces, and the distance between two spectra.
//!
//! The periodogram with a Hann window: `c |Σ w_n (x_n - x̄) exp(-2πi k n / L)|² / (f_s Σ w_n²)`, `w_n = ½ - ½ cos(2π n
//! / L)`, with c = 2, except c = 1 at 0 Hz and, if L is even, at f_s/2. This is the density of
//! `scipy.signal.periodogram` with `window="hann"`, in the trace's unit squared per Hz; bin k lies at `k f_s / L`.
//!
//! The log-spectral distance is the root mean square over bins of `10 log10(p / q)`, in dB (Gray and Markel 1976,
//! "Distance measures for speech processing", IEEE Trans. ASSP 24:380).

use ndarray::{Array1, ArrayView1};
use std::f64::consts::TAU;

/// `[L / 2 + 1]`: the power density of `trace [L]`, in µV²/Hz for a trace in µV.
pub fn power(trace: ArrayView1<f64>, sample_rate_hz: f64) -> Array1<f64> {
    let length = trace.len();
    let angle = |n: usize| TAU * n as f64 / length as f64;
    let waves: Vec<(f64, f64)> = (0..length).map(|n| angle(n).sin_cos()).collect();
    let centre = trace.sum() / length as f64;
    let windows: Vec<f64> = waves.iter().map(|(_, cos)| 0.5 - 0.5 * cos).collect();
    let windowed: Vec<f64> = trace.iter().zip(&windows).map(|(x, w)| w * (x - centre)).collect();
    let scale = sample_rate_hz * windows.iter().map(|w| w * w).sum::<f64>();
    let of_bin = |k: usize| {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, x) in windowed.iter().enumerate() {
            let (sin, cos) = waves[k * n % length];
            (re, im) = (re + x * cos, im - x * sin);
        }
        // each frequency between the ends also stands for its negative
        let sides = if k == 0 || 2 * k == length { 1.0 } else { 2.0 };
        sides * (re * re + im * im) / scale
    };
    (0..length / 2 + 1).map(of_bin).collect()
}

/// The distance in dB of the spectra `p` and `q` of traces with `length` samples in `band_hz` (both ends included).
///
/// Bins where both are 0 are left out. A bin where one is 0 makes the distance infinite. NaN if no bin is left.
///
/// # Panics
/// If the spectra do not belong to traces of that length.
pub fn distance_db(
    p: ArrayView1<f64>,
    q: ArrayView1<f64>,
    sample_rate_hz: f64,
    length: usize,
    band_hz: [f64; 2],
) -> f64 {
    assert_eq!([p.len(), q.len()], [length / 2 + 1; 2], "distance_db: bins");
    let in_band = |k: usize| (band_hz[0]..=band_hz[1]).contains(&(k as f64 * sample_rate_hz / length as f64));
    let bins = (0..p.len()).filter(|&k| in_band(k) && (p[k] != 0.0 || q[k] != 0.0));
    let (mut sum, mut count) = (0.0, 0.0);
    for k in bins {
        sum += (10.0 * (p[k] / q[k]).log10()).powi(2);
        count += 1.0;
    }
    f64::sqrt(sum / count)
}
