//! Train on synthetic, test on real: whether probes learn the same from generated traces as from real ones (Esteban,
//! Hyland and Rätsch 2017, arXiv:1706.02633).
//!
//! One probe learns from the real training rows, five others from twins of these rows, each with its own seed. All are
//! tested on real rows of subjects that none has seen. Their targets come from noise-free traces: for real rows from
//! [`reference_traces`], for twins from their own. Their inputs have the noise of the comparison.

use super::super::measures::{Interval, Logistic, Ridge, auc, of_rows};
use super::super::sides::{Compared, Sides, Twins};
use super::super::table::{ReportTable, TableCell};
use super::labels::{noise_alone, present_uv, responses, threshold_wave};
use super::{RIDGE, features, mae, vary, with_level};
use crate::baselines::reference_traces;
use crate::error::Result;
use crate::model::Cvae;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, concatenate};
use serde::Serialize;
use std::ops::RangeInclusive;

const SEEDS: RangeInclusive<u64> = 1..=5;
/// The offset between the seed of twins and that of noise alone, so that the two differ.
const NOISE: u64 = 1 << 62;
/// A class with less than this share of the rows is too small to learn.
const SMALLEST_CLASS: f64 = 0.05;

/// Probes trained on real rows against probes trained on generated rows, both tested on real rows of other subjects.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainOnSynthetic {
    /// The wave whose amplitude defines a response, and whose latency is predicted.
    pub wave: &'static str,
    pub absent: Absent,
    /// Whether a response is present: the area under the curve of logistic regression. `None` if there are too few rows
    /// without a response and the noise is unknown.
    pub response: Option<Task>,
    /// The level by ridge regression: mean |error| in dB. `None` if the model or the test rows have no levels, or the
    /// training rows have only one.
    pub level: Option<Task>,
    /// The wave's latency by ridge regression, over rows with a response: mean |error| in ms. `None` if no real row has
    /// one.
    pub latency: Option<Task>,
}

/// What counts as a row without a response.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "rows", rename_all = "snake_case")]
pub enum Absent {
    /// Rows whose wave is missing or smaller than this.
    Below { uv: f64 },
    /// Noise alone, once per row: used if one class of the other rule has less than 5 % of the real rows.
    NoiseAlone,
}

/// One task for probes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Task {
    /// Test rows, including those of noise alone.
    pub rows: usize,
    /// The score of the probe trained on real rows; the interval is over test subjects.
    pub real: Interval,
    /// The mean score of the probes trained on generated rows; NaN if the rows of a seed have nothing to learn from.
    pub synthetic: Interval,
    /// Standard deviation over the probes of five seeds, divisor 4.
    pub synthetic_sd: f64,
}

impl TrainOnSynthetic {
    /// Trains on the real rows of `train` and on their twins, and tests on the real rows of `test`, which are of other
    /// subjects. `None` if the two are compared in different ways, or noise is on one side only.
    ///
    /// # Errors
    /// The device is out of memory, or was lost.
    pub fn of(train: &Sides, test: &Sides, model: &mut Cvae) -> Result<Option<TrainOnSynthetic>> {
        if !train.compared.is_like(&test.compared) || train.compared == Compared::NoiseOnOneSide {
            return Ok(None);
        }
        let [real, held_out] = [train, test].map(ProbeRows::real);
        let twins = |seed| Ok(ProbeRows::twins(train, &train.twins(model, seed)?, &real.known));
        let synthetic: Vec<ProbeRows> = SEEDS.map(twins).collect::<Result<_>>()?;
        let comparison = SyntheticComparison { train, test, real, held_out, synthetic };
        let species = test.picker().species;
        let by_rule = comparison.real.has_both_classes() && comparison.held_out.has_both_classes();
        Ok(Some(TrainOnSynthetic {
            wave: threshold_wave(species),
            absent: if by_rule { Absent::Below { uv: present_uv(species) } } else { Absent::NoiseAlone },
            response: if by_rule { Some(comparison.response_by_rule()) } else { comparison.response_beside_noise() },
            level: comparison.level(),
            latency: comparison.latency(),
        }))
    }
}

/// Rows for training or testing probes: real ones, or their twins.
struct ProbeRows {
    /// `[N, F]`: the features of all rows, with the noise of the comparison.
    points: Array2<f64>,
    /// The places of the rows that have a reference trace.
    known: Vec<usize>,
    /// For each of these rows, the latency of the response in ms; `None` without a response.
    responses: Vec<Option<f64>>,
}

/// The inputs and targets of one probe.
pub(super) struct ProbeData {
    /// `[M, F]`
    pub points: Array2<f64>,
    /// `[M]`; for yes/no tasks 1 and 0.
    pub targets: Vec<f64>,
}

struct SyntheticComparison<'a> {
    train: &'a Sides<'a>,
    test: &'a Sides<'a>,
    real: ProbeRows,
    /// The test rows.
    held_out: ProbeRows,
    /// One per seed.
    synthetic: Vec<ProbeRows>,
}

impl ProbeRows {
    fn real(sides: &Sides) -> ProbeRows {
        let (clean, known) = reference_traces(sides.dataset, &sides.rows, &sides.cells);
        ProbeRows::new(sides, &sides.real, clean.view(), known)
    }

    fn twins(sides: &Sides, twins: &Twins, known: &[usize]) -> ProbeRows {
        ProbeRows::new(sides, &twins.compared, twins.clean.select(Axis(0), known).view(), known.to_vec())
    }

    /// `clean` are the reference traces of the rows at the places `known`.
    fn new(sides: &Sides, compared: &Array2<f64>, clean: ArrayView2<f32>, known: Vec<usize>) -> ProbeRows {
        let level_db = |row: usize| sides.levels_db.as_ref().map(|levels| levels[known[row]]);
        let responses = responses(&sides.picker(), clean, level_db);
        ProbeRows { points: features(sides, compared.view()), known, responses }
    }

    fn has_both_classes(&self) -> bool {
        let present = self.responses.iter().flatten().count() as f64 / self.responses.len() as f64;
        (SMALLEST_CLASS..=1.0 - SMALLEST_CLASS).contains(&present)
    }

    /// The places of the rows with a response.
    fn present(&self) -> Vec<usize> {
        let rows = self.known.iter().zip(&self.responses);
        rows.filter(|(_, response)| response.is_some()).map(|(place, _)| *place).collect()
    }

    fn probe_data(&self, places: &[usize], targets: Vec<f64>) -> ProbeData {
        ProbeData { points: self.points.select(Axis(0), places), targets }
    }
}

impl SyntheticComparison<'_> {
    fn response_by_rule(&self) -> Task {
        let probe_data = |source: &ProbeRows| {
            let present = source.responses.iter().map(|response| f64::from(u8::from(response.is_some())));
            source.probe_data(&source.known, present.collect())
        };
        self.task(&self.held_out.known, probe_data(&self.held_out), self.training_sets(probe_data), odds, odds_auc)
    }

    /// Responses against noise alone, in equal numbers.
    fn response_beside_noise(&self) -> Option<Task> {
        let ((rows, noise), (tested, tested_noise)) = (noise_alone(self.train)?, noise_alone(self.test)?);
        let probe_data = |source: &ProbeRows, places: &[usize], noise: ArrayView2<f64>| {
            let (responses, noise) = (source.points.select(Axis(0), places), features(self.train, noise));
            let points = concatenate(Axis(0), &[responses.view(), noise.view()]).expect("points of one dimension");
            ProbeData { points, targets: [vec![1.0; places.len()], vec![0.0; places.len()]].concat() }
        };
        let held_out = probe_data(&self.held_out, &tested, tested_noise.view());
        let of_seed = |(source, seed): (&ProbeRows, u64)| {
            let silence = Array2::zeros(self.train.real.raw_dim());
            let noise = self.train.with_noise(silence, NOISE + seed).select(Axis(0), &rows);
            probe_data(source, &rows, noise.view())
        };
        let synthetic = self.synthetic.iter().zip(SEEDS).map(of_seed).collect();
        let training_sets = (probe_data(&self.real, &rows, noise.view()), synthetic);
        Some(self.task(&[&tested[..], &tested].concat(), held_out, training_sets, odds, odds_auc))
    }

    fn level(&self) -> Option<Task> {
        let (rows, levels) = with_level(self.train).filter(|(_, levels)| vary(levels))?;
        let (tested, targets) = with_level(self.test).filter(|(_, levels)| !levels.is_empty())?;
        let training_sets = self.training_sets(|source| source.probe_data(&rows, levels.clone()));
        Some(self.task(&tested, self.held_out.probe_data(&tested, targets), training_sets, line, mae))
    }

    fn latency(&self) -> Option<Task> {
        let probe_data = |source: &ProbeRows| {
            source.probe_data(&source.present(), source.responses.iter().flatten().copied().collect())
        };
        let (real, held_out) = (self.real.present(), self.held_out.present());
        let some = !real.is_empty() && !held_out.is_empty();
        some.then(|| self.task(&held_out, probe_data(&self.held_out), self.training_sets(probe_data), line, mae))
    }

    /// The training data from the real rows, and from the twins of each seed.
    fn training_sets(&self, of: impl Fn(&ProbeRows) -> ProbeData) -> (ProbeData, Vec<ProbeData>) {
        (of(&self.real), self.synthetic.iter().map(&of).collect())
    }

    /// Tests each probe on the rows at `places`; `measure` gets predictions, targets and weights.
    fn task(
        &self,
        places: &[usize],
        held_out: ProbeData,
        (real, synthetic): (ProbeData, Vec<ProbeData>),
        predict: fn(&ProbeData, ArrayView2<f64>) -> Vec<f64>,
        measure: fn(&[f64], &[f64], &[f64]) -> f64,
    ) -> Task {
        let real = predict(&real, held_out.points.view());
        let synthetic: Vec<Vec<f64>> =
            synthetic.iter().map(|probe_data| predict(probe_data, held_out.points.view())).collect();
        let scores = |weights: &[f64]| -> Vec<f64> {
            synthetic.iter().map(|predicted| measure(predicted, &held_out.targets, weights)).collect()
        };
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        let of_seeds = scores(&vec![1.0; places.len()]);
        let variance =
            of_seeds.iter().map(|score| (score - mean(&of_seeds)).powi(2)).sum::<f64>() / (of_seeds.len() - 1) as f64;
        Task {
            rows: places.len(),
            real: self.test.interval(|weights| measure(&real, &held_out.targets, &of_rows(places, weights))),
            synthetic: self.test.interval(|weights| mean(&scores(&of_rows(places, weights)))),
            synthetic_sd: variance.sqrt(),
        }
    }
}

/// The predictions of ridge regression for `points [M, F]`; NaN without training data.
fn line(probe_data: &ProbeData, points: ArrayView2<f64>) -> Vec<f64> {
    if probe_data.targets.is_empty() {
        return vec![f64::NAN; points.nrows()];
    }
    Ridge::fit(probe_data.points.view(), ArrayView1::from(&probe_data.targets), None, RIDGE).predict(points).to_vec()
}

/// The log-odds of logistic regression; 0 if the training data have only one class.
pub(super) fn odds(probe_data: &ProbeData, points: ArrayView2<f64>) -> Vec<f64> {
    let labels = is_one(&probe_data.targets);
    if !labels.contains(&true) || !labels.contains(&false) {
        return vec![0.0; points.nrows()];
    }
    Logistic::fit(probe_data.points.view(), &labels, RIDGE).score(points)
}

fn odds_auc(odds: &[f64], targets: &[f64], weights: &[f64]) -> f64 {
    auc(odds, &is_one(targets), Some(weights))
}

fn is_one(targets: &[f64]) -> Vec<bool> {
    targets.iter().map(|target| *target > 0.5).collect()
}

impl TrainOnSynthetic {
    /// One row per task: its name, the score of the probe trained on real traces, and that of the probes trained on
    /// generated ones.
    pub(in super::super) fn table(&self) -> ReportTable {
        let wave = self.wave;
        let response = match self.absent {
            Absent::Below { uv } => format!("wave {wave} of {uv} µV or more, AUC"),
            Absent::NoiseAlone => "response or noise alone, AUC".into(),
        };
        let tasks = [
            (response, "response", self.response, 3),
            ("level, MAE in dB".into(), "level", self.level, 1),
            (format!("latency of wave {wave}, MAE in ms"), "latency", self.latency, 3),
        ];
        let headings = ["", "trained on real", "on generated", "SD", "rows"];
        let mut table = ReportTable::new("what probes learn", &headings).with_note(
            "probes are trained on real training rows or on generated ones, and tested on real rows of others",
        );
        for (what, name, task, decimals) in tasks {
            let Some(Task { rows, real, synthetic, synthetic_sd }) = task else { continue };
            let at = |part: &str| format!("/train_on_synthetic/{name}/{part}");
            let cells = [
                TableCell::interval(real, decimals, &at("real")),
                TableCell::interval(synthetic, decimals, &at("synthetic")),
                TableCell::number(synthetic_sd, decimals, &at("synthetic_sd")),
                TableCell::count(rows, &at("rows")),
            ];
            table.push(what, cells);
        }
        table
    }
}
