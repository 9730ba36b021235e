//! How FiLM modulates the decoder's units as the level changes: gamma and beta of each block.

use super::Evaluated;
use crate::checkpoint::TrainedModel;
use crate::data::{Column, Values};
use crate::error::Result;
use crate::eval::measures::quantile;
use crate::infer::modulations;
use crate::model::Cvae;
use ndarray::{Array2, ArrayView1, Axis};
use serde::Serialize;

/// The number of values of the varied conditioning variable.
const STEPS: usize = 25;
/// Quantiles over units of gamma and beta.
const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// Gamma and beta of one FiLM block while one conditioning variable goes through its range. All others stay at their
/// median or, for text, at the most frequent value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FilmResponse {
    /// The decoder level that the block modulates, from 1.
    pub block: usize,
    pub units: usize,
    /// The varied variable: `level_db` if there is one.
    pub variable: String,
    pub values: Vec<f64>,
    pub gamma: Quantiles,
    pub beta: Quantiles,
}

/// The 5, 25, 50, 75 and 95 % quantiles over the units of a block, at each value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantiles {
    /// `[5][values]`
    pub quantiles: Vec<Vec<f64>>,
}

/// One per block; empty without FiLM, or if no variable varies.
pub(super) fn responses(trained: &TrainedModel, model: &mut Cvae, evaluated: &Evaluated) -> Result<Vec<FilmResponse>> {
    let columns: Vec<Column> = evaluated.dataset.conditions.iter().map(|c| c.select(evaluated.rows)).collect();
    let Some((varied, [low, high])) = variable(&columns) else { return Ok(Vec::new()) };
    let values: Vec<f64> = (0..STEPS).map(|i| low + (high - low) * i as f64 / (STEPS - 1) as f64).collect();
    let conditions: Vec<Column> = columns
        .iter()
        .map(|column| match column.name == columns[varied].name {
            true => Column { name: column.name.clone(), values: Values::Number(values.clone()) },
            false => typical(column),
        })
        .collect();
    let all: Vec<usize> = (0..STEPS).collect();
    let encoded = trained.scalers.encode_condition(&evaluated.dataset.source, &conditions, &all)?;
    let blocks = modulations(model, &encoded)?.into_iter().zip(1..);
    let response = |([gamma, beta], block): ([Array2<f32>; 2], usize)| FilmResponse {
        block,
        units: gamma.ncols(),
        variable: columns[varied].name.clone(),
        values: values.clone(),
        gamma: Quantiles::of(&gamma),
        beta: Quantiles::of(&beta),
    };
    Ok(blocks.map(response).collect())
}

/// The varied column and its range: the level, else the first numeric column that varies.
fn variable(columns: &[Column]) -> Option<(usize, [f64; 2])> {
    let range = |column: &Column| match &column.values {
        Values::Number(values) => {
            let finite = values.iter().copied().filter(|v| v.is_finite());
            let range = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], v| [lo.min(v), hi.max(v)]);
            (range[0] < range[1]).then_some(range)
        }
        Values::Text(_) => None,
    };
    let vary: Vec<(usize, [f64; 2])> = columns.iter().enumerate().filter_map(|(i, c)| Some((i, range(c)?))).collect();
    vary.iter().find(|(i, _)| columns[*i].name == "level_db").or(vary.first()).copied()
}

/// The median, or the most frequent text, repeated for each step.
fn typical(column: &Column) -> Column {
    let values = match &column.values {
        Values::Number(values) => {
            let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            finite.sort_by(f64::total_cmp);
            // a value that some row has: the mean of two middle values may be impossible
            Values::Number(vec![finite.get(finite.len() / 2).copied().unwrap_or(f64::NAN); STEPS])
        }
        Values::Text(values) => {
            let mut counts = std::collections::BTreeMap::new();
            values.iter().for_each(|value| *counts.entry(value).or_insert(0) += 1);
            let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(value, _)| value.clone());
            Values::Text(vec![most.unwrap_or_default(); STEPS])
        }
    };
    Column { name: column.name.clone(), values }
}

impl Quantiles {
    /// From `[values, units]`.
    fn of(modulation: &Array2<f32>) -> Quantiles {
        let sorted = |units: ArrayView1<f32>| {
            let mut units: Vec<f64> = units.iter().map(|v| f64::from(*v)).collect();
            units.sort_by(f64::total_cmp);
            units
        };
        let rows: Vec<Vec<f64>> = modulation.axis_iter(Axis(0)).map(sorted).collect();
        let at = |share: f64| rows.iter().map(|units| quantile(units, share)).collect();
        Quantiles { quantiles: QUANTILES.map(at).to_vec() }
    }
}
