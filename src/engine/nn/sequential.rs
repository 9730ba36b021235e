//! Layers one after the other.

use super::layers::{BatchNormLayer, DropoutLayer, ForwardContext, Layer, LayerNormLayer, LinearInit, LinearLayer};
use super::params::Parameters;
use crate::engine::op::Op;
use crate::engine::tape::Var;
use crate::error::Result;

/// Layers one after the other. Parameters are named as in PyTorch's `Sequential`: `scope.0.weight`, where 0 is the
/// layer's index. Layers without parameters count too.
///
/// ```
/// use abr_film::engine::device::Cpu;
/// use abr_film::engine::nn::layers::{ForwardContext, Layer, Mode};
/// use abr_film::engine::nn::{params::Parameters, sequential::Sequential};
/// use abr_film::engine::ops::LeakyRelu;
/// use abr_film::engine::tape::Tape;
///
/// let (mut tape, mut parameters) = (Tape::new(Box::new(Cpu::<f32>::new())), Parameters::default());
/// let mlp = Sequential::builder(&mut parameters, "mlp")
///     .linear(2, 16)
///     .op(LeakyRelu::RELU)
///     .dropout(0.1)
///     .linear(16, 1)
///     .build();
/// parameters.allocate(&mut tape, 42)?;
/// let names: Vec<&str> = parameters.iter().map(|(parameter, _)| parameter.name.as_str()).collect();
/// assert_eq!(names, ["mlp.0.weight", "mlp.0.bias", "mlp.3.weight", "mlp.3.bias"]);
///
/// let x = tape.input([4, 2], &[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0])?;
/// let mut context = ForwardContext { tape: &mut tape, parameters: &parameters, mode: Mode::Eval };
/// let y = mlp.forward(&mut context, x)?;
/// assert_eq!(tape.shape(y), [4, 1]);
/// # Ok::<(), abr_film::error::Error>(())
/// ```
pub struct Sequential {
    layers: Vec<Box<dyn Layer>>,
}

impl Sequential {
    /// Begins with no layer. Layers declare their parameters under `scope`.
    pub fn builder<'a>(parameters: &'a mut Parameters, scope: &'a str) -> SequentialBuilder<'a> {
        SequentialBuilder { parameters, scope, layers: Vec::new() }
    }
}

impl Layer for Sequential {
    fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        self.layers.iter().try_fold(x, |x, layer| layer.forward(context, x))
    }
}

/// Declares the layers of a [`Sequential`], the first one first.
pub struct SequentialBuilder<'a> {
    parameters: &'a mut Parameters,
    scope: &'a str,
    layers: Vec<Box<dyn Layer>>,
}

impl SequentialBuilder<'_> {
    /// Adds a layer. `declare` gets the name that the names of its parameters begin with, such as `scope.0`.
    pub fn layer<L: Layer + 'static>(mut self, declare: impl FnOnce(&mut Parameters, &str) -> L) -> Self {
        let name = format!("{}.{}", self.scope, self.layers.len());
        self.layers.push(Box::new(declare(self.parameters, &name)));
        self
    }

    /// Adds an op of one input, without parameters: an activation.
    pub fn op(self, op: impl Op) -> Self {
        self.layer(|_, _| OpLayer(op))
    }

    /// Adds a [`LinearLayer`] with PyTorch's initial values: weights and biases uniform within `1 / sqrt(inputs)`.
    pub fn linear(self, inputs: usize, outputs: usize) -> Self {
        self.layer(|parameters, name| LinearLayer::new(parameters, name, inputs, outputs, LinearInit::Default))
    }

    /// Adds a [`BatchNormLayer`].
    pub fn batch_norm(self, units: usize) -> Self {
        self.layer(|parameters, name| BatchNormLayer::new(parameters, name, units))
    }

    /// Adds a [`LayerNormLayer`].
    pub fn layer_norm(self, units: usize) -> Self {
        self.layer(|parameters, name| LayerNormLayer::new(parameters, name, units))
    }

    /// Adds a [`DropoutLayer`] that drops a value with probability `p`.
    pub fn dropout(self, p: f64) -> Self {
        self.layer(|parameters, _| DropoutLayer::new(parameters, p))
    }

    /// All the layers.
    pub fn build(self) -> Sequential {
        Sequential { layers: self.layers }
    }
}

/// An op as a layer.
struct OpLayer<O>(O);

impl<O: Op> Layer for OpLayer<O> {
    fn forward(&self, context: &mut ForwardContext, x: Var) -> Result<Var> {
        context.tape.apply(self.0.clone(), &[x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::device::Cpu;
    use crate::engine::nn::layers::Mode;
    use crate::engine::ops::LeakyRelu;
    use crate::engine::tape::Tape;

    #[test]
    fn training_moves_the_running_statistics_and_drops_values() {
        let (mut tape, mut parameters) = (Tape::new(Box::new(Cpu::<f32>::new())), Parameters::default());
        let layers = Sequential::builder(&mut parameters, "net").batch_norm(1).op(LeakyRelu::RELU).dropout(0.5).build();
        parameters.allocate(&mut tape, 0).expect("memory");
        let mut run = |mode| {
            tape.rewind();
            let x = tape.input([64, 1], &(0..64).map(|i| i as f32).collect::<Vec<_>>()).expect("memory");
            let mut context = ForwardContext { tape: &mut tape, parameters: &parameters, mode };
            let y = layers.forward(&mut context, x).expect("a pass");
            let y = tape.read(y).expect("values");
            let all = parameters.iter().map(|(_, var)| tape.read(var).expect("values")[0]);
            (y.iter().filter(|y| **y > 0.0).count(), all.collect::<Vec<_>>())
        };
        let initial = vec![1.0, 0.0, 0.0, 1.0];
        assert_eq!(run(Mode::Eval), (63, initial));
        // half of the values are above the mean of 31.5; more than 24 of 32 stay with probability 0.001
        let (positive, parameters) = run(Mode::Train { seed: 1, step: 0 });
        assert!((8..=24).contains(&positive), "{positive}");
        assert!((parameters[2] - 3.15).abs() < 1e-5 && parameters[3] > 30.0, "{parameters:?}");
    }

    #[test]
    fn layer_norm_begins_as_mean_0_and_variance_1() {
        let (mut tape, mut parameters) = (Tape::new(Box::new(Cpu::<f32>::new())), Parameters::default());
        let layers = Sequential::builder(&mut parameters, "net").layer_norm(4).build();
        parameters.allocate(&mut tape, 0).expect("memory");
        let names: Vec<&str> = parameters.iter().map(|(parameter, _)| parameter.name.as_str()).collect();
        assert_eq!(names, ["net.0.weight", "net.0.bias"]);
        let x = tape.input([2, 4], &[1.0, 2.0, 3.0, 4.0, -10.0, 10.0, -10.0, 10.0]).expect("memory");
        let mut context = ForwardContext { tape: &mut tape, parameters: &parameters, mode: Mode::Eval };
        let y = layers.forward(&mut context, x).expect("a pass");
        let y = tape.read(y).expect("values");
        let deviation = 1.25_f32.sqrt();
        let wanted = [-1.5, -0.5, 0.5, 1.5].map(|v| v / deviation).into_iter().chain([-1.0, 1.0, -1.0, 1.0]);
        for (y, wanted) in y.iter().zip(wanted) {
            assert!((y - wanted).abs() < 1e-5, "{y}, not {wanted}");
        }
    }
}
