//! Checks for ops, built-in or not: gradients against differences, and a device against bounds on its rounding.

mod estimate;
mod gradients;
mod parity;

pub use crate::engine::op::{Case, Cases, Fill};
pub use estimate::{Estimate, U};
pub use gradients::{PERTURBATION, TOLERANCE, gradients, gradients_of};
pub use parity::{Comparison, allocate, parity, parity_of_each_gradient};

use crate::engine::op::Op;
use crate::engine::rng::{Purpose, Stream};
use crate::engine::tensor::{Gradient, Real, Shape};
use ndarray::Array2;

/// Random values of this kind. Each `layer` gives other values.
pub fn draw<T: Real>([rows, columns]: Shape, fill: Fill, layer: u32) -> Array2<T> {
    let mut draws = Stream::new(1, Purpose::TEST, layer).rng(0);
    Array2::from_shape_simple_fn((rows, columns), || {
        T::of(match fill {
            Fill::Normal => draws.normal(),
            Fill::Uniform(lo, hi) => lo + (hi - lo) * draws.uniform(),
            Fill::Around(values) => values[draws.below(values.len() as u32) as usize] + 0.4 * (draws.uniform() - 0.5),
            Fill::Mask => f64::from(draws.below(2)),
            Fill::Value(value) => value,
        })
    })
}

/// All outputs of an op on the CPU, from buffers filled with NaN: forward must overwrite and never read them.
pub fn forward<O: Op, T: Real>(op: &O, inputs: &[Array2<T>]) -> Vec<Array2<T>> {
    let nothing = T::of(f64::NAN);
    let shapes: Vec<Shape> = inputs.iter().map(shape).collect();
    let mut outputs: Vec<_> = op.output_shapes(&shapes).into_iter().map(|s| Array2::from_elem(s, nothing)).collect();
    let inputs: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    op.forward(&inputs, &mut outputs.iter_mut().map(|y| y.view_mut()).collect::<Vec<_>>());
    outputs
}

/// The gradients that a backward pass on the CPU *adds* to `prefilled` ones (one per input; the op gets only those of
/// differentiable inputs), or with `overwrite` puts in their place.
pub fn backward<O: Op, T: Real>(
    op: &O,
    inputs: &[Array2<T>],
    outputs: &[Array2<T>],
    cotangent: &Array2<T>,
    mut prefilled: Vec<Array2<T>>,
    overwrite: bool,
) -> Vec<Array2<T>> {
    {
        let inputs: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        let outputs: Vec<_> = outputs.iter().map(|x| x.view()).collect();
        let gradients = prefilled.iter_mut().map(|d| Gradient { values: d.view_mut(), accumulate: !overwrite });
        let mut dinputs: Vec<_> = gradients.enumerate().map(|(i, d)| op.differentiable(i).then_some(d)).collect();
        op.backward(&inputs, &outputs, cotangent.view(), &mut dinputs);
    }
    prefilled
}

/// Bounds on the outputs and on the gradients in f32, for these inputs: the op's own code on [`Estimate`]s.
pub fn bounds<O: Op, T: Real>(
    op: &O,
    inputs: &[Array2<T>],
    cotangent: &Array2<T>,
) -> (Vec<Array2<Estimate>>, Vec<Array2<Estimate>>) {
    let exact = |x: &Array2<T>| x.mapv(|v| Estimate::exact(v.wide()));
    let inputs: Vec<_> = inputs.iter().map(exact).collect();
    let outputs = forward(op, &inputs);
    let zeros = inputs.iter().map(|x| Array2::zeros(x.dim())).collect();
    let gradients = backward(op, &inputs, &outputs, &exact(cotangent), zeros, true);
    (outputs, gradients)
}

fn shape<T>(x: &Array2<T>) -> Shape {
    [x.nrows(), x.ncols()]
}
