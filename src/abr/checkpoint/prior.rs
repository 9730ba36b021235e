//! Stores the prior of a model (see [`AggregatedPosterior`]) as tensors next to its weights.

use super::StoredTensor;
use crate::config::{Config, Prior};
use crate::model::AggregatedPosterior;
use ndarray::Array2;

/// More than any training produces: a file with larger values is corrupted.
const MOST: f32 = 10.0;

/// The variation of generated subjects and the size of their residual, as tensors.
pub fn spread_tensors(variation: f32, residual_share: f32) -> [StoredTensor; 2] {
    let tensor =
        |name: &str, value| StoredTensor { name: format!("prior.{name}"), shape: vec![1], values: vec![value] };
    [tensor("variation", variation), tensor("residual_share", residual_share)]
}

/// The tensors of an [`AggregatedPosterior`] except its spread: encoded conditions `[N, S]`, posteriors `[N, Z]` and
/// the subject of each row, counted from 0.
pub fn prior_tensors(
    condition: Array2<f32>,
    mu: Array2<f32>,
    logvar: Array2<f32>,
    subject: Vec<u32>,
) -> [StoredTensor; 4] {
    let tensor = |name: &str, shape: &[usize], values: Vec<f32>| StoredTensor {
        name: format!("prior.{name}"),
        shape: shape.to_vec(),
        values,
    };
    let matrix = |name: &str, values: Array2<f32>| tensor(name, values.shape(), values.iter().copied().collect());
    [
        matrix("condition", condition),
        matrix("mu", mu),
        matrix("logvar", logvar),
        tensor("subject", &[subject.len()], subject.iter().map(|subject| *subject as f32).collect()),
    ]
}

/// The prior of a model with this configuration; or the name of a tensor that is missing or does not fit.
pub(super) fn find(config: &Config, tensors: &[StoredTensor]) -> Result<Option<AggregatedPosterior>, &'static str> {
    if config.model.prior != Prior::Aggregated {
        return Ok(None);
    }
    let matrix = |name: &'static str, width: usize| {
        let (shape, values) = StoredTensor::find(tensors, name).ok_or(name)?;
        let finite = values.iter().all(|value| value.is_finite());
        let fits = finite && shape.len() == 2 && shape[0] > 0 && shape[1] == width;
        let matrix = Array2::from_shape_vec((shape[0], width), values.to_vec());
        matrix.ok().filter(|_| fits).ok_or(name)
    };
    let latent = config.model.latent_dim;
    let condition = matrix("prior.condition", config.model.static_dim)?;
    let (mu, logvar) = (matrix("prior.mu", latent)?, matrix("prior.logvar", latent)?);
    let rows = condition.nrows();
    for (name, found) in [("prior.mu", &mu), ("prior.logvar", &logvar)] {
        if found.nrows() != rows {
            return Err(name);
        }
    }
    // a prior that predates subjects: each row counts as a subject
    let subject = match StoredTensor::find(tensors, "prior.subject") {
        Some((_, values)) if values.len() == rows && values.iter().all(|v| (0.0..rows as f32).contains(v)) => {
            values.iter().map(|subject| *subject as u32).collect()
        }
        Some(_) => return Err("prior.subject"),
        None => (0..rows as u32).collect(),
    };
    let mut prior = AggregatedPosterior::new(condition, mu, logvar, subject);
    let number = |name: &'static str| match StoredTensor::find(tensors, name) {
        Some((_, &[value])) if (0.0..=MOST).contains(&value) => Ok(value),
        Some(_) => Err(name),
        None => Ok(0.0),
    };
    prior.variation = number("prior.variation")?;
    prior.residual_share = number("prior.residual_share")?;
    Ok(Some(prior))
}
