//! How well the waves of traces are estimated: latencies, amplitudes and the interval between the first wave and the
//! last.
//!
//! In noise the picking rule marks whatever is largest. References should therefore be clean (noise-free, or averages
//! of many), and a wave of a reference counts only above a floor. A wave of an estimate may have any height: a wave
//! that is too small is an amplitude error, and it is missing only if its window holds no local maximum. An undefined
//! number (a mean over nothing) is NaN, in JSON `null`.

use super::peaks::Peak;
use super::species::Picker;
use ndarray::ArrayView2;
use serde::Serialize;

/// An estimated latency is a hit if its error is at most this, in ms; see [`WaveErrors::hits`].
pub const HIT_WITHIN_MS: [f64; 2] = [0.1, 0.2];
/// Tolerance for rounding when distances and steps are compared with a limit.
pub(super) const ROUNDING: f64 = 1e-9;

/// The waves of references, paired with those of estimates.
#[derive(Debug, Clone, PartialEq)]
pub struct WavePairs {
    /// Number of rows.
    pub rows: usize,
    /// For each of the species' waves: its name, and the rows whose reference has it.
    pub waves: Vec<(&'static str, Vec<WavePair>)>,
}

/// A wave that the reference of a row has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WavePair {
    /// From 0.
    pub row: usize,
    pub reference: Peak,
    /// `None` where the estimate has none.
    pub estimate: Option<Peak>,
}

/// [`WavePairs`] in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaveSummary {
    pub waves: Vec<WaveErrors>,
    pub interval: IntervalErrors,
}

/// The errors of one wave; differences are estimate - reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaveErrors {
    pub wave: &'static str,
    /// The sum of weights of the rows whose reference has the wave.
    pub rows: f64,
    /// The share of these rows whose estimate has the wave too. Means are over these.
    pub found: f64,
    pub latency_mae_ms: f64,
    pub latency_bias_ms: f64,
    /// The share of `rows` whose latency error is at most [`HIT_WITHIN_MS`]; a missing wave is no hit.
    pub hits: [f64; HIT_WITHIN_MS.len()],
    pub amplitude_mae_uv: f64,
    pub amplitude_bias_uv: f64,
    /// The mean amplitude of the estimates divided by that of their references.
    pub amplitude_ratio: f64,
}

/// The interval from the species' first wave to its last (I–V).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntervalErrors {
    pub waves: [&'static str; 2],
    /// The sum of weights of the rows where both the reference and the estimate have both waves. Means are over these.
    pub rows: f64,
    pub estimate_ms: f64,
    pub reference_ms: f64,
    /// Of estimate - reference.
    pub mae_ms: f64,
}

impl WavePairs {
    /// Picks the waves of `estimates [N, L]` and `references [N, L]` in µV; waves of references count from `floor_uv`
    /// (peak to trough) up. `levels_db [N]` select the windows, in dB nHL (people) or dB SPL (mice); NaN where a level
    /// is unknown.
    ///
    /// # Panics
    /// If shapes differ.
    pub fn of(
        picker: &Picker,
        estimates: ArrayView2<f32>,
        references: ArrayView2<f32>,
        levels_db: Option<&[f64]>,
        floor_uv: f64,
    ) -> WavePairs {
        let rows = references.nrows();
        assert_eq!(estimates.dim(), references.dim(), "WavePairs: estimates and references");
        assert!(levels_db.is_none_or(|levels_db| levels_db.len() == rows), "WavePairs: one level per row");
        let mut waves: Vec<_> = picker.species.waves().iter().map(|wave| (wave.name, Vec::new())).collect();
        for (row, (estimate, reference)) in estimates.outer_iter().zip(references.outer_iter()).enumerate() {
            let pick = |trace| picker.pick(trace, levels_db.map(|levels_db| levels_db[row]));
            for (((_, pairs), reference), estimate) in waves.iter_mut().zip(pick(reference)).zip(pick(estimate)) {
                if let Some(reference) = reference.filter(|peak| peak.amplitude_uv >= floor_uv) {
                    pairs.push(WavePair { row, reference, estimate });
                }
            }
        }
        WavePairs { rows, waves }
    }

    /// The errors over rows with `weights [N]`: all 1, or how often the bootstrap drew a row's subject.
    ///
    /// # Panics
    /// If the number of weights differs from the number of rows.
    pub fn summary(&self, weights: &[f64]) -> WaveSummary {
        assert_eq!(weights.len(), self.rows, "WavePairs: one weight per row");
        WaveSummary {
            waves: self.waves.iter().map(|(wave, pairs)| WaveErrors::of(wave, pairs, weights)).collect(),
            interval: self.interval(weights),
        }
    }

    fn interval(&self, weights: &[f64]) -> IntervalErrors {
        let [(first, early), .., (last, late)] = &self.waves[..] else { panic!("a species has several waves") };
        let both = |a: &WavePair| {
            let b = late.binary_search_by_key(&a.row, |pair| pair.row).ok().map(|at| late[at])?;
            let estimate = b.estimate?.latency_ms - a.estimate?.latency_ms;
            Some((weights[a.row], estimate, b.reference.latency_ms - a.reference.latency_ms))
        };
        let both: Vec<(f64, f64, f64)> = early.iter().filter_map(both).collect();
        let mean_of = |of: fn(f64, f64) -> f64| mean(both.iter().map(|&(weight, e, r)| (weight, of(e, r))));
        IntervalErrors {
            waves: [first, last],
            rows: total(both.iter().map(|(weight, ..)| weight)),
            estimate_ms: mean_of(|e, _| e),
            reference_ms: mean_of(|_, r| r),
            mae_ms: mean_of(|e, r| (e - r).abs()),
        }
    }
}

impl WaveErrors {
    fn of(wave: &'static str, pairs: &[WavePair], weights: &[f64]) -> WaveErrors {
        let found = || pairs.iter().filter_map(|pair| pair.estimate.map(|e| (weights[pair.row], e, pair.reference)));
        let mean_of = |of: fn(Peak, Peak) -> f64| mean(found().map(|(weight, e, r)| (weight, of(e, r))));
        let share = |of: &dyn Fn(&WavePair) -> bool| mean(pairs.iter().map(|p| (weights[p.row], f64::from(of(p)))));
        WaveErrors {
            wave,
            rows: total(pairs.iter().map(|pair| &weights[pair.row])),
            found: share(&|pair| pair.estimate.is_some()),
            latency_mae_ms: mean_of(|e, r| (e.latency_ms - r.latency_ms).abs()),
            latency_bias_ms: mean_of(|e, r| e.latency_ms - r.latency_ms),
            hits: HIT_WITHIN_MS.map(|within_ms| share(&|pair| pair.is_hit(within_ms))),
            amplitude_mae_uv: mean_of(|e, r| (e.amplitude_uv - r.amplitude_uv).abs()),
            amplitude_bias_uv: mean_of(|e, r| e.amplitude_uv - r.amplitude_uv),
            amplitude_ratio: mean_of(|e, _| e.amplitude_uv) / mean_of(|_, r| r.amplitude_uv),
        }
    }
}

impl WavePair {
    /// Whether the estimate has the wave, with a latency error of at most `within_ms`.
    pub fn is_hit(&self, within_ms: f64) -> bool {
        let off_ms = |estimate: Peak| (estimate.latency_ms - self.reference.latency_ms).abs();
        self.estimate.is_some_and(|estimate| off_ms(estimate) <= within_ms + ROUNDING)
    }
}

/// The sum of weights; 0 for none (`sum` would return -0).
pub(super) fn total<'a>(weights: impl Iterator<Item = &'a f64>) -> f64 {
    weights.fold(0.0, |sum, weight| sum + weight)
}

/// The weighted mean of (weight, value) pairs; NaN if the weights sum to 0.
pub(super) fn mean(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (weight, sum) = values.fold((0.0, 0.0), |(w, s), (weight, value)| (w + weight, s + weight * value));
    sum / weight
}

#[cfg(test)]
mod tests {
    use super::super::peaks::tests::{bumps, healthy};
    use super::*;
    use crate::config::Species;
    use ndarray::{Array1, Array2, stack};

    const HUMAN: Picker = Picker { species: Species::Human, sample_rate_hz: 20_000.0, t0_ms: 0.0 };

    /// All waves in these tests peak on a sample and have a deviation of 3 samples, so only f32 rounds: each neighbour
    /// of the peak by 2^-25 of its height, over twice a second difference of 1/9 of it, which is 2.7e-7 samples or
    /// 1.4e-8 ms. Heights and their ratios round by 6e-8, differences by twice that.
    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1.2e-7
    }

    /// Waves I, III and V at these times with these heights.
    fn trace(waves: [(f64, f64); 3]) -> Array1<f32> {
        bumps(0.0, &waves.map(|(centre_ms, height_uv)| (centre_ms, height_uv, 0.15)))
    }

    fn rows(traces: &[Array1<f32>]) -> Array2<f32> {
        stack(ndarray::Axis(0), &traces.iter().map(|t| t.view()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn errors_by_hand() {
        let references = [[(1.6, 0.2), (3.7, 0.2), (5.6, 0.5)], [(1.7, 0.2), (3.8, 0.04), (5.8, 0.4)]].map(trace);
        // V: 0.1 late and half as large; 0.2 early and as large. I: right; missing
        let estimates = [[(1.6, 0.2), (3.7, 0.2), (5.7, 0.25)], [(9.9, 0.0), (3.8, 0.04), (5.6, 0.4)]].map(trace);
        let pairs = WavePairs::of(&HUMAN, rows(&estimates).view(), rows(&references).view(), Some(&[80.0; 2]), 0.1);
        let counts: Vec<usize> = pairs.waves.iter().map(|(_, pairs)| pairs.len()).collect();
        assert_eq!(counts, [2, 1, 2], "wave III of the second lies below the floor");
        let summary = pairs.summary(&[1.0, 1.0]);
        let [i, iii, v] = &summary.waves[..] else { panic!("three waves") };
        assert_eq!((i.wave, iii.wave, v.wave), ("I", "III", "V"));
        assert_eq!((i.rows, i.found, i.hits, i.latency_mae_ms), (2.0, 0.5, [0.5, 0.5], 0.0));
        assert_eq!((iii.rows, iii.found, iii.hits), (1.0, 1.0, [1.0, 1.0]));
        assert_eq!((v.rows, v.found, v.hits), (2.0, 1.0, [0.5, 1.0]));
        assert!(near(v.latency_mae_ms, 0.15) && near(v.latency_bias_ms, -0.05), "{v:?}");
        assert!(near(v.amplitude_mae_uv, 0.125) && near(v.amplitude_bias_uv, -0.125), "{v:?}");
        // the ratio of sums, not the mean of 0.5 and 1
        assert!(near(v.amplitude_ratio, 0.65 / 0.9), "{v:?}");
        // from the first row only: the second estimate has no wave I
        let interval = &summary.interval;
        assert_eq!((interval.waves, interval.rows), (["I", "V"], 1.0));
        assert!(near(interval.estimate_ms, 4.1) && near(interval.reference_ms, 4.0) && near(interval.mae_ms, 0.1));
    }

    #[test]
    fn a_weight_is_as_many_rows() {
        let references = [5.6, 5.8, 6.0].map(|v_ms| trace([(1.6, 0.2), (3.7, 0.2), (v_ms, 0.5)]));
        let estimates = [5.65, 5.95, 6.0].map(|v_ms| trace([(1.5, 0.3), (3.7, 0.2), (v_ms, 0.4)]));
        let of = |order: &[usize]| {
            let pick = |from: &[Array1<f32>; 3]| rows(&order.iter().map(|&i| from[i].clone()).collect::<Vec<_>>());
            WavePairs::of(&HUMAN, pick(&estimates).view(), pick(&references).view(), None, 0.1)
        };
        let weighed = of(&[0, 1, 2]).summary(&[2.0, 0.0, 1.0]);
        let repeated = of(&[0, 0, 2]).summary(&[1.0; 3]);
        assert_eq!(weighed.waves[2].rows, 3.0);
        let numbers = |s: &WaveSummary| {
            let v = &s.waves[2];
            [v.latency_mae_ms, v.hits[0], v.amplitude_ratio, s.interval.rows, s.interval.estimate_ms, s.interval.mae_ms]
        };
        let (a, b) = (numbers(&weighed), numbers(&repeated));
        // sums of three terms below 16, one of them doubled or added twice: a few ulps of f64
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 4.0 * 8.0 * f64::EPSILON), "{a:?} {b:?}");
        let nothing = of(&[0]).summary(&[0.0]);
        assert!(nothing.waves[2].found.is_nan() && nothing.interval.mae_ms.is_nan());
        assert!(
            serde_json::to_string(&nothing)
                .unwrap()
                .contains(r#""interval":{"waves":["I","V"],"rows":0.0,"estimate_ms":null"#)
        );
    }

    #[test]
    fn a_hit_may_be_as_far_off_as_the_limit() {
        let at = |latency_ms| Peak { latency_ms, amplitude_uv: 0.5 };
        let pair = |estimate| WavePair { row: 0, reference: at(5.6), estimate };
        // 5.7 - 5.6 and 5.8 - 5.6 are a little more than 0.1 and 0.2 in binary
        assert!(pair(Some(at(5.7))).is_hit(0.1) && pair(Some(at(5.8))).is_hit(0.2));
        assert!(!pair(Some(at(5.701))).is_hit(0.1) && !pair(None).is_hit(0.2));
    }

    #[test]
    fn noise_free_traces_of_the_built_in_data_estimate_themselves_and_shifted_ones_are_late() {
        let truth = healthy(70.0).ground_truth.unwrap().signals;
        let shifted = Array2::from_shape_fn(truth.dim(), |(row, i)| 0.5 * truth[[row, i.saturating_sub(3)]]);
        let (levels, ones) = (vec![70.0; truth.nrows()], vec![1.0; truth.nrows()]);
        let of = |estimate: &Array2<f32>| WavePairs::of(&HUMAN, estimate.view(), truth.view(), Some(&levels), 0.05);
        for wave in of(&truth).summary(&ones).waves {
            assert!(wave.rows > 0.9 * ones.len() as f64);
            assert_eq!((wave.found, wave.hits, wave.latency_mae_ms, wave.amplitude_ratio), (1.0, [1.0; 2], 0.0, 1.0));
        }
        let late = of(&shifted).summary(&ones);
        let v = &late.waves[2];
        // Halving is exact in f32, and three samples are 0.15 ms: only latencies below 16 ms round, by ulps of f64.
        assert!((v.latency_bias_ms - 0.15).abs() < 1e-14 && (v.amplitude_ratio - 0.5).abs() < 1e-14, "{v:?}");
        assert_eq!(v.hits, [0.0, 1.0]);
        assert!(late.interval.mae_ms < 1e-14, "{late:?}");
    }
}
