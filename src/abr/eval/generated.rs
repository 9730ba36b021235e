//! What a model generates under the conditions of recordings: how well the mean of the draws fits, how widely the draws
//! spread, and whether real traces lie inside the draws' intervals as often as they should.

use super::Reference;
use super::measures::{EnergyScore, Interval, Intervals, VariogramScore};
use super::sides::Sides;
use super::table::{ReportTable, TableCell};
use crate::checkpoint::TrainedModel;
use crate::error::Result;
use crate::generate::draw_traces;
use crate::model::Cvae;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Draws per condition, where there are few conditions …
const MANY_DRAWS: usize = 199;
/// … and where there are more than [`FEW_CONDITIONS`]. With either number, the interval bounds of [`SHARES`] fall
/// exactly on draws (see [`Intervals`]).
const FEW_DRAWS: usize = 39;
const FEW_CONDITIONS: usize = 100;
/// The nominal coverage of the intervals.
pub const SHARES: [f64; 3] = [0.5, 0.8, 0.95];
/// The variogram score uses one sample in this many.
const STRIDE: usize = 4;
/// The seed of the draws.
const SEED: u64 = 0;

/// Measures of draws under the conditions of the evaluated rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GenerationQuality {
    /// Distinct conditions among the rows.
    pub conditions: usize,
    /// Draws per condition.
    pub draws: usize,
    /// Share of the reference variance that the mean of the draws explains, corrected for the finite number of draws.
    /// `None` without reference traces or training mean.
    pub mean_explained_variance: Option<Interval>,
    /// Standard deviation of the draws divided by that of the reference traces, each about the curve of the condition
    /// (see [`Curve`](crate::baselines::Curve)): 1 means that draws spread as far as listeners do. The noise in cell
    /// averages is subtracted.
    pub spread: Option<Interval>,
    /// Calibration of the model's draws and of those of the linear mixed model; both are compared as
    /// [`super::Compared`] describes.
    pub model: Calibration,
    pub mixed_model: Option<Calibration>,
}

/// How well draws under the same conditions cover real traces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// For each of [`SHARES`], the share of real samples inside the central interval of the draws.
    pub inside: [Interval; SHARES.len()],
    /// Means over rows of the proper scores in µV; lower is better (see [`EnergyScore`] and [`VariogramScore`]).
    pub energy_score_uv: Interval,
    pub variogram_score_uv: Interval,
}

/// The statistics of one row.
#[derive(Default, Clone)]
struct RowStatistics {
    /// Squares summed over the samples, in µV². `error`: reference trace minus mean draw. `total`: reference trace
    /// minus training mean. `drawn` and `real`: draws and reference trace minus the curve. NaN without a reference
    /// trace.
    error: f64,
    total: f64,
    drawn: f64,
    real: f64,
    model: Scores,
    mixed_model: Scores,
}

#[derive(Default, Clone, Copy)]
struct Scores {
    inside: [f64; SHARES.len()],
    energy: f64,
    variogram: f64,
}

impl GenerationQuality {
    pub(super) fn measure(
        trained: &TrainedModel,
        model: &mut Cvae,
        sides: &Sides,
        reference: &Reference,
    ) -> Result<GenerationQuality> {
        let (firsts, of_row) = distinct(&sides.condition);
        let draws = if firsts.len() > FEW_CONDITIONS { FEW_DRAWS } else { MANY_DRAWS };
        let mut under: Vec<Vec<usize>> = vec![Vec::new(); firsts.len()];
        of_row.iter().enumerate().for_each(|(row, &at)| under[at].push(row));
        let mut rows = vec![RowStatistics::default(); of_row.len()];
        let mixed_model = sides.baselines().mixed_model.as_ref();
        for (at, members) in under.iter().enumerate() {
            let condition = sides.condition.row(firsts[at]);
            let repeated = Array2::from_shape_fn((draws, condition.len()), |(_, i)| condition[i]);
            let subjects: Vec<u32> = (0..draws as u32).collect();
            let seed = SEED + at as u64;
            let (traces, _) = draw_traces(trained, model, Some(&repeated), &subjects, seed)?;
            let curve = sides.curve.row(firsts[at]);
            let statistics = DrawStatistics::of(traces.mapv(f64::from).view(), curve);
            members.iter().for_each(|&row| statistics.compare(sides, reference, row, &mut rows[row]));
            score(sides, &traces, seed, members, |row, scores| rows[row].model = scores);
            if let Some(mixed_model) = mixed_model {
                let curves = curve.broadcast((draws, curve.len())).expect("one row per draw").to_owned();
                let traces = mixed_model.draw(curves, subjects.iter().copied(), seed);
                score(sides, &traces, seed, members, |row, scores| rows[row].mixed_model = scores);
            }
        }
        // rows without a reference trace do not count
        let share = |of: &(dyn Fn(&RowStatistics) -> (f64, f64) + Sync), finish: fn(f64, f64) -> f64| {
            let interval = sides.interval(|weights| {
                let (mut above, mut below) = (0.0, 0.0);
                for (row, weight) in rows.iter().zip(weights).filter(|(row, _)| !row.total.is_nan()) {
                    let (a, b) = of(row);
                    (above, below) = (above + weight * a, below + weight * b);
                }
                finish(above, below)
            });
            Some(interval).filter(|interval| interval.value.is_finite())
        };
        Ok(GenerationQuality {
            conditions: firsts.len(),
            draws,
            mean_explained_variance: share(&|row| (row.error, row.total), |error, total| 1.0 - error / total),
            spread: share(&|row| (row.drawn, row.real), |drawn, real| (drawn / real).sqrt()),
            model: Calibration::of(sides, &rows, |row| &row.model),
            mixed_model: mixed_model.map(|_| Calibration::of(sides, &rows, |row| &row.mixed_model)),
        })
    }
}

impl Calibration {
    fn of(sides: &Sides, rows: &[RowStatistics], scores: fn(&RowStatistics) -> &Scores) -> Calibration {
        let mean = |of: &(dyn Fn(&Scores) -> f64 + Sync)| {
            sides.interval(|weights| {
                let weighted = rows.iter().zip(weights).map(|(row, weight)| weight * of(scores(row)));
                weighted.sum::<f64>() / weights.iter().sum::<f64>()
            })
        };
        Calibration {
            inside: std::array::from_fn(|i| mean(&|scores| scores.inside[i])),
            energy_score_uv: mean(&|scores| scores.energy),
            variogram_score_uv: mean(&|scores| scores.variogram),
        }
    }
}

/// The draws under one condition.
struct DrawStatistics {
    mean: ndarray::Array1<f64>,
    /// What the finite number of draws adds to the squared error of their mean.
    of_mean: f64,
    about_curve: f64,
}

impl DrawStatistics {
    fn of(traces: ArrayView2<f64>, curve: ArrayView1<f64>) -> DrawStatistics {
        let draws = traces.nrows() as f64;
        let mean = traces.mean_axis(Axis(0)).expect("some draws");
        let about = |centre: ArrayView1<f64>| traces.outer_iter().map(|t| squares(t, centre)).sum::<f64>();
        DrawStatistics { of_mean: about(mean.view()) / (draws - 1.0) / draws, about_curve: about(curve) / draws, mean }
    }

    fn compare(&self, sides: &Sides, reference: &Reference, row: usize, into: &mut RowStatistics) {
        let trace = reference.trace_of(sides.places[row]).zip(reference.mean.as_ref());
        let Some((trace, training_mean)) = trace else {
            into.total = f64::NAN;
            return;
        };
        let trace = trace.mapv(f64::from);
        into.error = squares(trace.view(), self.mean.view()) - self.of_mean;
        into.total = squares(trace.view(), training_mean.mapv(f64::from).view());
        into.drawn = self.about_curve;
        let noise = reference.noise_of_trace(sides.places[row]);
        into.real = squares(trace.view(), sides.curve.row(row)) - noise;
    }
}

/// Scores the rows under one condition. Draws get noise for each row's number of averages.
fn score(sides: &Sides, traces: &Array2<f32>, seed: u64, members: &[usize], mut keep: impl FnMut(usize, Scores)) {
    let mut by_averages: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for &row in members {
        by_averages.entry(sides.averages[row].to_bits()).or_default().push(row);
    }
    let sparse = |v: ArrayView1<f64>| v.slice(s![..;STRIDE]).to_owned();
    for rows in by_averages.into_values() {
        let draws = sides.with_noise_of(traces.clone(), |_| sides.averages[rows[0]], seed);
        let (intervals, energy) = (Intervals::new(draws.view()), EnergyScore::new(draws.view()));
        let variogram = VariogramScore::new(draws.slice(s![.., ..;STRIDE]));
        for row in rows {
            let real = sides.real.row(row);
            let inside = SHARES.map(|share| intervals.inside(real, share));
            let variogram = variogram.score(sparse(real).view());
            keep(row, Scores { inside, energy: energy.score(real), variogram });
        }
    }
}

fn squares(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The first row of each distinct condition, and for each row the index of its condition among them.
pub(super) fn distinct(conditions: &Array2<f32>) -> (Vec<usize>, Vec<usize>) {
    let (mut seen, mut firsts) = (HashMap::new(), Vec::new());
    let of_row = conditions.outer_iter().enumerate().map(|(row, condition)| {
        let key: Vec<u32> = condition.iter().map(|v| v.to_bits()).collect();
        *seen.entry(key).or_insert_with(|| {
            firsts.push(row);
            firsts.len() - 1
        })
    });
    let of_row = of_row.collect();
    (firsts, of_row)
}

impl GenerationQuality {
    /// The model's draws and those of the linear mixed model, against real traces.
    pub(super) fn table(&self) -> ReportTable {
        let (conditions, draws) = (self.conditions, self.draws);
        let title = format!("generated under {conditions} conditions, {draws} draws each");
        let inside = SHARES.map(|share| format!("in\u{a0}{:.0}\u{a0}%", 100.0 * share));
        let [a, b, c] = inside.each_ref().map(String::as_str);
        let headings = ["", "mean explains", "spread", a, b, c, "energy score, µV", "variogram score, µV"];
        let mut table = ReportTable::new(title, &headings).with_note(
            "mean: explained share of the variance of the reference traces; spread: divided by that of these \
             listeners, 1 is right; in 50 %: share of real samples inside the central half of the draws; scores: lower \
             is better",
        );
        let at = |name: &str| format!("/generated/{name}");
        let of_mean = TableCell::some(self.mean_explained_variance, |mean| {
            TableCell::percent_interval(mean, 1, &at("mean_explained_variance"))
        });
        let spread = TableCell::some(self.spread, |spread| TableCell::interval(spread, 2, &at("spread")));
        table.push("model", [of_mean, spread].into_iter().chain(self.model.cells(&at("model"))));
        if let Some(mixed) = &self.mixed_model {
            let cells = [TableCell::none(), TableCell::none()].into_iter().chain(mixed.cells(&at("mixed_model")));
            table.push("linear mixed model", cells);
        }
        table
    }
}

impl Calibration {
    fn cells(&self, at: &str) -> Vec<TableCell> {
        let inside = self.inside.iter().enumerate();
        let inside = inside.map(|(i, share)| TableCell::percent(share.value, 1, &format!("{at}/inside/{i}/value")));
        let energy = TableCell::interval(self.energy_score_uv, 3, &format!("{at}/energy_score_uv"));
        let variogram = TableCell::number(self.variogram_score_uv.value, 4, &format!("{at}/variogram_score_uv/value"));
        inside.chain([energy, variogram]).collect()
    }
}
