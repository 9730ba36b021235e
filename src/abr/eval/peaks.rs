//! Picks waves I, III and V from a trace by rule, without an expert or labels.
//!
//! The rule is made for clean traces (noise-free ones, averages of many): in noise it marks whatever is largest.
//! Compare two traces only by the same rule.

use ndarray::ArrayView1;
use serde::Serialize;

/// Where to search for a wave, and how to measure its amplitude.
///
/// The wave is the local maximum within the window that has the largest amplitude; among equals, the earliest. A local
/// maximum has a sample on either side, is higher than the one before and not lower than the one after. Its amplitude
/// is measured as in clinics, from the peak to the following trough: the lowest sample up to `trough_within_ms` later.
/// The peak is the vertex of the parabola through the three samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeakRule {
    /// The window: its start is included, its end is not.
    pub window_ms: [f64; 2],
    pub trough_within_ms: f64,
}

// The windows are our choice. They begin before the waves of the earliest adults at high levels (I, III and V of clicks
// of 80 dB nHL at about 1.6, 3.7 and 5.6 ms, deviations of 0.1 to 0.2 ms: Hall 2007, New Handbook of Auditory Evoked
// Responses; Rowe 1978, Electroencephalogr Clin Neurophysiol 44:459) and end where the wave is lost as the level falls:
// wave V late, at 8 to 9 ms near threshold (Hecox & Galambos 1974, Arch Otolaryngol 99:30), I and III at moderate
// levels. The search for a trough reaches as far as in the labels of the built-in data: up to the next large wave, and
// for wave V up to the slow negativity after it.

/// Wave I.
pub const WAVE_I: PeakRule = PeakRule { window_ms: [1.0, 3.0], trough_within_ms: 0.9 };
/// Wave III.
pub const WAVE_III: PeakRule = PeakRule { window_ms: [3.0, 5.2], trough_within_ms: 0.9 };
/// Wave V.
pub const WAVE_V: PeakRule = PeakRule { window_ms: [4.8, 10.0], trough_within_ms: 2.5 };

/// A wave of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peak {
    /// Time of the peak after the stimulus onset.
    pub latency_ms: f64,
    /// From the peak to the following trough.
    pub amplitude_uv: f64,
}

impl PeakRule {
    /// The wave in a trace in µV whose first sample lies at `t0_ms`; `None` if its window holds no local maximum.
    pub fn pick(&self, trace: ArrayView1<f32>, sample_rate_hz: f64, t0_ms: f64) -> Option<Peak> {
        let step_ms = 1000.0 / sample_rate_hz;
        let within = |latency_ms: f64| (self.window_ms[0]..self.window_ms[1]).contains(&latency_ms);
        let reach = (self.trough_within_ms / step_ms).round() as usize;
        (1..trace.len().saturating_sub(1))
            .filter(|&i| within(t0_ms + i as f64 * step_ms))
            .filter(|&i| trace[i] > trace[i - 1] && trace[i] >= trace[i + 1])
            .map(|i| {
                let (offset, height_uv) = vertex([trace[i - 1], trace[i], trace[i + 1]].map(f64::from));
                let latency_ms = t0_ms + (i as f64 + offset) * step_ms;
                Peak { latency_ms, amplitude_uv: height_uv - trough_uv(trace, i, reach) }
            })
            // among equals the earliest: `max_by` would return the last
            .reduce(|best, next| if next.amplitude_uv > best.amplitude_uv { next } else { best })
    }
}

/// The lowest value among the `reach` samples after a peak.
fn trough_uv(trace: ArrayView1<f32>, peak: usize, reach: usize) -> f64 {
    trace.iter().skip(peak).take(reach + 1).fold(f64::INFINITY, |low, &v| low.min(v.into()))
}

/// The vertex (offset from the middle in samples, height) of the parabola through three samples whose middle is the
/// highest.
fn vertex([before, peak, after]: [f64; 3]) -> (f64, f64) {
    let offset = 0.5 * (before - after) / (before - 2.0 * peak + after);
    (offset, peak - 0.25 * (before - after) * offset)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{DataConfig, SynthConfig};
    use crate::data::{Dataset, load};
    use ndarray::{Array1, Axis};

    /// Gaussian bumps (centre ms, height µV, width ms) sampled at 20 kHz from `t0_ms`.
    pub fn bumps(t0_ms: f64, bumps: &[(f64, f64, f64)]) -> Array1<f32> {
        let height = |t_ms: f64| bumps.iter().map(|(c, h, w)| h * (-0.5 * ((t_ms - c) / w).powi(2)).exp()).sum::<f64>();
        Array1::from_shape_fn(200, |i| height(t0_ms + i as f64 * 0.05) as f32)
    }

    /// Adults without hearing loss at one level.
    pub fn healthy(level_db: f64) -> Dataset {
        let causes =
            [("level_db", level_db), ("conductive_loss_db", 0.0), ("cochlear_loss_db", 0.0), ("neuropathy", 0.0)];
        let fixed = causes.map(|(name, value)| (name.to_string(), value)).into();
        let synth = SynthConfig { subjects: 100, rows_per_subject: 5, fixed, ..SynthConfig::default() };
        load(&DataConfig { synth, seed: 11, ..DataConfig::default() }, 200, |_, _| {}).unwrap().0
    }

    #[test]
    fn a_parabola_is_found_between_the_samples() {
        // 3 - (x - 0.25)² at -1, 0, 1
        assert_eq!(vertex([1.4375, 2.9375, 2.4375]), (0.25, 3.0));
        let trace = bumps(0.0, &[(6.013, 0.5, 0.3)]);
        let peak = WAVE_V.pick(trace.view(), 20_000.0, 0.0).unwrap();
        // of a Gaussian bump with a deviation of 6 samples, the vertex is off by at most 0.00134 samples, 6.7e-5 ms,
        // and by 5.4e-5 of the height, wherever the samples lie
        assert!((peak.latency_ms - 6.013).abs() < 7e-5 && (peak.amplitude_uv - 0.5).abs() < 2.8e-5, "{peak:?}");
    }

    #[test]
    fn time_starts_at_t0() {
        let early = WAVE_V.pick(bumps(-2.0, &[(6.0, 0.5, 0.3)]).view(), 20_000.0, -2.0).unwrap();
        // The peak lies on a sample, so the vertex is off by rounding to f32 alone: 2^-26 in either neighbour, over
        // twice a second difference of 0.5 / 6², is 1e-6 samples.
        assert!((early.latency_ms - 6.0).abs() < 1e-6 * 0.05, "{early:?}");
    }

    #[test]
    fn the_largest_peak_to_trough_wins() {
        // IV at 5.0 on the rising flank of V at 6.0, with one deep trough after both
        let trace = bumps(0.0, &[(5.0, 0.30, 0.2), (6.0, 0.32, 0.2), (7.2, -0.4, 0.3)]);
        let peak = WAVE_V.pick(trace.view(), 20_000.0, 0.0).unwrap();
        // The flank of the trough moves the peak to 5.99977 ms and 0.31987 µV. The vertex of a bump with a deviation of
        // 4 samples is off by at most 0.003 samples, 1.5e-4 ms, and 2.7e-4 of the height.
        assert!((peak.latency_ms - 5.99977).abs() < 1.5e-4 && (peak.amplitude_uv - 0.71987).abs() < 9e-5, "{peak:?}");
        // a lower peak followed by a trough wins over a higher peak without one
        let slow = bumps(0.0, &[(5.2, 1.0, 0.2), (5.9, 1.0, 0.6), (8.0, 0.9, 0.2), (8.8, -0.8, 0.3), (9.0, 1.0, 9.0)]);
        let peak = WAVE_V.pick(slow.view(), 20_000.0, 0.0).unwrap();
        // The flanks of the others move the highest point to 7.99149 ms. There the third derivative is as large as the
        // second, 24 µV/ms³ and 24 µV/ms², so the vertex is off by about (0.05 ms)² / 6.
        assert!((peak.latency_ms - 7.99149).abs() < 4.2e-4, "{peak:?}");
    }

    #[test]
    fn no_local_maximum_in_the_window_is_no_wave() {
        let outside = bumps(0.0, &[(3.0, 0.5, 0.3)]);
        let flat = Array1::zeros(200);
        let rising = Array1::from_shape_fn(200, |i| i as f32);
        for trace in [&outside, &flat, &rising] {
            assert_eq!(WAVE_V.pick(trace.view(), 20_000.0, 0.0), None);
        }
        for length in 0..3 {
            assert_eq!(WAVE_V.pick(Array1::ones(length).view(), 20_000.0, 6.0), None);
        }
    }

    #[test]
    fn wave_v_of_the_mean_comes_later_and_smaller_as_the_level_falls() {
        let of_mean = |level_db| {
            let truth = healthy(level_db).ground_truth.unwrap().signals;
            WAVE_V.pick(truth.mean_axis(Axis(0)).unwrap().view(), 20_000.0, 0.0).unwrap()
        };
        let [loud, middle, soft] = [80.0, 60.0, 40.0].map(of_mean);
        for (louder, softer) in [(loud, middle), (middle, soft)] {
            assert!(softer.latency_ms > louder.latency_ms + 0.25, "{louder:?} {softer:?}");
            assert!(softer.amplitude_uv < 0.95 * louder.amplitude_uv, "{louder:?} {softer:?}");
        }
    }

    /// The share of noise-free traces whose picked wave agrees with the simulated latency and the labelled amplitude,
    /// and the share with a visible wave.
    fn agreement(set: &Dataset, rule: PeakRule, wave: usize, label: usize) -> (f64, f64) {
        let truth = set.ground_truth.as_ref().unwrap();
        let rows = truth.signals.outer_iter().zip(truth.latencies_ms.outer_iter()).zip(set.peaks.outer_iter());
        let agrees =
            rows.filter(|((_, latencies), _)| !latencies[wave].is_nan()).map(|((trace, latencies), labels)| {
                rule.pick(trace, 20_000.0, 0.0).is_some_and(|peak| {
                    (peak.latency_ms - f64::from(latencies[wave])).abs() <= 0.15
                        && (peak.amplitude_uv / f64::from(labels[label]) - 1.0).abs() <= 0.1
                })
            });
        let agrees: Vec<bool> = agrees.collect();
        let right = agrees.iter().filter(|agrees| **agrees).count();
        (right as f64 / agrees.len() as f64, agrees.len() as f64 / set.len() as f64)
    }

    #[test]
    fn picked_waves_agree_with_the_truth_of_noise_free_traces() {
        let waves = [("I", WAVE_I, 0, 3), ("III", WAVE_III, 2, 4), ("V", WAVE_V, 4, 5)];
        for level_db in [80.0, 70.0, 60.0, 40.0, 20.0] {
            let set = healthy(level_db);
            // below 60 dB, waves I and III leave their windows and sink into the noise
            for (name, rule, wave, label) in waves.into_iter().filter(|(name, ..)| *name == "V" || level_db >= 60.0) {
                let (share, visible) = agreement(&set, rule, wave, label);
                assert!(share > 0.95 && visible > 0.95, "wave {name} at {level_db} dB nHL: {share} of {visible}");
            }
        }
    }
}
