//! Layers: parameters with the ops that use them, named as in PyTorch's `Sequential`.

use super::init::Init;
use super::params::{ParameterId, Parameters};
use crate::engine::ops::{self, AnyOp};
use crate::engine::rng::{Purpose, Stream};
use crate::engine::tape::{Tape, Var};
use crate::error::Result;

/// Training or evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout is on, and batch norm uses the batch's statistics and updates the running ones. `step`, counted from 0,
    /// selects the random bits.
    Train { seed: u64, step: u32 },
    /// Dropout is off, and batch norm uses the running statistics.
    Eval,
}

/// The arguments of all forward passes of layers.
pub struct ForwardContext<'a> {
    pub tape: &'a mut Tape,
    pub parameters: &'a Parameters,
    pub mode: Mode,
}

/// The initial values of a [`LinearLayer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinearInit {
    /// PyTorch's default: weight and bias uniform in ±1/sqrt(fan_in).
    Default,
    /// Xavier uniform weight, bias 0.
    Xavier,
    /// Weight 0 and this bias: the output does not depend on the input.
    Constant(i8),
}

/// `x W^T + b`, `[B, inputs]` to `[B, outputs]`.
#[derive(Debug, Clone, Copy)]
pub struct LinearLayer {
    pub weight: ParameterId,
    pub bias: ParameterId,
}

impl LinearLayer {
    /// Declares `name.weight` and `name.bias`.
    pub fn new(parameters: &mut Parameters, name: &str, inputs: usize, outputs: usize, init: LinearInit) -> Self {
        let (weight, bias) = match init {
            LinearInit::Default => (Init::Linear { fan_in: inputs }, Init::Linear { fan_in: inputs }),
            LinearInit::Xavier => (Init::XavierUniform { fan_in: inputs, fan_out: outputs }, Init::Constant(0.0)),
            LinearInit::Constant(bias) => (Init::Constant(0.0), Init::Constant(f32::from(bias))),
        };
        let weight = parameters.declare(format!("{name}.weight"), &[outputs, inputs], true, weight);
        let bias = parameters.declare(format!("{name}.bias"), &[outputs], true, bias);
        LinearLayer { weight, bias }
    }

    /// One layer that computes several layers with the same number of inputs, their outputs one after the other. The
    /// parameters keep their names.
    ///
    /// # Panics
    /// As [`Parameters::stack`].
    pub fn stack(parameters: &mut Parameters, layers: &[LinearLayer]) -> Self {
        let weights: Vec<ParameterId> = layers.iter().map(|l| l.weight).collect();
        let biases: Vec<ParameterId> = layers.iter().map(|l| l.bias).collect();
        LinearLayer { weight: parameters.stack(&weights), bias: parameters.stack(&biases) }
    }

    /// `[B, inputs]` to `[B, outputs]`.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    ///
    /// # Panics
    /// When the columns of `x` are not the layer's inputs.
    pub fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        self.apply(context, ops::Linear, x)
    }

    /// As [`LinearLayer::forward`], with an op that fuses `Linear` with other ops.
    ///
    /// # Errors
    /// As [`LinearLayer::forward`].
    ///
    /// # Panics
    /// As [`LinearLayer::forward`].
    pub fn apply(&self, context: &mut ForwardContext, op: impl Into<AnyOp>, x: Var) -> Result<Var> {
        let inputs = [x, context.parameters.var(self.weight), context.parameters.var(self.bias)];
        context.tape.apply(op, &inputs)
    }
}

/// Dropout as a part of another layer. `layer` is its number, which selects its random bits.
#[derive(Debug, Clone, Copy)]
struct DropoutLayer {
    p: f64,
    layer: u32,
}

impl DropoutLayer {
    fn new(parameters: &mut Parameters, p: f64) -> Self {
        DropoutLayer { p, layer: parameters.next_dropout() }
    }

    /// The op of this step; `None` in evaluation, or if p is 0.
    fn op(&self, mode: Mode) -> Option<ops::Dropout> {
        let Mode::Train { seed, step } = mode else { return None };
        let stream = Stream::new(seed, Purpose::DROPOUT, self.layer).at(step);
        (self.p > 0.0).then_some(ops::Dropout { p: self.p, stream })
    }
}

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

    /// `[B, inputs]` to `[B, outputs]`.
    ///
    /// # Errors
    /// As [`LinearLayer::forward`].
    ///
    /// # Panics
    /// As [`LinearLayer::forward`].
    pub fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        let dropout = self.dropout.op(context.mode);
        self.linear.apply(context, ops::LinearRelu { dropout }, x)
    }
}

/// Linear, LeakyReLU, BatchNorm, Dropout: four indices of a PyTorch `Sequential`; then FiLM if there is a
/// modulation.
#[derive(Debug)]
pub struct NormLayer {
    linear: LinearLayer,
    slope: f64,
    weight: ParameterId,
    bias: ParameterId,
    running_mean: ParameterId,
    running_var: ParameterId,
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
        let linear =
            LinearLayer::new(parameters, &format!("{scope}.{first_index}"), inputs, outputs, LinearInit::Default);
        let mut declare = |part, requires_grad, value| {
            parameters.declare(
                format!("{scope}.{}.{part}", first_index + 2),
                &[outputs],
                requires_grad,
                Init::Constant(value),
            )
        };
        let (weight, bias) = (declare("weight", true, 1.0), declare("bias", true, 0.0));
        let (running_mean, running_var) = (declare("running_mean", false, 0.0), declare("running_var", false, 1.0));
        NormLayer { linear, slope, weight, bias, running_mean, running_var, dropout: DropoutLayer::new(parameters, p) }
    }

    /// `[B, inputs]` to `[B, outputs]`. In training it updates the running statistics.
    ///
    /// # Errors
    /// As [`LinearLayer::forward`].
    ///
    /// # Panics
    /// When a shape does not fit, in training if B is 1, or when `film` has fewer than `2 * outputs` columns from its
    /// first one on.
    pub fn forward(&self, context: &mut ForwardContext, x: Var, film: Option<Modulation>) -> Result<Var> {
        let x = self.linear.forward(context, x)?;
        let [weight, bias, mean, variance] =
            [self.weight, self.bias, self.running_mean, self.running_var].map(|id| context.parameters.var(id));
        let op = ops::NormDropoutFilm {
            slope: self.slope,
            training: context.mode != Mode::Eval,
            dropout: self.dropout.op(context.mode),
            film: film.map(|film| film.first),
        };
        let outputs = match film {
            Some(film) => context.tape.apply_all(op, &[x, weight, bias, mean, variance, film.values, film.strength])?,
            None => context.tape.apply_all(op, &[x, weight, bias, mean, variance])?,
        };
        if op.training {
            context.tape.copy(outputs[3], mean);
            context.tape.copy(outputs[4], variance);
        }
        Ok(outputs[0])
    }
}
