//! Errors of traces, conditioning variables and peak labels in their own units, and what the latent units carry.
//!
//! Sums run in f64, row by row. An undefined value (a correlation with a flat trace, a mean over nothing) is NaN, in
//! JSON `null`. Where means and medians leave such values out, a count says how many.

use crate::data::{Column, PEAK_COLUMNS, Values};
use ndarray::{ArrayView1, ArrayView2, Axis, Zip};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::array::from_fn;

/// A latent unit counts as active above this mean KL, in nats.
pub const ACTIVE_KL_NATS: f64 = 0.1;

/// A measure of how well a trace is estimated: `e` is the estimate, `r` the reference, both with L samples in µV.
pub struct TraceMeasure {
    /// Its key in JSON and its column in CSV.
    pub key: &'static str,
    /// Its name in text, with its unit.
    pub heading: &'static str,
    /// Width and decimals in text.
    pub format: (usize, usize),
    /// The JSON key for the number of rows where the measure is undefined (NaN); mean and median leave these rows out.
    /// `None` if the measure is always defined.
    pub rows_without: Option<&'static str>,
    of: fn(e: ArrayView1<f32>, r: ArrayView1<f32>) -> f64,
}

/// The measures of a trace, in the order in which JSON, CSV and text show them.
#[rustfmt::skip] // a line each
pub const MEASURES: [TraceMeasure; 5] = [
    // Σ(e - r)² / L
    TraceMeasure { key: "mse_uv2", heading: "MSE µV²", format: (8, 5), rows_without: None, of: mean_square },
    // Σ|e - r| / L
    TraceMeasure { key: "mae_uv", heading: "MAE µV", format: (8, 4), rows_without: None, of: mean_absolute },
    // √MSE
    TraceMeasure { key: "rmse_uv", heading: "RMSE µV", format: (8, 4), rows_without: None, of: root_mean_square },
    // Pearson's correlation of e and r over the samples; undefined where either is flat
    TraceMeasure { key: "pearson_r", heading: "r", format: (7, 3), rows_without: Some("rows_without_r"), of: pearson },
    // 1 - Σ(e - r)² / Σ(r - r̄)², r̄ the mean of this trace's samples; undefined where r is flat
    TraceMeasure { key: "r2", heading: "R²", format: (7, 3), rows_without: Some("rows_without_r2"), of: determination },
];

/// The errors of many traces.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceErrors {
    /// One per row, in the order of [`MEASURES`].
    pub traces: Vec<[f64; MEASURES.len()]>,
    /// `1 - Σ(e - r)² / Σ(r - m)²` over all rows and samples, where `m [L]` is the mean trace of the reference rows;
    /// NaN where all references are equal. It is stricter than a trace's R², whose r̄ is a single number: here, the
    /// mean response explains nothing.
    pub pooled_r2: f64,
}

/// [`TraceErrors`] in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceSummary {
    pub rows: usize,
    /// For each of [`MEASURES`].
    pub spreads: [Spread; MEASURES.len()],
    /// See [`TraceErrors::pooled_r2`].
    pub pooled_r2: f64,
    /// How many rows each of [`MEASURES`] left out.
    pub left_out: [usize; MEASURES.len()],
}

/// Mean and median over rows; NaN over none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub mean: f64,
    pub median: f64,
}

impl TraceErrors {
    /// Compares `estimate [N, L]` with `reference [N, L]`, both in µV.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn of(estimate: ArrayView2<f32>, reference: ArrayView2<f32>) -> TraceErrors {
        assert_eq!(estimate.dim(), reference.dim(), "TraceErrors: estimate and reference");
        let rows = estimate.outer_iter().zip(reference.outer_iter());
        let traces = rows.map(|(e, r)| from_fn(|i| (MEASURES[i].of)(e, r))).collect();
        let mean = mean_trace(reference);
        let pooled_r2 = explained(squared_distance(estimate, reference), squared_deviation(reference, &mean));
        TraceErrors { traces, pooled_r2 }
    }

    /// Mean and median of each measure over the rows.
    pub fn summary(&self) -> TraceSummary {
        let left_out = |i: usize, value: f64| MEASURES[i].rows_without.is_some() && value.is_nan();
        let values = |i: usize| self.traces.iter().map(move |trace| trace[i]);
        TraceSummary {
            rows: self.traces.len(),
            spreads: from_fn(|i| Spread::of(values(i).filter(|value| !left_out(i, *value)).collect())),
            pooled_r2: self.pooled_r2,
            left_out: from_fn(|i| values(i).filter(|value| left_out(i, *value)).count()),
        }
    }
}

impl Serialize for TraceSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rows", &self.rows)?;
        for (measure, spread) in MEASURES.iter().zip(&self.spreads) {
            map.serialize_entry(measure.key, spread)?;
        }
        map.serialize_entry("pooled_r2", &self.pooled_r2)?;
        for (measure, left_out) in MEASURES.iter().zip(&self.left_out) {
            if let Some(key) = measure.rows_without {
                map.serialize_entry(key, left_out)?;
            }
        }
        map.end()
    }
}

fn mean_square(e: ArrayView1<f32>, r: ArrayView1<f32>) -> f64 {
    squares(e, r) / r.len() as f64
}

fn root_mean_square(e: ArrayView1<f32>, r: ArrayView1<f32>) -> f64 {
    mean_square(e, r).sqrt()
}

fn mean_absolute(e: ArrayView1<f32>, r: ArrayView1<f32>) -> f64 {
    pairs(e, r).map(|(e, r)| (e - r).abs()).sum::<f64>() / r.len() as f64
}

fn pearson(e: ArrayView1<f32>, r: ArrayView1<f32>) -> f64 {
    codeviation(e, r) / (codeviation(e, e) * codeviation(r, r)).sqrt() // 0/0 with a flat trace
}

fn determination(e: ArrayView1<f32>, r: ArrayView1<f32>) -> f64 {
    explained(squares(e, r), codeviation(r, r))
}

/// `Σ(e - r)²`
pub(super) fn squares(e: ArrayView1<f32>, r: ArrayView1<f32>) -> f64 {
    pairs(e, r).map(|(e, r)| (e - r).powi(2)).sum()
}

/// `Σ(a - ā)(b - b̄)`
fn codeviation(a: ArrayView1<f32>, b: ArrayView1<f32>) -> f64 {
    let (a_mean, b_mean) = (mean(a), mean(b));
    pairs(a, b).map(|(a, b)| (a - a_mean) * (b - b_mean)).sum()
}

fn pairs<'a>(a: ArrayView1<'a, f32>, b: ArrayView1<'a, f32>) -> impl Iterator<Item = (f64, f64)> {
    a.into_iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)))
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Spread {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        };
        Spread { mean, median }
    }
}

/// The share of the reference's variance about the training mean that the estimate explains: `1 - Σ(estimate -
/// reference)² / Σ(reference - train_mean)²`, pooled over the rows and samples of `[N, L]`; `train_mean [L]` is the
/// mean trace of the training rows. 1 is perfect, 0 is what the training mean alone achieves. NaN where the reference
/// equals that mean.
///
/// # Panics
/// If the shapes differ.
pub fn explained_variance(estimate: ArrayView2<f32>, reference: ArrayView2<f32>, train_mean: ArrayView1<f32>) -> f64 {
    assert_eq!(estimate.dim(), reference.dim(), "explained_variance: estimate and reference");
    assert_eq!(train_mean.len(), reference.ncols(), "explained_variance: train_mean and samples");
    let train_mean: Vec<f64> = train_mean.iter().copied().map(f64::from).collect();
    explained(squared_distance(estimate, reference), squared_deviation(reference, &train_mean))
}

/// `1 - error / total`, NaN where nothing varies.
fn explained(error: f64, total: f64) -> f64 {
    if total == 0.0 { f64::NAN } else { 1.0 - error / total }
}

fn mean(values: ArrayView1<f32>) -> f64 {
    values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64
}

fn mean_trace(rows: ArrayView2<f32>) -> Vec<f64> {
    rows.axis_iter(Axis(1)).map(mean).collect()
}

fn squared_distance(a: ArrayView2<f32>, b: ArrayView2<f32>) -> f64 {
    Zip::from(a).and(b).fold(0.0, |sum, &a, &b| sum + (f64::from(a) - f64::from(b)).powi(2))
}

fn squared_deviation(rows: ArrayView2<f32>, centre: &[f64]) -> f64 {
    let of_row = |row: ArrayView1<f32>| row.iter().zip(centre).map(|(&v, c)| (f64::from(v) - c).powi(2)).sum::<f64>();
    rows.outer_iter().map(of_row).sum()
}

/// How much information each of the Z latent units carries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatentUnits {
    /// For each unit, the mean over the rows of `-1/2 (1 + logvar - mu² - exp(logvar))`, in nats.
    pub kl_nats: Vec<f64>,
    /// For each unit, the variance of mu over the rows: the activity of Burda, Grosse and Salakhutdinov 2016
    /// (arXiv:1509.00519, 5.2).
    pub activity: Vec<f64>,
    /// Sum of `kl_nats`.
    pub total_kl_nats: f64,
    /// Units with a KL above [`ACTIVE_KL_NATS`].
    pub active_units: usize,
}

impl LatentUnits {
    /// The units in descending order of KL.
    pub fn by_kl(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.kl_nats.len()).collect();
        order.sort_by(|&a, &b| self.kl_nats[b].total_cmp(&self.kl_nats[a]));
        order
    }

    /// From the posterior of N rows, `mu [N, Z]` and `logvar [N, Z]`.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn of(mu: ArrayView2<f32>, logvar: ArrayView2<f32>) -> LatentUnits {
        assert_eq!(mu.dim(), logvar.dim(), "LatentUnits: mu and logvar");
        let n = mu.nrows() as f64;
        let kl = |mu: f64, logvar: f64| -0.5 * (1.0 + logvar - mu * mu - logvar.exp());
        let unit_kl = |(mu, logvar): (ArrayView1<f32>, ArrayView1<f32>)| {
            mu.iter().zip(logvar).map(|(&mu, &logvar)| kl(mu.into(), logvar.into())).sum::<f64>() / n
        };
        let variance = |mu: ArrayView1<f32>| {
            let centre = mean(mu);
            mu.iter().map(|&v| (f64::from(v) - centre).powi(2)).sum::<f64>() / n
        };
        let kl_nats: Vec<f64> = mu.axis_iter(Axis(1)).zip(logvar.axis_iter(Axis(1))).map(unit_kl).collect();
        LatentUnits {
            activity: mu.axis_iter(Axis(1)).map(variance).collect(),
            total_kl_nats: kl_nats.iter().sum(),
            active_units: kl_nats.iter().filter(|kl| **kl > ACTIVE_KL_NATS).count(),
            kl_nats,
        }
    }
}

/// How well the condition head predicts one conditioning variable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnErrors {
    pub name: String,
    pub rows: usize,
    #[serde(flatten)]
    pub errors: ValueErrors,
}

/// The errors of a column's predicted values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ValueErrors {
    /// In the column's own units. With p the predicted and c the true values and c̄ their mean over these rows, `bias`
    /// is the mean of `p - c` and `r2` is `1 - Σ(p - c)² / Σ(c - c̄)²`, NaN where all c are equal.
    Number { mae: f64, rmse: f64, bias: f64, r2: f64 },
    /// The share of rows whose category is predicted correctly.
    Text { accuracy: f64 },
}

impl ColumnErrors {
    /// Compares a column of the condition with its prediction, over the rows where the column has a value.
    ///
    /// # Panics
    /// If the columns differ in kind or in length.
    pub fn of(condition: &Column, predicted: &Column) -> ColumnErrors {
        let (rows, errors) = match (&condition.values, &predicted.values) {
            (Values::Number(condition), Values::Number(predicted)) => {
                assert_eq!(condition.len(), predicted.len(), "ColumnErrors: rows");
                let pairs = condition.iter().copied().zip(predicted.iter().copied());
                let (condition, predicted): (Vec<f64>, Vec<f64>) =
                    pairs.filter(|(condition, _)| !condition.is_nan()).unzip();
                (condition.len(), number_errors(&condition, &predicted))
            }
            (Values::Text(condition), Values::Text(predicted)) => {
                assert_eq!(condition.len(), predicted.len(), "ColumnErrors: rows");
                let right =
                    condition.iter().zip(predicted).filter(|(condition, predicted)| condition == predicted).count();
                (condition.len(), ValueErrors::Text { accuracy: right as f64 / condition.len() as f64 })
            }
            _ => panic!("ColumnErrors: {} is a number on one side and text on the other", condition.name),
        };
        ColumnErrors { name: condition.name.clone(), rows, errors }
    }
}

fn number_errors(condition: &[f64], predicted: &[f64]) -> ValueErrors {
    let n = condition.len() as f64;
    let errors = || condition.iter().zip(predicted).map(|(condition, predicted)| predicted - condition);
    let squares = errors().map(|e| e * e).sum::<f64>();
    let centre = condition.iter().sum::<f64>() / n;
    let total = condition.iter().map(|v| (v - centre).powi(2)).sum();
    ValueErrors::Number {
        mae: errors().map(f64::abs).sum::<f64>() / n,
        rmse: (squares / n).sqrt(),
        bias: errors().sum::<f64>() / n,
        r2: explained(squares, total),
    }
}

/// How well one of the [`PEAK_COLUMNS`] was predicted, in its own unit (ms or µV).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PeakErrors {
    /// The label's column.
    pub label: &'static str,
    /// Labelled rows.
    pub count: usize,
    pub mae: f64,
    /// Mean of `predicted - labelled`.
    pub bias: f64,
}

impl PeakErrors {
    /// One per label. `predicted [N, 6]` and `labelled [N, 6]` are in the order of [`PEAK_COLUMNS`]; NaN means
    /// unlabelled, or, in a whole predicted column, that no training row was labelled.
    ///
    /// # Panics
    /// If the shapes differ or are not `[N, 6]`.
    pub fn of(predicted: ArrayView2<f32>, labelled: ArrayView2<f32>) -> [PeakErrors; 6] {
        assert_eq!(predicted.dim(), labelled.dim(), "PeakErrors: predicted and labelled");
        assert_eq!(labelled.ncols(), PEAK_COLUMNS.len(), "PeakErrors: labels");
        from_fn(|i| {
            let pairs = predicted.column(i).into_iter().zip(labelled.column(i));
            let errors: Vec<f64> =
                pairs.filter(|(p, l)| !p.is_nan() && !l.is_nan()).map(|(&p, &l)| f64::from(p) - f64::from(l)).collect();
            let n = errors.len() as f64;
            PeakErrors {
                label: PEAK_COLUMNS[i],
                count: errors.len(),
                mae: errors.iter().map(|e| e.abs()).sum::<f64>() / n,
                bias: errors.iter().sum::<f64>() / n,
            }
        })
    }
}

#[cfg(test)]
mod tests;
