//! The waves of reconstructions against those of the reference traces, and how waves change with the level in real and
//! in generated traces.

use super::level_functions::{LevelFunction, LevelPoint, LevelWaves, RealAndGenerated, WaveSlopes, wave_slopes};
use super::measures::{Interval, median};
use super::norms::{Norm, norms};
use super::sides::{Sides, Twins};
use super::table::{ReportTable, TableCell};
use super::wave_errors::{WavePairs, WaveSummary};
use super::{Reference, ReferenceSource};
use crate::config::Species;
use ndarray::{Array2, Axis};
use serde::Serialize;
use std::collections::BTreeSet;

/// With more levels there are no level functions.
const MOST_LEVELS: usize = 60;
/// A wave of a reference trace counts from this amplitude up …
pub(super) const FLOOR_UV: f64 = 0.03;
/// … and from this many standard deviations of the noise in reference traces: noise alone reaches about this much from
/// peak to trough.
pub(super) const FLOOR_IN_NOISE: f64 = 4.0;

/// The waves of the species (see [`species`](super::species)) in rows that have a reference trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaveReport {
    pub species: Species,
    /// Where the reference traces come from.
    pub against: ReferenceSource,
    pub rows: usize,
    /// A wave counts from this amplitude up, peak to trough.
    pub floor_uv: f64,
    /// The model's reconstruction against the reference traces.
    pub reconstructed: WaveSummary,
    /// How the waves change with the level; `None` without levels, and with more than 60.
    pub levels: Option<LevelReport>,
}

/// Level functions of the reference traces and of their generated twins without noise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelReport {
    pub real: Vec<LevelFunction>,
    pub generated: Vec<LevelFunction>,
    pub slopes: Vec<WaveSlopes>,
    /// For the last wave, the latency slope of generated traces divided by that of real ones.
    pub latency_slope_ratio: Interval,
    /// Published values for the species; empty if there are none here.
    pub norms: &'static [Norm],
}

impl WaveReport {
    /// Measures the rows of `sides` that have a reference trace; `made [M, L]` are the reconstructions of all evaluated
    /// rows. `None` if no row has a reference trace.
    pub(super) fn of(sides: &Sides, twins: &Twins, made: &Array2<f32>, reference: &Reference) -> Option<WaveReport> {
        let known = |row: &usize| reference.trace_of(sides.places[*row]).is_some();
        let rows: Vec<usize> = (0..sides.rows.len()).filter(known).collect();
        if rows.is_empty() {
            return None;
        }
        let traces: Vec<_> = rows.iter().filter_map(|&row| reference.trace_of(sides.places[row])).collect();
        let references = ndarray::stack(Axis(0), &traces).expect("traces of one length");
        let places: Vec<usize> = rows.iter().map(|&row| sides.places[row]).collect();
        let length = references.ncols() as f64;
        let mut noise: Vec<f64> =
            places.iter().map(|&place| (reference.noise_of_trace(place) / length).sqrt()).collect();
        let floor_uv = FLOOR_UV.max(FLOOR_IN_NOISE * median(&mut noise));
        let picker = sides.picker();
        let levels: Option<Vec<f64>> =
            sides.levels_db.as_ref().map(|levels| rows.iter().map(|&row| levels[row]).collect());
        let estimates = made.select(Axis(0), &places);
        let pairs = WavePairs::of(&picker, estimates.view(), references.view(), levels.as_deref(), floor_uv);
        let levels = levels.filter(|levels| are_few(levels)).map(|levels| {
            let subjects: Vec<usize> = rows.iter().map(|&row| sides.subjects[row]).collect();
            let of = |traces: &Array2<f32>| LevelWaves::of(&picker, traces.view(), &levels, &subjects, floor_uv);
            let (real, generated) = (of(&references), of(&twins.clean.select(Axis(0), &rows)));
            LevelReport::of(sides, &rows, &real, &generated, picker.species)
        });
        let reconstructed = pairs.summary(&vec![1.0; rows.len()]);
        let against = ReferenceSource::of(sides.dataset);
        Some(WaveReport { species: picker.species, against, rows: rows.len(), floor_uv, reconstructed, levels })
    }
}

impl LevelReport {
    /// Measures the waves of `rows` and of their twins.
    fn of(sides: &Sides, rows: &[usize], real: &LevelWaves, generated: &LevelWaves, species: Species) -> LevelReport {
        let both = |weights: &[f64]| (real.functions(weights), generated.functions(weights));
        let (mut of_real, mut made) = both(&vec![1.0; rows.len()]);
        let intervals = sides.intervals(|weights| {
            let weights: Vec<f64> = rows.iter().map(|&row| weights[row]).collect();
            let (real, generated) = both(&weights);
            let slopes = wave_slopes(&real, &generated);
            let ratio = slopes.last().map_or(f64::NAN, |slopes| slopes.latency_ms_per_10_db.ratio);
            std::iter::once(ratio).chain(real.iter().chain(&generated).flat_map(LevelFunction::means)).collect()
        });
        let mut intervals = intervals.into_iter();
        let latency_slope_ratio = intervals.next().expect("the ratio comes first");
        of_real.iter_mut().chain(&mut made).for_each(|function| function.set_intervals(&mut intervals));
        let slopes = wave_slopes(&of_real, &made);
        LevelReport {
            real: of_real,
            generated: made,
            slopes,
            latency_slope_ratio,
            norms: norms(species, sides.tones()),
        }
    }
}

/// Whether the levels are steps of a series, and not random levels with one trace each.
fn are_few(levels: &[f64]) -> bool {
    levels.iter().map(|level| level.to_bits()).collect::<BTreeSet<u64>>().len() <= MOST_LEVELS
}

impl WaveReport {
    /// The errors of reconstructions, and the waves by level.
    pub(super) fn tables(&self) -> Vec<ReportTable> {
        let mut tables = vec![self.errors()];
        if let Some(levels) = &self.levels {
            tables.push(levels.slopes_table());
            tables.extend(levels.wave_tables());
        }
        tables
    }

    fn errors(&self) -> ReportTable {
        let (rows, floor) = (self.rows, self.floor_uv);
        let headings =
            ["", "rows", "found", "latency MAE, ms", "bias, ms", "within .1 ms", "within .2 ms", "amplitude ratio"];
        let mut table = ReportTable::new("waves of reconstructions", &headings)
            .with_note(format!("against {}, {rows} rows, from {floor:.2} µV up", self.against.name()));
        for (i, wave) in self.reconstructed.waves.iter().enumerate() {
            let at = |name: &str| format!("/wave_errors/reconstructed/waves/{i}/{name}");
            let cells = [
                TableCell::number(wave.rows, 0, &at("rows")),
                TableCell::percent(wave.found, 0, &at("found")),
                TableCell::number(wave.latency_mae_ms, 3, &at("latency_mae_ms")),
                TableCell::number(wave.latency_bias_ms, 3, &at("latency_bias_ms")),
                TableCell::percent(wave.hits[0], 0, &at("hits/0")),
                TableCell::percent(wave.hits[1], 0, &at("hits/1")),
                TableCell::number(wave.amplitude_ratio, 2, &at("amplitude_ratio")),
            ];
            table.push(wave.wave, cells);
        }
        let interval = &self.reconstructed.interval;
        let ([first, last], at) = (interval.waves, "/wave_errors/reconstructed/interval");
        let mae = TableCell::number(interval.mae_ms, 3, &format!("{at}/mae_ms"));
        let rows = TableCell::number(interval.rows, 0, &format!("{at}/rows"));
        table.push(format!("{first}–{last}"), [rows, TableCell::default(), mae]);
        table
    }
}

impl LevelReport {
    fn slopes_table(&self) -> ReportTable {
        let headings =
            ["", "latency, ms/10 dB", "amplitude, µV/10 dB", "latency falls, steps", "amplitude rises, steps"];
        let mut table = ReportTable::new("waves by level, real / generated", &headings);
        let at = |name: &str| format!("/wave_errors/levels/{name}");
        let beside = |i: usize, name: &str, beside: RealAndGenerated| {
            let part = |value, part| TableCell::number(value, 3, &at(&format!("slopes/{i}/{name}/{part}")));
            part(beside.real, "real") + " / " + part(beside.generated, "generated")
        };
        for (i, ((slopes, real), generated)) in self.slopes.iter().zip(&self.real).zip(&self.generated).enumerate() {
            let shares = |name: &str, of: fn(&LevelFunction) -> f64| {
                TableCell::percent(of(real), 0, &at(&format!("real/{i}/{name}")))
                    + " / "
                    + TableCell::percent(of(generated), 0, &at(&format!("generated/{i}/{name}")))
            };
            let cells = [
                beside(i, "latency_ms_per_10_db", slopes.latency_ms_per_10_db),
                beside(i, "amplitude_uv_per_10_db", slopes.amplitude_uv_per_10_db),
                shares("latency_monotone", |function| function.latency_monotone),
                shares("amplitude_monotone", |function| function.amplitude_monotone),
            ];
            table.push(slopes.wave, cells);
        }
        let ratio = TableCell::interval(self.latency_slope_ratio, 2, &at("latency_slope_ratio"));
        table.push("slope of the last wave's latency, generated over real", [ratio]);
        table
    }

    /// One table per wave, with the numbers that its pictures show.
    fn wave_tables(&self) -> Vec<ReportTable> {
        let of_wave = |(i, (real, generated)): (usize, (&LevelFunction, &LevelFunction))| {
            let headings = [
                "",
                "real: found of",
                "latency, ms",
                "amplitude, µV",
                "generated: found of",
                "latency, ms",
                "amplitude, µV",
            ];
            let mut table = ReportTable::new(format!("wave {} by level", real.wave), &headings);
            for (j, (of_real, made)) in real.points.iter().zip(&generated.points).enumerate() {
                let cells = |side: &str, point: &LevelPoint| {
                    let at = |name: &str| format!("/wave_errors/levels/{side}/{i}/points/{j}/{name}");
                    let found = TableCell::number(point.found, 0, &at("found"))
                        + " of "
                        + TableCell::number(point.traces, 0, &at("traces"));
                    let latency = TableCell::interval(point.latency_ms, 2, &at("latency_ms"));
                    [found, latency, TableCell::interval(point.amplitude_uv, 3, &at("amplitude_uv"))]
                };
                let both = cells("real", of_real).into_iter().chain(cells("generated", made));
                table.push(format!("{} dB", of_real.level_db), both);
            }
            table
        };
        self.real.iter().zip(&self.generated).enumerate().map(of_wave).collect()
    }
}
