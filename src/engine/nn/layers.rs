//! Layers: parameters with the ops that use them. [`Sequential`](super::sequential::Sequential) composes them.

use super::init::Init;
use super::params::{ParameterId, Parameters};
use crate::engine::op::Op;
use crate::engine::ops;
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

impl<'a> ForwardContext<'a> {
    /// The context of one forward pass.
    pub fn new(tape: &'a mut Tape, parameters: &'a Parameters, mode: Mode) -> Self {
        ForwardContext { tape, parameters, mode }
    }
}

/// A part of a model with one input and one output.
pub trait Layer: Send + Sync {
    /// Applies the layer's ops to `x`.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    ///
    /// # Panics
    /// When the columns of `x` are not the layer's inputs.
    fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var>;
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

    /// As [`LinearLayer::new`], with a bias that stays 0: a buffer, not a parameter.
    pub fn without_bias(parameters: &mut Parameters, name: &str, inputs: usize, outputs: usize) -> Self {
        let init = Init::Linear { fan_in: inputs };
        let weight = parameters.declare(format!("{name}.weight"), &[outputs, inputs], true, init);
        let bias = parameters.declare(format!("{name}.bias"), &[outputs], false, Init::Constant(0.0));
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

    /// As [`Layer::forward`], with an op that fuses `Linear` with other ops.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    ///
    /// # Panics
    /// As [`Layer::forward`].
    pub fn apply(&self, context: &mut ForwardContext, op: impl Op, x: Var) -> Result<Var> {
        let inputs = [x, context.parameters.var(self.weight), context.parameters.var(self.bias)];
        context.tape.apply(op, &inputs)
    }
}

impl Layer for LinearLayer {
    /// `[B, inputs]` to `[B, outputs]`.
    fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        self.apply(context, ops::Linear, x)
    }
}

/// PyTorch's `BatchNorm1d`: `[B, units]` to the same shape.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormLayer {
    pub weight: ParameterId,
    pub bias: ParameterId,
    pub running_mean: ParameterId,
    pub running_var: ParameterId,
}

impl BatchNormLayer {
    /// Declares `name.weight`, `name.bias`, `name.running_mean` and `name.running_var`.
    pub fn new(parameters: &mut Parameters, name: &str, units: usize) -> Self {
        let mut declare = |part, requires_grad, value| {
            parameters.declare(format!("{name}.{part}"), &[units], requires_grad, Init::Constant(value))
        };
        BatchNormLayer {
            weight: declare("weight", true, 1.0),
            bias: declare("bias", true, 0.0),
            running_mean: declare("running_mean", false, 0.0),
            running_var: declare("running_var", false, 1.0),
        }
    }

    /// The inputs of its op after x: weight, bias, running mean and running variance.
    pub fn inputs(&self, parameters: &Parameters) -> [Var; 4] {
        [self.weight, self.bias, self.running_mean, self.running_var].map(|id| parameters.var(id))
    }

    /// In training, overwrites the running statistics with the new mean and variance, which the op returns.
    pub fn update_running(&self, context: &mut ForwardContext, [mean, variance]: [Var; 2]) {
        if context.mode != Mode::Eval {
            context.tape.copy(mean, context.parameters.var(self.running_mean));
            context.tape.copy(variance, context.parameters.var(self.running_var));
        }
    }
}

impl Layer for BatchNormLayer {
    /// `[B, units]` to the same shape. In training it updates the running statistics.
    ///
    /// # Panics
    /// In training, if B is 1.
    fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        let op = ops::BatchNorm { training: context.mode != Mode::Eval };
        let [weight, bias, mean, variance] = self.inputs(context.parameters);
        let outputs = context.tape.apply_all(op, &[x, weight, bias, mean, variance])?;
        self.update_running(context, [outputs[3], outputs[4]]);
        Ok(outputs[0])
    }
}

/// PyTorch's `LayerNorm` over the last axis: `[B, units]` to the same shape.
#[derive(Debug, Clone, Copy)]
pub struct LayerNormLayer {
    pub weight: ParameterId,
    pub bias: ParameterId,
}

impl LayerNormLayer {
    /// Declares `name.weight` (1) and `name.bias` (0).
    pub fn new(parameters: &mut Parameters, name: &str, units: usize) -> Self {
        let mut declare =
            |part, value| parameters.declare(format!("{name}.{part}"), &[units], true, Init::Constant(value));
        LayerNormLayer { weight: declare("weight", 1.0), bias: declare("bias", 0.0) }
    }
}

impl Layer for LayerNormLayer {
    /// `[B, units]` to the same shape.
    fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        let [weight, bias] = [self.weight, self.bias].map(|id| context.parameters.var(id));
        context.tape.apply(ops::LayerNorm::default(), &[x, weight, bias])
    }
}

/// Dropout of single values: the identity in evaluation. The random bits depend on the seed and the step of
/// [`Mode::Train`], and on the layer's number.
#[derive(Debug, Clone, Copy)]
pub struct DropoutLayer {
    p: f64,
    /// Its number among the dropout layers of the model.
    layer: u32,
}

impl DropoutLayer {
    /// `p`: the probability of dropping a value, below 1.
    pub fn new(parameters: &mut Parameters, p: f64) -> Self {
        DropoutLayer { p, layer: parameters.next_dropout() }
    }

    /// The op of this step; `None` in evaluation, or if p is 0.
    pub fn op(&self, mode: Mode) -> Option<ops::Dropout> {
        let Mode::Train { seed, step } = mode else { return None };
        let stream = Stream::new(seed, Purpose::DROPOUT, self.layer).at(step);
        (self.p > 0.0).then_some(ops::Dropout { p: self.p, stream })
    }
}

impl Layer for DropoutLayer {
    fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        match self.op(context.mode) {
            Some(op) => context.tape.apply(op, &[x]),
            None => Ok(x),
        }
    }
}
