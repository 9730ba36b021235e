//! The prior of a model (see [`AggregatedPosterior`]) as tensors beside its weights.

use super::Tensor;
use crate::config::{Config, Prior};
use crate::model::AggregatedPosterior;
use ndarray::Array2;

/// The tensors of a prior, as they stand beside the weights.
pub fn prior_tensors(prior: AggregatedPosterior) -> [Tensor; 3] {
    let tensor = |name: &str, values: Array2<f32>| Tensor {
        name: format!("prior.{name}"),
        shape: values.shape().to_vec(),
        values: values.into_iter().collect(),
    };
    let (condition, mu, logvar) = prior.into_parts();
    [tensor("condition", condition), tensor("mu", mu), tensor("logvar", logvar)]
}

/// The prior that a model of this configuration has; else the name of the tensor that is missing or does not fit.
pub(super) fn find(config: &Config, tensors: &[Tensor]) -> Result<Option<AggregatedPosterior>, &'static str> {
    if config.model.prior == Prior::Standard {
        return Ok(None);
    }
    let matrix = |name: &'static str, width: usize| {
        let (shape, values) = Tensor::find(tensors, name).ok_or(name)?;
        let fits = shape.len() == 2 && shape[0] > 0 && shape[1] == width;
        let matrix = Array2::from_shape_vec((shape[0], width), values.to_vec());
        matrix.ok().filter(|_| fits).ok_or(name)
    };
    let latent = config.model.latent_dim;
    let condition = matrix("prior.condition", config.model.static_dim)?;
    let (mu, logvar) = (matrix("prior.mu", latent)?, matrix("prior.logvar", latent)?);
    let rows = condition.nrows();
    match (mu.nrows() == rows, logvar.nrows() == rows) {
        (true, true) => Ok(Some(AggregatedPosterior::new(condition, mu, logvar))),
        (false, _) => Err("prior.mu"),
        _ => Err("prior.logvar"),
    }
}
