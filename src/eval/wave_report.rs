//! The waves of reconstructions beside those of the truth, and how they go with the level in real and in generated
//! traces.

use super::Reference;
use super::level_functions::{LevelFunction, LevelWaves, SlopesBeside, slopes_beside};
use super::measures::{Interval, median};
use super::sides::{Sides, Twins};
use super::wave_errors::{WavePairs, WaveSummary};
use crate::config::Species;
use ndarray::{Array2, Axis};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

/// With more levels there are no functions of them.
const MOST_LEVELS: usize = 60;
/// A wave of the truth counts from this amplitude up …
pub(super) const FLOOR_UV: f64 = 0.03;
/// … and from so many deviations of the truth's noise: peak to trough, noise alone makes about as much.
pub(super) const FLOOR_IN_NOISE: f64 = 4.0;

/// Waves of the species (see [`species`](super::species)) in rows that have a truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaveReport {
    pub species: Species,
    pub rows: usize,
    /// A wave counts from this amplitude up, peak to trough.
    pub floor_uv: f64,
    /// The model's reconstruction against the truth.
    pub reconstructed: WaveSummary,
    /// How the waves go with the level; none without levels, and of more than 60.
    pub levels: Option<LevelReport>,
}

/// Level functions of the truth and of generated twins, without noise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelReport {
    pub real: Vec<LevelFunction>,
    pub generated: Vec<LevelFunction>,
    pub slopes: Vec<SlopesBeside>,
    /// Of the last wave: the generated slope of latency over the real one.
    pub latency_slope_ratio: Interval,
}

impl WaveReport {
    /// Of the rows of `sides` that have a truth; `made [M, L]` are the reconstructions of all evaluated rows. `None`
    /// where no row has one.
    pub(super) fn of(sides: &Sides, twins: &Twins, made: &Array2<f32>, reference: &Reference) -> Option<WaveReport> {
        let known = |row: &usize| reference.truth_of(sides.places[*row]).is_some();
        let rows: Vec<usize> = (0..sides.rows.len()).filter(known).collect();
        if rows.is_empty() {
            return None;
        }
        let truths: Vec<_> = rows.iter().filter_map(|&row| reference.truth_of(sides.places[row])).collect();
        let truth = ndarray::stack(Axis(0), &truths).expect("traces of one length");
        let places: Vec<usize> = rows.iter().map(|&row| sides.places[row]).collect();
        let length = truth.ncols() as f64;
        let mut noise: Vec<f64> =
            places.iter().map(|&place| (reference.noise_of_truth(place) / length).sqrt()).collect();
        let floor_uv = FLOOR_UV.max(FLOOR_IN_NOISE * median(&mut noise));
        let picker = sides.picker();
        let levels: Option<Vec<f64>> =
            sides.levels_db.as_ref().map(|levels| rows.iter().map(|&row| levels[row]).collect());
        let estimates = made.select(Axis(0), &places);
        let pairs = WavePairs::of(&picker, estimates.view(), truth.view(), levels.as_deref(), floor_uv);
        let levels = levels.filter(|levels| are_few(levels)).map(|levels| {
            let subjects: Vec<usize> = rows.iter().map(|&row| sides.subjects[row]).collect();
            let of = |traces: &Array2<f32>| LevelWaves::of(&picker, traces.view(), &levels, &subjects, floor_uv);
            let (real, generated) = (of(&truth), of(&twins.clean.select(Axis(0), &rows)));
            let beside = |weights: &[f64]| slopes_beside(&real.functions(weights), &generated.functions(weights));
            let ones = vec![1.0; rows.len()];
            LevelReport {
                latency_slope_ratio: sides.interval(|weights| {
                    let weights: Vec<f64> = rows.iter().map(|&row| weights[row]).collect();
                    beside(&weights).last().map_or(f64::NAN, |slopes| slopes.latency_ms_per_10_db.ratio)
                }),
                slopes: beside(&ones),
                real: real.functions(&ones),
                generated: generated.functions(&ones),
            }
        });
        let reconstructed = pairs.summary(&vec![1.0; rows.len()]);
        Some(WaveReport { species: picker.species, rows: rows.len(), floor_uv, reconstructed, levels })
    }
}

/// Whether levels are steps of a series: of levels drawn at random each has one trace.
fn are_few(levels: &[f64]) -> bool {
    levels.iter().map(|level| level.to_bits()).collect::<BTreeSet<u64>>().len() <= MOST_LEVELS
}

impl Display for WaveReport {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let (rows, floor) = (self.rows, self.floor_uv);
        writeln!(f, "waves of {rows} rows with a truth, from {floor:.2} µV up; reconstruction against truth")?;
        writeln!(
            f,
            "  {:<6} {:>7} {:>8} {:>13} {:>9} {:>13} {:>13} {:>16}",
            "wave", "rows", "found", "latency MAE", "bias", "within .1 ms", "within .2 ms", "amplitude ratio"
        )?;
        let percent = |v: f64| format!("{:.0} %", 100.0 * v);
        for wave in &self.reconstructed.waves {
            writeln!(
                f,
                "  {:<6} {:>7} {:>8} {:>10.3} ms {:>6.3} ms {:>13} {:>13} {:>16.2}",
                wave.wave,
                wave.rows,
                percent(wave.found),
                wave.latency_mae_ms,
                wave.latency_bias_ms,
                percent(wave.hits[0]),
                percent(wave.hits[1]),
                wave.amplitude_ratio
            )?;
        }
        let interval = &self.reconstructed.interval;
        let [first, last] = interval.waves;
        writeln!(
            f,
            "  {first}–{last}    {:>7} {:>8} {:>10.3} ms; {:.2} ms for {:.2} ms",
            interval.rows, "", interval.mae_ms, interval.estimate_ms, interval.reference_ms
        )?;
        let Some(levels) = &self.levels else { return Ok(()) };
        writeln!(f, "waves by level, real / generated")?;
        writeln!(
            f,
            "  {:<6} {:>22} {:>22} {:>24} {:>24}",
            "wave", "latency, ms/10 dB", "amplitude, µV/10 dB", "latency falls, steps", "amplitude rises, steps"
        )?;
        for ((slopes, real), generated) in levels.slopes.iter().zip(&levels.real).zip(&levels.generated) {
            let (latency, amplitude) = (slopes.latency_ms_per_10_db, slopes.amplitude_uv_per_10_db);
            writeln!(
                f,
                "  {:<6} {:>22} {:>22} {:>24} {:>24}",
                slopes.wave,
                format!("{:.3} / {:.3}", latency.real, latency.generated),
                format!("{:.3} / {:.3}", amplitude.real, amplitude.generated),
                format!("{} / {}", percent(real.latency_monotone), percent(generated.latency_monotone)),
                format!("{} / {}", percent(real.amplitude_monotone), percent(generated.amplitude_monotone)),
            )?;
        }
        writeln!(f, "  slope of the last wave's latency, generated over real: {:.2}", levels.latency_slope_ratio)
    }
}
