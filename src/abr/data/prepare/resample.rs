//! Resampling by a windowed sinc, evaluated at the times of the new samples.
//!
//! With the rates in the ratio `up / down`, a new sample at the time `t`, in samples of the recording, is
//!
//! `y(t) = Σ_i x_i h(t - i)`, `h(t) = g sinc(c t / r) kaiser(t / (Z r))`, `r = max(up, down) / up`
//!
//! where `c` = [`CUTOFF`] of the lower rate's Nyquist frequency, `Z` = [`ZERO_CROSSINGS`] and the Kaiser window has the
//! [`ATTENUATION_DB`] (Kaiser 1974, Proc IEEE Symp Circuits and Systems, 20; Oppenheim & Schafer, Discrete-Time Signal
//! Processing, 7.5.3); `g` makes the gain of a constant 1. The times `t` of the new samples have only `up` different
//! fractional parts, whose weights are computed once (Crochiere & Rabiner 1983, Multirate Digital Signal Processing,
//! 4.3).
//!
//! The filter is symmetric around `t`, so nothing is delayed. An odd extension continues the recording beyond its ends;
//! only the first and last [`ZERO_CROSSINGS`] samples (of the lower rate) depend on it. This is SciPy's `resample_poly`
//! with this filter as its `window` and `padtype="antireflect"`.

use super::Refusal;
use std::f64::consts::PI;

/// Half the filter's length, in samples of the lower rate.
pub const ZERO_CROSSINGS: usize = 20;
/// Attenuation above the lower rate's Nyquist frequency.
pub const ATTENUATION_DB: f64 = 100.0;
/// The cutoff, where the gain is 1/2, as a fraction of the lower rate's Nyquist frequency. By Kaiser's formula the
/// transition band reaches from 0.68 to 1.
pub const CUTOFF: f64 = 0.84;

/// Relative tolerance for the simplest ratio of two rates: 24414.063 stands for 24414.0625.
const RATE_TOLERANCE: f64 = 1e-6;
/// Shifts are rounded to a thousandth of a sample; a finer one has no visible effect.
const SHIFT_TOLERANCE: f64 = 1e-3;
/// The largest numerator or denominator of a ratio of rates. It bounds the memory for the filter's weights.
const LARGEST_PART: u64 = 10_000;

/// Converts a trace from one sample rate to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampler {
    up: usize,
    down: usize,
    /// Position of the first new sample, in units of `1 / up` of a recorded sample.
    start: i64,
    /// `[up][2 * reach + 2]`: for each fractional part, the weights of the recorded samples from `reach` before to
    /// `reach + 1` after.
    weights: Vec<f64>,
    reach: usize,
}

impl Resampler {
    /// A resampler between two rates. The first new sample lies `shift` recorded samples after the recording's first.
    ///
    /// # Errors
    /// Rates whose ratio does not consist of whole numbers up to 10000.
    pub fn new(from_hz: f64, to_hz: f64, shift: f64) -> Result<Resampler, Refusal> {
        let (up, down) = ratio(to_hz / from_hz).ok_or_else(|| Refusal {
            problem: format!("{from_hz} Hz cannot be resampled to {to_hz} Hz: the rates are too far apart"),
            remedy: "check the sample rate, or choose another data.prepare.sample_rate_hz".into(),
        })?;
        let position = shift * up as f64;
        let mut start = position.round();
        let mut fraction = 0.0;
        if (position - start).abs() > SHIFT_TOLERANCE * up as f64 {
            start = position.floor();
            fraction = position - start;
        }
        let half = (ZERO_CROSSINGS * up.max(down)) as f64;
        let reach = (half / up as f64).ceil() as usize;
        let mut weights = Vec::with_capacity(up * (2 * reach + 2));
        for phase in 0..up {
            // the distance between the new sample and each recorded one, in units of 1 / up
            let distance = |k: usize| phase as f64 + fraction + (reach as f64 - k as f64) * up as f64;
            weights.extend((0..2 * reach + 2).map(|k| tap(distance(k), half)));
        }
        let gain = up as f64 / weights.iter().sum::<f64>();
        weights.iter_mut().for_each(|w| *w *= gain);
        // with equal rates and no shift, the samples stay unfiltered
        if up == down && fraction == 0.0 {
            weights = (0..2 * reach + 2).map(|k| if k == reach { 1.0 } else { 0.0 }).collect();
        }
        Ok(Resampler { up, down, start: start as i64, weights, reach })
    }

    /// The ratio of the rates in lowest terms: `to / from = up / down`.
    pub fn ratio(&self) -> (usize, usize) {
        (self.up, self.down)
    }

    /// The number of new samples between the first and the last of `samples` recorded ones.
    pub fn count(&self, samples: usize) -> usize {
        let last = (samples as i64 - 1) * self.up as i64 - self.start;
        if last < 0 { 0 } else { last as usize / self.down + 1 }
    }

    /// The first `count` new samples of a recording.
    ///
    /// # Panics
    /// If one of them lies more than one sample outside the recording.
    pub fn apply(&self, samples: &[f64], count: usize) -> Vec<f64> {
        let width = 2 * self.reach + 2;
        // one more at each end: a new sample may lie up to one sample before the first or after the last recorded one
        let padding = self.reach + 2;
        let extended = super::odd_extension(samples, padding);
        let new = |j: usize| {
            let position = self.start + (j * self.down) as i64;
            let (base, phase) = (position.div_euclid(self.up as i64), position.rem_euclid(self.up as i64) as usize);
            let first = (base + padding as i64 - self.reach as i64) as usize;
            let weights = &self.weights[phase * width..(phase + 1) * width];
            weights.iter().zip(&extended[first..first + width]).map(|(w, x)| w * x).sum()
        };
        (0..count).map(new).collect()
    }
}

/// The simplest `(up, down)` within the tolerance: a convergent of the ratio's continued fraction.
fn ratio(value: f64) -> Option<(usize, usize)> {
    let (mut before, mut now) = ((0_u64, 1_u64), (1_u64, 0_u64));
    let mut rest = value;
    loop {
        let whole = rest.floor();
        if !(0.0..=LARGEST_PART as f64).contains(&whole) {
            return None;
        }
        let next = (whole as u64 * now.0 + before.0, whole as u64 * now.1 + before.1);
        if next.0.max(next.1) > LARGEST_PART {
            return None;
        }
        let error = next.0 as f64 / next.1 as f64 / value - 1.0;
        if error.abs() < RATE_TOLERANCE {
            return Some((next.0 as usize, next.1 as usize));
        }
        (before, now) = (now, next);
        rest = 1.0 / (rest - whole);
    }
}

/// The unscaled filter at `distance` from its middle; `half` is half its length.
fn tap(distance: f64, half: f64) -> f64 {
    let inside = 1.0 - (distance / half).powi(2);
    if inside < 0.0 {
        return 0.0;
    }
    let x = PI * CUTOFF * distance * ZERO_CROSSINGS as f64 / half;
    let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
    sinc * bessel_i0(kaiser_beta() * inside.sqrt())
}

/// Kaiser's shape parameter for the attenuation.
fn kaiser_beta() -> f64 {
    0.1102 * (ATTENUATION_DB - 8.7)
}

/// The modified Bessel function of order 0: `Σ ((x/2)^k / k!)²`. All terms are positive, so nothing cancels.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, quarter) = (1.0, 1.0, x * x / 4.0);
    for k in 1..200 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate_hz: f64, start: f64, samples: usize) -> Vec<f64> {
        (0..samples).map(|i| (2.0 * PI * hz * (i as f64 + start) / rate_hz).cos()).collect()
    }

    fn rms(values: &[f64]) -> f64 {
        (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn ratios_are_found_in_lowest_terms() {
        for (from_hz, to_hz, wanted) in [
            (100_000.0, 20_000.0, (1, 5)),
            (24_414.062_5, 20_000.0, (512, 625)),
            (24_414.063, 20_000.0, (512, 625)),
            (48_828.125, 20_000.0, (256, 625)),
            (44_100.0, 20_000.0, (200, 441)),
            (20_000.0, 20_000.0, (1, 1)),
            (10_000.0, 20_000.0, (2, 1)),
        ] {
            assert_eq!(Resampler::new(from_hz, to_hz, 0.0).unwrap().ratio(), wanted, "{from_hz} to {to_hz}");
        }
        for (from_hz, to_hz) in [(1e9, 1.0), (1.0, 1e9), (1e300, 20_000.0)] {
            let refusal = Resampler::new(from_hz, to_hz, 0.0).unwrap_err();
            assert!(refusal.problem.contains("too far apart"), "{refusal:?}");
        }
    }

    #[test]
    fn from_100_khz_to_20_khz_a_low_tone_stays_and_a_high_one_goes() {
        let resampler = Resampler::new(100_000.0, 20_000.0, 0.0).unwrap();
        let made = |hz: f64| resampler.apply(&tone(hz, 100_000.0, 0.0, 5000), 1000);
        let db = |hz: f64| 20.0 * (rms(&made(hz)[50..950]) / rms(&tone(hz, 100_000.0, 0.0, 5000))).log10();
        assert_eq!(resampler.count(5000), 1000);
        for hz in [100.0, 1000.0, 3000.0, 6000.0] {
            // the ripple: 100 dB below 1 is 1e-5, which is 1e-4 dB
            assert!(db(hz).abs() < 1e-4, "{} dB at {hz} Hz", db(hz));
        }
        for hz in [10_000.0, 11_000.0, 15_000.0, 21_000.0, 40_000.0] {
            // 10 kHz is the end of the transition band, where Kaiser's formula for its width is good to some dB
            assert!(db(hz) < -95.0, "{} dB at {hz} Hz", db(hz));
        }
        // in time as well as in amplitude
        let wanted = tone(1000.0, 20_000.0, 0.0, 1000);
        let worst = (50..950).map(|i| (made(1000.0)[i] - wanted[i]).abs()).fold(0.0, f64::max);
        // the ripple
        assert!(worst < 1e-5, "{worst}");
    }

    #[test]
    fn every_ratio_and_shift_keeps_the_time() {
        for (from_hz, to_hz) in [(24_414.062_5, 20_000.0), (20_000.0, 24_414.062_5), (44_100.0, 20_000.0), (2e4, 2e4)] {
            for shift in [0.0, 0.3, 7.0, 12.62, -0.4] {
                let resampler = Resampler::new(from_hz, to_hz, shift).unwrap();
                let made = resampler.apply(&tone(1000.0, from_hz, 0.0, 600), 250);
                let wanted = tone(1000.0, to_hz, shift * to_hz / from_hz, 250);
                let worst = (30..250).map(|i| (made[i] - wanted[i]).abs()).fold(0.0, f64::max);
                // a thousandth of a sample at 20 kHz is a phase of 3.1e-4 at 1 kHz
                assert!(worst < 3.2e-4, "{worst} from {from_hz} to {to_hz} by {shift}");
            }
        }
    }

    #[test]
    fn equal_rates_leave_the_samples_as_they_are() {
        let samples = tone(9000.0, 20_000.0, 0.3, 100);
        let same = Resampler::new(20_000.0, 20_000.0, 0.0).unwrap();
        assert_eq!(same.apply(&samples, same.count(100)), samples);
        let later = Resampler::new(20_000.0, 20_000.0, 3.000_01).unwrap();
        assert_eq!(later.apply(&samples, later.count(100)), samples[3..]);
    }

    #[test]
    fn lines_stay_lines_to_the_ends() {
        let line: Vec<f64> = (0..100).map(|i| 50.0 - 0.7 * f64::from(i)).collect();
        let resampler = Resampler::new(24_414.062_5, 20_000.0, 0.0).unwrap();
        let made = resampler.apply(&line, resampler.count(100));
        assert_eq!(made.len(), 82, "80.9 steps of 1.22 samples fit between 100 samples, and one more sample");
        // 100 dB below an amplitude of 50
        let worst =
            made.iter().enumerate().map(|(j, y)| (y - (50.0 - 0.7 * j as f64 / 0.8192)).abs()).fold(0.0, f64::max);
        assert!(worst < 5e-4, "{worst}");
    }

    #[test]
    fn short_recordings_are_extended_as_often_as_needed() {
        let resampler = Resampler::new(100_000.0, 20_000.0, 0.0).unwrap();
        assert_eq!((resampler.count(0), resampler.count(1), resampler.count(6)), (0, 1, 2));
        // At a ratio of 1 to 5 there is one set of 202 weights, whose sum is 1 and which are symmetric. So lines stay
        // lines, up to the rounding of f64 of sums of values below 8.
        let rounding = 202.0 * 4.0 * f64::EPSILON;
        assert!((resampler.apply(&[3.0], 1)[0] - 3.0).abs() < rounding);
        let made = resampler.apply(&[1.0, 1.1, 1.2, 1.3, 1.4, 1.5], 2);
        assert!((made[0] - 1.0).abs() < rounding && (made[1] - 1.5).abs() < rounding, "{made:?}");
    }
}
