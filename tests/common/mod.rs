//! What the test binaries share: inputs for the cases of the op table, and running an op on them.

use abr_film::ops::{AnyOp, Case, Fill};
use abr_film::rng::{Purpose, Stream};
use abr_film::tensor::Real;
use ndarray::Array2;

/// Values drawn as a case asks for them; `layer` separates inputs.
pub fn draw<T: Real>([rows, columns]: [usize; 2], fill: Fill, layer: u32) -> Array2<T> {
    let mut draws = Stream::new(1, Purpose::Test, layer).draws(0);
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

/// The inputs of a case.
pub fn inputs<T: Real>(case: &Case) -> Vec<Array2<T>> {
    case.inputs.iter().enumerate().map(|(i, &(shape, fill))| draw(shape, fill, i as u32)).collect()
}

/// All outputs, from buffers filled with NaN: forward must overwrite and never read them.
pub fn forward<T: Real>(op: &AnyOp, inputs: &[Array2<T>]) -> Vec<Array2<T>> {
    let shapes: Vec<_> = inputs.iter().map(|x| [x.nrows(), x.ncols()]).collect();
    let mut outputs: Vec<_> = op.output_shapes(&shapes).into_iter().map(|s| Array2::from_elem(s, T::nan())).collect();
    let inputs: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    op.forward(&inputs, &mut outputs.iter_mut().map(|y| y.view_mut()).collect::<Vec<_>>());
    outputs
}

/// The gradients that a backward pass *adds* to `prefilled` ones (one an input; only those of differentiable inputs are given to
/// the op).
pub fn backward<T: Real>(
    op: &AnyOp,
    inputs: &[Array2<T>],
    outputs: &[Array2<T>],
    cotangent: &Array2<T>,
    mut prefilled: Vec<Array2<T>>,
) -> Vec<Array2<T>> {
    {
        let inputs: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        let outputs: Vec<_> = outputs.iter().map(|x| x.view()).collect();
        let mut dinputs: Vec<_> =
            prefilled.iter_mut().enumerate().map(|(i, d)| op.differentiable(i).then(|| d.view_mut())).collect();
        op.backward(&inputs, &outputs, cotangent.view(), &mut dinputs);
    }
    prefilled
}
