//! How the latency and the amplitude of each wave change with the level, in real and in generated traces.
//!
//! In noise the picking rule marks whatever is largest. Traces should therefore be clean (averages of many, or
//! generated), and a wave counts only above a floor. An undefined number (a mean over nothing) is NaN, in JSON `null`.

use super::measures::Interval;
use super::peaks::Peak;
use super::species::Picker;
use super::wave_errors::{ROUNDING, mean, total};
use ndarray::{Array1, ArrayView2};
use serde::Serialize;
use std::collections::BTreeMap;

/// The waves of traces at known levels.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelWaves {
    /// `[N]`
    levels_db: Vec<f64>,
    /// `[N]`
    subjects: Vec<usize>,
    /// In ascending order.
    cells: Vec<LevelCell>,
    waves: Vec<FoundWaves>,
}

/// The traces of one subject at one level; sorted by subject, then by level.
#[derive(Debug, Clone, PartialEq)]
struct LevelCell {
    subject: usize,
    level_db: f64,
    rows: Vec<usize>,
}

/// Where one wave was found.
#[derive(Debug, Clone, PartialEq)]
struct FoundWaves {
    wave: &'static str,
    /// `[N]`
    rows: Vec<Option<Peak>>,
    /// In the mean trace of each cell.
    cells: Vec<Option<Peak>>,
}

/// How one wave changes with the level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelFunction {
    pub wave: &'static str,
    /// In ascending order of level.
    pub points: Vec<LevelPoint>,
    /// Ordinary least squares of latency on level within subjects: one common slope, one intercept per subject. So the
    /// slope depends neither on which levels a subject was recorded at, nor on whose waves are generally late. NaN
    /// unless a subject has two levels.
    pub latency_slope_ms_per_10_db: f64,
    /// The same for amplitude.
    pub amplitude_slope_uv_per_10_db: f64,
    /// Steps from one level of a subject to its next higher level, where the mean traces of both have the wave; the sum
    /// of their weights.
    pub steps: f64,
    /// Share of the steps on which latency does not rise …
    pub latency_monotone: f64,
    /// … and on which amplitude does not fall.
    pub amplitude_monotone: f64,
}

/// One wave at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelPoint {
    pub level_db: f64,
    /// Traces at the level; the sum of their weights.
    pub traces: f64,
    /// Traces in which the wave was found. Means are over these.
    pub found: f64,
    pub latency_ms: Interval,
    /// Standard deviation over traces, `√(Σ w (x - x̄)² / Σ w)`.
    pub latency_sd_ms: f64,
    pub amplitude_uv: Interval,
}

/// The slopes of one wave in real and in generated traces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaveSlopes {
    pub wave: &'static str,
    pub latency_ms_per_10_db: RealAndGenerated,
    pub amplitude_uv_per_10_db: RealAndGenerated,
}

/// A number measured on real and on generated traces.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RealAndGenerated {
    pub real: f64,
    pub generated: f64,
    /// `generated - real`
    pub difference: f64,
    /// `generated / real`
    pub ratio: f64,
}

impl LevelFunction {
    /// The values that have an interval, point by point.
    pub(super) fn means(&self) -> impl Iterator<Item = f64> {
        self.points.iter().flat_map(|point| [point.latency_ms.value, point.amplitude_uv.value])
    }

    /// Sets the intervals of the points, in the order of [`means`](Self::means).
    pub(super) fn set_intervals(&mut self, intervals: &mut impl Iterator<Item = Interval>) {
        for point in &mut self.points {
            for mean in [&mut point.latency_ms, &mut point.amplitude_uv] {
                let interval = intervals.next().expect("one interval per mean");
                // resampling a single subject always gives the same subject
                let known = interval.low < interval.high;
                *mean = if known { interval } else { Interval::exact(interval.value) };
            }
        }
    }
}

impl LevelWaves {
    /// Picks the waves with an amplitude (peak to trough) of at least `floor_uv` in `traces [N, L]` in µV at `levels_db
    /// [N]` (dB nHL for people, dB SPL for mice), and in the mean trace of each of the `subjects [N]` at each level.
    /// Leaves out rows without a level (NaN).
    ///
    /// # Panics
    /// If there is not one level and one subject per trace.
    pub fn of(
        picker: &Picker,
        traces: ArrayView2<f32>,
        levels_db: &[f64],
        subjects: &[usize],
        floor_uv: f64,
    ) -> LevelWaves {
        assert_eq!((levels_db.len(), subjects.len()), (traces.nrows(), traces.nrows()), "LevelWaves: one per trace");
        let mut order: Vec<usize> = (0..traces.nrows()).filter(|&row| !levels_db[row].is_nan()).collect();
        order.sort_by(|&a, &b| subjects[a].cmp(&subjects[b]).then(levels_db[a].total_cmp(&levels_db[b])));
        let same = |&a: &usize, &b: &usize| (subjects[a], levels_db[a]) == (subjects[b], levels_db[b]);
        let cells: Vec<LevelCell> = order
            .chunk_by(same)
            .map(|rows| LevelCell { subject: subjects[rows[0]], level_db: levels_db[rows[0]], rows: rows.to_vec() })
            .collect();
        let names = picker.species.waves().iter().map(|wave| wave.name);
        let none = vec![None; traces.nrows()];
        let mut waves: Vec<_> = names.map(|wave| FoundWaves { wave, rows: none.clone(), cells: Vec::new() }).collect();
        let large = |peak: Option<Peak>| peak.filter(|peak| peak.amplitude_uv >= floor_uv);
        for cell in &cells {
            let mut sum = Array1::<f64>::zeros(traces.ncols());
            for &row in &cell.rows {
                sum.zip_mut_with(&traces.row(row), |sum, &v| *sum += f64::from(v));
                for (wave, peak) in waves.iter_mut().zip(picker.pick(traces.row(row), Some(cell.level_db))) {
                    wave.rows[row] = large(peak);
                }
            }
            let mean_trace = sum.mapv(|sum| (sum / cell.rows.len() as f64) as f32);
            for (wave, peak) in waves.iter_mut().zip(picker.pick(mean_trace.view(), Some(cell.level_db))) {
                wave.cells.push(large(peak));
            }
        }
        LevelWaves { levels_db: levels_db.to_vec(), subjects: subjects.to_vec(), cells, waves }
    }

    /// The level function of each wave, over rows with `weights [N]`: all 1, or how often the bootstrap drew a row's
    /// subject. Mean traces have the mean weight of their rows.
    ///
    /// # Panics
    /// If the number of weights differs from the number of rows.
    pub fn functions(&self, weights: &[f64]) -> Vec<LevelFunction> {
        assert_eq!(weights.len(), self.levels_db.len(), "LevelWaves: one weight per row");
        self.waves.iter().map(|wave| self.function(wave, weights)).collect()
    }

    fn function(&self, wave: &FoundWaves, weights: &[f64]) -> LevelFunction {
        let steps = self.steps(wave, weights);
        let share = |of: fn(&Peak, &Peak) -> bool| mean(steps.iter().map(|(w, a, b)| (*w, f64::from(of(a, b)))));
        LevelFunction {
            wave: wave.wave,
            points: self.points(wave, weights),
            latency_slope_ms_per_10_db: 10.0 * self.slope(wave, weights, |peak| peak.latency_ms),
            amplitude_slope_uv_per_10_db: 10.0 * self.slope(wave, weights, |peak| peak.amplitude_uv),
            steps: total(steps.iter().map(|(weight, ..)| weight)),
            latency_monotone: share(|low, high| high.latency_ms <= low.latency_ms + ROUNDING),
            amplitude_monotone: share(|low, high| high.amplitude_uv >= low.amplitude_uv - ROUNDING),
        }
    }

    fn points(&self, wave: &FoundWaves, weights: &[f64]) -> Vec<LevelPoint> {
        let mut levels_db: Vec<f64> = self.cells.iter().map(|cell| cell.level_db).collect();
        levels_db.sort_by(f64::total_cmp);
        levels_db.dedup();
        let point = |level_db: f64| {
            let rows = || (0..weights.len()).filter(move |&row| self.levels_db[row] == level_db);
            let found: Vec<(f64, Peak)> = rows().filter_map(|r| wave.rows[r].map(|peak| (weights[r], peak))).collect();
            let mean_of = |of: &dyn Fn(&Peak) -> f64| mean(found.iter().map(|(weight, peak)| (*weight, of(peak))));
            let latency_ms = mean_of(&|peak| peak.latency_ms);
            LevelPoint {
                level_db,
                traces: total(rows().map(|row| &weights[row])),
                found: total(found.iter().map(|(weight, _)| weight)),
                latency_ms: Interval::exact(latency_ms),
                latency_sd_ms: mean_of(&|peak| (peak.latency_ms - latency_ms).powi(2)).sqrt(),
                amplitude_uv: Interval::exact(mean_of(&|peak| peak.amplitude_uv)),
            }
        };
        levels_db.into_iter().map(point).collect()
    }

    /// The slope per dB within subjects: `Σ w (x - x̄ₛ)(y - ȳₛ) / Σ w (x - x̄ₛ)²`, with the means of each subject s.
    fn slope(&self, wave: &FoundWaves, weights: &[f64], of: fn(&Peak) -> f64) -> f64 {
        let mut subjects: BTreeMap<usize, Vec<(f64, f64, f64)>> = BTreeMap::new();
        for (row, peak) in wave.rows.iter().enumerate() {
            if let Some(peak) = peak {
                let point = (weights[row], self.levels_db[row], of(peak));
                subjects.entry(self.subjects[row]).or_default().push(point);
            }
        }
        let (mut xy, mut xx) = (0.0, 0.0);
        for points in subjects.into_values().filter(|points| points.iter().any(|(weight, ..)| *weight > 0.0)) {
            let mean_x = mean(points.iter().map(|(w, x, _)| (*w, *x)));
            let mean_y = mean(points.iter().map(|(w, _, y)| (*w, *y)));
            for (w, x, y) in points {
                xy += w * (x - mean_x) * (y - mean_y);
                xx += w * (x - mean_x).powi(2);
            }
        }
        xy / xx
    }

    /// Each step from one level of a subject to its next higher level where both have the wave: the weight, and the
    /// wave at both levels.
    fn steps(&self, wave: &FoundWaves, weights: &[f64]) -> Vec<(f64, Peak, Peak)> {
        let weight = |cell: &LevelCell| cell.rows.iter().map(|&row| weights[row]).sum::<f64>() / cell.rows.len() as f64;
        let step = |(cells, peaks): (&[LevelCell], &[Option<Peak>])| {
            let [low, high] = cells else { return None };
            let mean_weight = (weight(low) + weight(high)) / 2.0;
            (low.subject == high.subject).then_some((mean_weight, peaks[0]?, peaks[1]?))
        };
        self.cells.windows(2).zip(wave.cells.windows(2)).filter_map(step).collect()
    }
}

/// Pairs the slopes of real and of generated traces, wave by wave.
///
/// # Panics
/// If the two lists hold different waves.
pub fn wave_slopes(real: &[LevelFunction], generated: &[LevelFunction]) -> Vec<WaveSlopes> {
    assert_eq!(real.len(), generated.len(), "wave_slopes: the same waves");
    let both = |(real, generated): (&LevelFunction, &LevelFunction)| {
        assert_eq!(real.wave, generated.wave, "wave_slopes: the same waves");
        let beside = |of: fn(&LevelFunction) -> f64| RealAndGenerated::of(of(real), of(generated));
        WaveSlopes {
            wave: real.wave,
            latency_ms_per_10_db: beside(|function| function.latency_slope_ms_per_10_db),
            amplitude_uv_per_10_db: beside(|function| function.amplitude_slope_uv_per_10_db),
        }
    };
    real.iter().zip(generated).map(both).collect()
}

impl RealAndGenerated {
    fn of(real: f64, generated: f64) -> RealAndGenerated {
        RealAndGenerated { real, generated, difference: generated - real, ratio: generated / real }
    }
}

#[cfg(test)]
mod tests;
