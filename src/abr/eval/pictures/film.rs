//! What the decoder does with the condition: gamma, beta and gate of each FiLM block, or the attention of each level,
//! while one conditioning variable goes through its range.

use super::Evaluated;
use crate::checkpoint::TrainedModel;
use crate::data::{Column, Values};
use crate::error::Result;
use crate::eval::measures::quantile;
use crate::infer::modulations;
use crate::model::Cvae;
use ndarray::{Array1, Array2, ArrayView1, Axis};
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
    /// The varied variable.
    pub variable: String,
    pub values: Vec<f64>,
    pub gamma: Quantiles,
    pub beta: Quantiles,
    /// With `film.gate`: the gate at each value, for the mean latent of the evaluated rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Vec<f64>>,
    /// With `film.mixing`: the quantiles over the units of the weight of the modulated feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixing: Option<[f64; 5]>,
}

/// The attention of one decoder level to each value of the condition, the mean over its heads, for the mean latent of
/// the evaluated rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttentionResponse {
    /// The decoder level, from 1.
    pub level: usize,
    /// The varied variable.
    pub variable: String,
    pub values: Vec<f64>,
    /// What the tokens are the values of.
    pub tokens: Vec<String>,
    /// `[tokens][values]`
    pub weights: Vec<Vec<f64>>,
}

/// What the decoder does with the condition.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Responses {
    pub film: Vec<FilmResponse>,
    pub attention: Vec<AttentionResponse>,
}

/// For each variable, the level first: one per block or decoder level. Empty where the decoder has neither FiLM nor
/// attention, or no variable varies.
pub(super) fn responses(trained: &TrainedModel, model: &mut Cvae, evaluated: &Evaluated) -> Result<Responses> {
    let columns: Vec<Column> = evaluated.dataset.conditions.iter().map(|c| c.select(evaluated.rows)).collect();
    let mut all = Responses::default();
    for (varied, range) in variables(&columns) {
        let one = response(trained, model, evaluated, (&columns, varied), range)?;
        all.film.extend(one.film);
        all.attention.extend(one.attention);
    }
    Ok(all)
}

fn response(
    trained: &TrainedModel,
    model: &mut Cvae,
    evaluated: &Evaluated,
    (columns, varied): (&[Column], usize),
    [low, high]: [f64; 2],
) -> Result<Responses> {
    let values: Vec<f64> = (0..STEPS).map(|i| low + (high - low) * i as f64 / (STEPS - 1) as f64).collect();
    let variable = columns[varied].name.clone();
    let conditions: Vec<Column> = columns
        .iter()
        .map(|column| match column.name == variable {
            true => Column { name: column.name.clone(), values: Values::Number(values.clone()) },
            false => typical(column),
        })
        .collect();
    let all: Vec<usize> = (0..STEPS).collect();
    let encoded = trained.scalers.encode_condition(&evaluated.dataset.source, &conditions, &all)?;
    let latent = evaluated.made.mu.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(model.config.latent_dim));
    let z: Vec<f32> = (0..STEPS).flat_map(|_| latent.to_vec()).collect();
    let decisions = model.decisions(STEPS, &z, encoded.as_slice().expect("a row-major array"))?;
    let mixing = model.mixing()?;
    let gate = |block: usize| {
        let (_, gate) = decisions.iter().find(|(level, gate)| *level == block && gate.ncols() == 1)?;
        Some(gate.iter().map(|v| f64::from(*v)).collect())
    };
    let mixed = |block: usize| {
        let (_, weights) = mixing.iter().find(|(level, _)| *level == block)?;
        let sorted = sorted(ArrayView1::from(weights));
        Some(QUANTILES.map(|share| quantile(&sorted, share)))
    };
    let blocks = modulations(model, &encoded)?;
    let film: Vec<FilmResponse> = blocks
        .iter()
        .zip(1..)
        .map(|([gamma, beta], block)| FilmResponse {
            block,
            units: gamma.ncols(),
            variable: variable.clone(),
            values: values.clone(),
            gamma: Quantiles::of(gamma),
            beta: Quantiles::of(beta),
            gate: gate(block),
            mixing: mixed(block),
        })
        .collect();
    let tokens: Vec<String> = trained.scalers.input_columns().into_iter().map(String::from).collect();
    let maps = if film.is_empty() { decisions } else { Vec::new() };
    let attention = maps.into_iter().map(|(level, map)| {
        let heads = map.ncols() / tokens.len().max(1);
        let weight = |token: usize, value: usize| {
            (0..heads).map(|head| f64::from(map[[value, head * tokens.len() + token]])).sum::<f64>() / heads as f64
        };
        let of_token = |token| (0..STEPS).map(|value| weight(token, value)).collect();
        let (variable, values) = (variable.clone(), values.clone());
        AttentionResponse {
            level,
            variable,
            values,
            weights: (0..tokens.len()).map(of_token).collect(),
            tokens: tokens.clone(),
        }
    });
    let attention = attention.collect();
    Ok(Responses { film, attention })
}

/// The numeric columns that vary, with their ranges: the level first.
fn variables(columns: &[Column]) -> Vec<(usize, [f64; 2])> {
    let range = |column: &Column| match &column.values {
        Values::Number(values) => {
            let finite = values.iter().copied().filter(|v| v.is_finite());
            let range = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], v| [lo.min(v), hi.max(v)]);
            (range[0] < range[1]).then_some(range)
        }
        Values::Text(_) => None,
    };
    let mut vary: Vec<(usize, [f64; 2])> =
        columns.iter().enumerate().filter_map(|(i, c)| Some((i, range(c)?))).collect();
    vary.sort_by_key(|(i, _)| columns[*i].name != "level_db");
    vary
}

/// In ascending order.
fn sorted(values: ArrayView1<f32>) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The 5, 25, 50, 75 and 95 % quantiles over the units of a block, at each value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantiles {
    /// `[5][values]`
    pub quantiles: Vec<Vec<f64>>,
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
        let rows: Vec<Vec<f64>> = modulation.axis_iter(Axis(0)).map(sorted).collect();
        let at = |share: f64| rows.iter().map(|units| quantile(units, share)).collect();
        Quantiles { quantiles: QUANTILES.map(at).to_vec() }
    }
}
