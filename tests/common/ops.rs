//! Runs one op on arrays.

use abr_film::engine::op::{AnyOp, Precision};
use abr_film::engine::tensor::Gradient;
use ndarray::Array2;

/// All outputs, from buffers filled with NaN: forward must overwrite and never read them.
pub fn forward<T: Precision>(op: &AnyOp, inputs: &[Array2<T>]) -> Vec<Array2<T>> {
    let shapes: Vec<_> = inputs.iter().map(|x| [x.nrows(), x.ncols()]).collect();
    let mut outputs: Vec<_> =
        op.output_shapes(&shapes).into_iter().map(|s| Array2::from_elem(s, T::of(f64::NAN))).collect();
    let inputs: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    op.forward(&inputs, &mut outputs.iter_mut().map(|y| y.view_mut()).collect::<Vec<_>>());
    outputs
}

/// The gradients that a backward pass *adds* to `prefilled` ones (one per input; the op gets only those of
/// differentiable inputs), or with `overwrite` puts in their place.
pub fn backward<T: Precision>(
    op: &AnyOp,
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
