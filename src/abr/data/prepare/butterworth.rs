//! Butterworth filters as second-order sections. They run forwards and backwards, so that no wave shifts in time.
//!
//! The analogue prototype of order N has its poles on the unit circle, `p_k = exp(iπ (2k + N + 1) / 2N)`. With the edge
//! frequencies warped to `w = tan(π f / fs)`, its poles become
//!
//! | filter | poles in s | zeros in z |
//! | --- | --- | --- |
//! | low-pass | `w p` | -1, N times |
//! | high-pass | `w / p` | 1, N times |
//! | band-pass from w1 to w2 | `q ± sqrt(q² - w1 w2)`, `q = p (w2 - w1) / 2` | -1 and 1, N times each |
//!
//! and the bilinear transform takes them to `z = (1 + s) / (1 - s)` (Oppenheim & Schafer, Discrete-Time Signal
//! Processing, 7.1). The order is that of one pass; a band-pass has 2N poles. Filtering in both directions squares the
//! response, so the gain at the edges is 1/2 (-6 dB).
//!
//! Padding and initial states are those of SciPy's `sosfiltfilt` (Gustafsson 1996, IEEE Trans Signal Process 44:988,
//! describes the problem they solve). The output agrees with SciPy's.

use nalgebra::Complex;
use std::f64::consts::PI;

/// The pass-band, in Hz.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PassBand {
    Below(f64),
    Above(f64),
    Between(f64, f64),
}

/// `(b0 + b1 z⁻¹ + b2 z⁻²) / (1 + a1 z⁻¹ + a2 z⁻²)`
#[derive(Debug, Clone, Copy, PartialEq)]
struct Section {
    b: [f64; 3],
    a: [f64; 2],
}

/// A cascade of second-order sections. Each has gain 1 at the frequency where the filter has gain 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Butterworth {
    sections: Vec<Section>,
}

impl Butterworth {
    /// Designs the filter as SciPy's `butter(order, …, fs=sample_rate_hz, output="sos")` does.
    ///
    /// # Panics
    /// For order 0, or for edges that do not rise between 0 and half the sample rate. The caller has checked them.
    pub fn new(order: usize, band: PassBand, sample_rate_hz: f64) -> Butterworth {
        let warp = |hz: f64| {
            assert!(hz > 0.0 && hz < sample_rate_hz / 2.0, "{hz} Hz is not below half of {sample_rate_hz} Hz");
            (PI * hz / sample_rate_hz).tan()
        };
        assert!(order > 0, "a filter has an order of at least 1");
        let one = Complex::new(1.0, 0.0);
        let sections = match band {
            PassBand::Below(hz) => sections(order, |p| vec![p * warp(hz)], one, &[-1.0]),
            PassBand::Above(hz) => sections(order, |p| vec![p.inv() * warp(hz)], -one, &[1.0]),
            PassBand::Between(low_hz, high_hz) => {
                assert!(low_hz < high_hz, "the band from {low_hz} to {high_hz} Hz is empty");
                let (low, high) = (warp(low_hz), warp(high_hz));
                let split = |p: Complex<f64>| {
                    let q = p * ((high - low) / 2.0);
                    let root = (q * q - low * high).sqrt();
                    vec![q + root, q - root]
                };
                sections(order, split, to_z(Complex::new(0.0, (low * high).sqrt())), &[-1.0, 1.0])
            }
        };
        Butterworth { sections }
    }

    /// Number of samples added at each end before filtering. A trace must be longer than this.
    pub fn padding(&self) -> usize {
        let first_order = self.sections.iter().filter(|s| s.b[2] == 0.0 && s.a[1] == 0.0).count();
        3 * (2 * self.sections.len() + 1 - first_order)
    }

    /// Whether all poles are inside the unit circle. Rounding moves them out if an edge is very low for the sample
    /// rate.
    pub fn is_stable(&self) -> bool {
        self.sections.iter().all(|Section { a, .. }| a[1] < 1.0 && a[0].abs() < 1.0 + a[1])
    }

    /// Filters the trace in place, forwards and then backwards, as SciPy's `sosfiltfilt` does. An odd extension pads
    /// both ends, and each pass starts from the steady state of its first sample.
    ///
    /// # Panics
    /// If the trace is not longer than [`Butterworth::padding`].
    pub fn zero_phase(&self, trace: &mut [f64]) {
        let (n, padding) = (trace.len(), self.padding());
        let mut extended = super::odd_extension(trace, padding);
        assert!(n > padding, "a trace of {n} samples is not longer than the padding of {padding}");
        for _ in 0..2 {
            self.pass(&mut extended);
            extended.reverse();
        }
        trace.copy_from_slice(&extended[padding..padding + n]);
    }

    /// One pass, section by section in the transposed direct form II.
    fn pass(&self, trace: &mut [f64]) {
        // the steady-state output of the earlier sections for a constant first sample
        let mut level = trace[0];
        for Section { b, a } in &self.sections {
            let gain = b.iter().sum::<f64>() / (1.0 + a[0] + a[1]);
            let mut second = (b[2] - a[1] * gain) * level;
            let mut first = (b[1] - a[0] * gain) * level + second;
            level *= gain;
            for value in trace.iter_mut() {
                let (x, y) = (*value, b[0] * *value + first);
                first = b[1] * x - a[0] * y + second;
                second = b[2] * x - a[1] * y;
                *value = y;
            }
        }
    }

    /// The gain of one pass at a frequency.
    pub fn gain(&self, hz: f64, sample_rate_hz: f64) -> f64 {
        let z = Complex::from_polar(1.0, 2.0 * PI * hz / sample_rate_hz);
        self.sections.iter().map(|section| section.response(z).norm()).product()
    }
}

impl Section {
    fn response(&self, z: Complex<f64>) -> Complex<f64> {
        let polynomial = |[c0, c1, c2]: [f64; 3]| (z * c0 + c1) * z + c2;
        polynomial(self.b) / polynomial([1.0, self.a[0], self.a[1]])
    }
}

/// The bilinear transform.
fn to_z(s: Complex<f64>) -> Complex<f64> {
    (s + 1.0) / (-s + 1.0)
}

/// Builds the sections: `transform` maps each pole of the prototype, `zeros` are assigned in turn, and the gain at
/// `unit` is 1.
fn sections(
    order: usize,
    transform: impl Fn(Complex<f64>) -> Vec<Complex<f64>>,
    unit: Complex<f64>,
    zeros: &[f64],
) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |denominator: [f64; 2], degree: usize| {
        // the numerator has one zero for each pole
        let zero = |i: usize| zeros[i % zeros.len()];
        let b = if degree == 2 { [1.0, -zero(0) - zero(1), zero(0) * zero(1)] } else { [1.0, -zero(0), 0.0] };
        let bare = Section { b, a: denominator };
        let gain = bare.response(unit).norm();
        sections.push(Section { b: b.map(|b| b / gain), a: denominator });
    };
    // the upper pole of each conjugate pair …
    for k in 0..order / 2 {
        let pole = Complex::from_polar(1.0, PI * (2 * k + order + 1) as f64 / (2 * order) as f64);
        for z in transform(pole).into_iter().map(to_z) {
            add([-2.0 * z.re, z.norm_sqr()], 2);
        }
    }
    // … and, for an odd order, the real pole: it maps to one pole, or to two that are real or conjugate
    if order % 2 == 1 {
        match transform(Complex::new(-1.0, 0.0)).into_iter().map(to_z).collect::<Vec<_>>()[..] {
            [z] => add([-z.re, 0.0], 1),
            [y, z] => add([-(y + z).re, (y * z).re], 2),
            _ => unreachable!("one or two poles"),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f64 = 24_414.062_5;

    fn tone(hz: f64, samples: usize) -> Vec<f64> {
        (0..samples).map(|i| (2.0 * PI * hz * i as f64 / RATE_HZ).sin()).collect()
    }

    #[test]
    fn the_edges_are_3_db_down_and_the_middle_passes() {
        for order in 1..=6 {
            for (band, edges, middle) in [
                (PassBand::Below(3000.0), vec![3000.0], 0.0),
                (PassBand::Above(300.0), vec![300.0], RATE_HZ / 2.0),
                (PassBand::Between(300.0, 3000.0), vec![300.0, 3000.0], 953.0),
            ] {
                let filter = Butterworth::new(order, band, RATE_HZ);
                for edge in edges {
                    // exact but for the rounding of f64, which the poles of order 6 amplify to 1.2e-14
                    assert!((filter.gain(edge, RATE_HZ) - 0.5_f64.sqrt()).abs() < 1e-13, "{order} {band:?}");
                }
                // exactly 1 at 0 and at half the sample rate; 953 Hz is the middle of the band to three digits,
                // where order 1 falls by 6e-5
                assert!((filter.gain(middle, RATE_HZ) - 1.0).abs() < 1e-4, "{order} {band:?}");
                assert!(filter.is_stable(), "{order} {band:?}");
            }
        }
        assert!(!Butterworth::new(2, PassBand::Above(1e-5), RATE_HZ).is_stable());
    }

    #[test]
    fn nothing_is_shifted_and_the_gain_is_squared() {
        let filter = Butterworth::new(2, PassBand::Between(300.0, 3000.0), RATE_HZ);
        for hz in [300.0, 1000.0, 3000.0, 6000.0] {
            let (before, mut after) = (tone(hz, 4000), tone(hz, 4000));
            filter.zero_phase(&mut after);
            let gain = filter.gain(hz, RATE_HZ).powi(2);
            // far from the ends, where their effect has decayed
            let worst = (1500..2500).map(|i| (after[i] - gain * before[i]).abs()).fold(0.0, f64::max);
            // the ends have decayed after 1500 samples; the rounding of f64 in two passes is 1.3e-13
            assert!(worst < 1e-12, "{worst} at {hz} Hz");
        }
    }

    #[test]
    fn an_offset_is_taken_out_to_the_ends() {
        let mut offset = vec![1000.0; 50];
        Butterworth::new(2, PassBand::Between(300.0, 3000.0), RATE_HZ).zero_phase(&mut offset);
        // of 1000, f64 rounds by 1e-13 in each of some hundred steps
        assert!(offset.iter().all(|v| v.abs() < 1e-11), "{offset:?}");
        let mut kept = vec![1000.0; 50];
        Butterworth::new(3, PassBand::Below(3000.0), RATE_HZ).zero_phase(&mut kept);
        assert!(kept.iter().all(|v| (v - 1000.0).abs() < 1e-11), "{kept:?}");
    }

    #[test]
    #[should_panic(expected = "longer than the padding of 15")]
    fn a_trace_as_long_as_the_padding_is_a_bug_of_the_caller() {
        Butterworth::new(2, PassBand::Between(300.0, 3000.0), RATE_HZ).zero_phase(&mut [0.0; 15]);
    }
}
