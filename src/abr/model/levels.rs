//! The levels of encoder, decoder and heads: layers whose ops are fused.

use crate::engine::nn::layers::{BatchNormLayer, DropoutLayer, ForwardContext, Layer, LinearInit, LinearLayer, Mode};
use crate::engine::nn::params::Parameters;
use crate::engine::ops::{LinearRelu, NormDropoutFilm};
use crate::engine::tape::Var;
use crate::error::Result;

/// Linear, ReLU, Dropout: three indices of a PyTorch `Sequential`.
#[derive(Debug)]
pub struct ReluLayer {
    linear: LinearLayer,
    dropout: DropoutLayer,
}

impl ReluLayer {
    /// The number of indices that it takes in a `Sequential`.
    pub const INDICES: usize = 3;

    /// Declares the parameters under `scope`; `first_index` is the index of the Linear.
    pub fn new(
        parameters: &mut Parameters,
        (scope, first_index): (&str, usize),
        [inputs, outputs]: [usize; 2],
        p: f64,
        init: LinearInit,
    ) -> Self {
        let linear = LinearLayer::new(parameters, &format!("{scope}.{first_index}"), inputs, outputs, init);
        ReluLayer { linear, dropout: DropoutLayer::new(parameters, p) }
    }
}

impl Layer for ReluLayer {
    fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        let dropout = self.dropout.op(context.mode);
        self.linear.apply(context, LinearRelu { dropout }, x)
    }
}

/// Linear, LeakyReLU, BatchNorm, Dropout: four indices of a PyTorch `Sequential`; then FiLM if there is a
/// modulation.
#[derive(Debug)]
pub struct NormLayer {
    linear: LinearLayer,
    slope: f64,
    norm: BatchNormLayer,
    dropout: DropoutLayer,
}

/// The FiLM modulation of a layer: its gamma and beta in `values`, and its strength in each row.
#[derive(Debug, Clone, Copy)]
pub struct Modulation {
    /// `[B, M]`
    pub values: Var,
    /// `[B, 1]`
    pub strength: Var,
    /// The first column of gamma. The columns of beta follow those of gamma.
    pub first: usize,
}

impl NormLayer {
    /// The number of indices that it takes in a `Sequential`.
    pub const INDICES: usize = 4;

    /// Declares the parameters under `scope`; `first_index` is the index of the Linear.
    pub fn new(
        parameters: &mut Parameters,
        (scope, first_index): (&str, usize),
        [inputs, outputs]: [usize; 2],
        slope: f64,
        p: f64,
    ) -> Self {
        let name = |index| format!("{scope}.{index}");
        NormLayer {
            linear: LinearLayer::new(parameters, &name(first_index), inputs, outputs, LinearInit::Default),
            slope,
            norm: BatchNormLayer::new(parameters, &name(first_index + 2), outputs),
            dropout: DropoutLayer::new(parameters, p),
        }
    }

    /// `[B, inputs]` to `[B, outputs]`. In training it updates the running statistics.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    ///
    /// # Panics
    /// When a shape does not fit, in training if B is 1, or when `film` has fewer than `2 * outputs` columns from its
    /// first one on.
    pub fn forward(&self, context: &mut ForwardContext, x: Var, film: Option<Modulation>) -> Result<Var> {
        let x = self.linear.forward(context, x)?;
        let [weight, bias, mean, variance] = self.norm.inputs(context.parameters);
        let op = NormDropoutFilm {
            slope: self.slope,
            training: context.mode != Mode::Eval,
            dropout: self.dropout.op(context.mode),
            film: film.map(|film| film.first),
        };
        let outputs = match film {
            Some(film) => context.tape.apply_all(op, &[x, weight, bias, mean, variance, film.values, film.strength])?,
            None => context.tape.apply_all(op, &[x, weight, bias, mean, variance])?,
        };
        self.norm.update_running(context, [outputs[3], outputs[4]]);
        Ok(outputs[0])
    }
}
