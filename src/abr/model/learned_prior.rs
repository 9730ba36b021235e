//! A prior that is learned with the model: z is normal with a mean that depends on the condition.

use super::levels::ReluLayer;
use crate::config::ModelConfig;
use crate::engine::nn::layers::{ForwardContext, Layer, LinearInit, LinearLayer};
use crate::engine::nn::params::Parameters;
use crate::engine::ops::{Add, Concat, Mul};
use crate::engine::tape::Var;
use crate::error::Result;

/// Linear, ReLU and Linear from the condition to the mean of z. The variance is 1. The KL term pulls the posteriors and
/// this mean towards each other.
#[derive(Debug)]
pub struct LearnedPrior {
    hidden: ReluLayer,
    mean: LinearLayer,
    latent: usize,
    minus_ones: Vec<f32>,
    zeros: Vec<f32>,
}

impl LearnedPrior {
    /// The hidden layer has the width of the encoder's last level.
    pub fn new(c: &ModelConfig, parameters: &mut Parameters) -> Self {
        let width = c.encoder_dims.last().copied().unwrap_or(c.latent_dim);
        LearnedPrior {
            hidden: ReluLayer::new(parameters, ("prior_network", 0), [c.static_dim, width], 0.0, LinearInit::Xavier),
            mean: LinearLayer::new(parameters, "prior_network.mu_layer", width, c.latent_dim, LinearInit::Xavier),
            latent: c.latent_dim,
            minus_ones: Vec::new(),
            zeros: Vec::new(),
        }
    }

    /// Condition `[B, S]` to the mean of z `[B, Z]`.
    pub fn mean(&self, context: &mut ForwardContext, condition: Var) -> Result<Var> {
        let hidden = self.hidden.forward(context, condition)?;
        self.mean.forward(context, hidden)
    }

    /// The posterior `[B, 2 Z]` with the prior's mean subtracted from mu. Its KL from a standard normal equals the
    /// posterior's KL from the prior.
    pub fn centred_posterior(&mut self, context: &mut ForwardContext, posterior: Var, condition: Var) -> Result<Var> {
        let mean = self.mean(context, condition)?;
        let [rows, _] = context.tape.shape(posterior);
        let values = rows * self.latent;
        self.minus_ones.resize(values, -1.0);
        self.zeros.resize(values, 0.0);
        let minus_one = context.tape.input([rows, self.latent], &self.minus_ones)?;
        let zeros = context.tape.input([rows, self.latent], &self.zeros)?;
        let minus_mean = context.tape.apply(Mul, &[mean, minus_one])?;
        let change = context.tape.apply(Concat, &[minus_mean, zeros])?;
        context.tape.apply(Add, &[posterior, change])
    }
}
