//! Layers: parameters with the ops that use them, under the names PyTorch's `Sequential` gives them.

use super::init::Init;
use super::params::{Id, Parameters};
use crate::error::Result;
use crate::ops;
use crate::rng::{Purpose, Stream};
use crate::tape::{Tape, Var};

/// Whether layers learn or are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout acts, batch norm uses (and gathers) the batch's statistics; `step` counts from 0 and keys the random words.
    Train { seed: u64, step: u32 },
    /// No dropout, batch norm by its running statistics.
    Eval,
}

/// What a layer needs to run.
pub struct Pass<'a> {
    pub tape: &'a mut Tape,
    pub parameters: &'a Parameters,
    pub mode: Mode,
}

/// A chain of layers, numbered as PyTorch's `Sequential` numbers them.
#[derive(Debug, Default)]
pub struct Sequential {
    scope: String,
    layers: Vec<Layer>,
}

#[derive(Debug)]
enum Layer {
    Linear { weight: Id, bias: Id },
    LeakyRelu(ops::LeakyRelu),
    BatchNorm { weight: Id, bias: Id, running_mean: Id, running_var: Id },
    Dropout { p: f64, layer: u32 },
}

/// How a `Linear` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinearInit {
    /// PyTorch's default: weight and bias uniform in ±1/sqrt(fan_in).
    Default,
    /// Xavier uniform weight, bias 0.
    Xavier,
    /// Weight 0 and this bias: the layer says the same whatever it is given.
    Constant(i8),
}

impl Sequential {
    /// An empty chain whose parameters are named `scope.<number>.…`.
    pub fn new(scope: impl Into<String>) -> Self {
        Sequential { scope: scope.into(), layers: Vec::new() }
    }

    /// Appends `Linear(inputs, outputs)`.
    pub fn linear(self, p: &mut Parameters, inputs: usize, outputs: usize, init: LinearInit) -> Self {
        let name = format!("{}.{}", self.scope, self.layers.len());
        self.named_linear(p, &name, inputs, outputs, init)
    }

    fn named_linear(mut self, p: &mut Parameters, name: &str, inputs: usize, outputs: usize, init: LinearInit) -> Self {
        let (weight, bias) = match init {
            LinearInit::Default => (Init::Linear { fan_in: inputs }, Init::Linear { fan_in: inputs }),
            LinearInit::Xavier => (Init::XavierUniform { fan_in: inputs, fan_out: outputs }, Init::Constant(0.0)),
            LinearInit::Constant(bias) => (Init::Constant(0.0), Init::Constant(f32::from(bias))),
        };
        let weight = p.declare(format!("{name}.weight"), &[outputs, inputs], true, weight);
        let bias = p.declare(format!("{name}.bias"), &[outputs], true, bias);
        self.layers.push(Layer::Linear { weight, bias });
        self
    }

    /// A single `Linear` under its own name.
    pub fn single(p: &mut Parameters, name: &str, inputs: usize, outputs: usize, init: LinearInit) -> Self {
        Sequential::new(name).named_linear(p, name, inputs, outputs, init)
    }

    /// Appends LeakyReLU.
    pub fn leaky_relu(mut self, slope: f64) -> Self {
        self.layers.push(Layer::LeakyRelu(ops::LeakyRelu { slope }));
        self
    }

    /// Appends ReLU.
    pub fn relu(mut self) -> Self {
        self.layers.push(Layer::LeakyRelu(ops::LeakyRelu::RELU));
        self
    }

    /// Appends batch norm over `width` columns.
    pub fn batch_norm(mut self, p: &mut Parameters, width: usize) -> Self {
        let name = format!("{}.{}", self.scope, self.layers.len());
        let mut declare =
            |part, learned, value| p.declare(format!("{name}.{part}"), &[width], learned, Init::Constant(value));
        let (weight, bias) = (declare("weight", true, 1.0), declare("bias", true, 0.0));
        let (running_mean, running_var) = (declare("running_mean", false, 0.0), declare("running_var", false, 1.0));
        self.layers.push(Layer::BatchNorm { weight, bias, running_mean, running_var });
        self
    }

    /// Appends dropout with probability `rate`.
    pub fn dropout(mut self, p: &mut Parameters, rate: f64) -> Self {
        self.layers.push(Layer::Dropout { p: rate, layer: p.next_dropout() });
        self
    }

    /// `[B, inputs]` to `[B, outputs]`.
    pub fn forward(&self, pass: &mut Pass, x: Var) -> Result<Var> {
        self.layers.iter().try_fold(x, |x, layer| layer.forward(pass, x))
    }
}

impl Layer {
    fn forward(&self, pass: &mut Pass, x: Var) -> Result<Var> {
        let var = |id: &Id| pass.parameters.var(*id);
        match self {
            Layer::Linear { weight, bias } => pass.tape.apply(ops::Linear, &[x, var(weight), var(bias)]),
            Layer::LeakyRelu(op) => pass.tape.apply(*op, &[x]),
            Layer::BatchNorm { weight, bias, running_mean, running_var } => {
                let (mean, variance) = (var(running_mean), var(running_var));
                let op = ops::BatchNorm { training: pass.mode != Mode::Eval };
                let outputs = pass.tape.apply_all(op, &[x, var(weight), var(bias), mean, variance])?;
                if op.training {
                    pass.tape.assign(outputs[3], mean);
                    pass.tape.assign(outputs[4], variance);
                }
                Ok(outputs[0])
            }
            Layer::Dropout { p, layer } => match pass.mode {
                Mode::Train { seed, step } if *p > 0.0 => {
                    let stream = Stream::new(seed, Purpose::Dropout, *layer).at(step);
                    pass.tape.apply(ops::Dropout { p: *p, stream }, &[x])
                }
                _ => Ok(x),
            },
        }
    }
}
