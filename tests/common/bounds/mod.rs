//! Bounds, element by element, on the difference of an op in f32 from the same op in f64: for matrix products from the
//! lengths of their sums, for all other ops by a running error analysis of the op's formula in the order of its shader.

mod elements;
mod estimate;
mod losses;
mod norms;

use crate::ops::{backward, forward};
use abr_film::engine::ops::AnyOp;
use estimate::Estimate;
pub use estimate::U;
use ndarray::Array2;
use norms::Norm;

/// The tolerance of every element of every output, and of every gradient.
pub struct Bounds {
    pub outputs: Vec<Array2<f64>>,
    pub gradients: Vec<Array2<f64>>,
}

/// The same with their values.
struct Estimates {
    outputs: Vec<Array2<Estimate>>,
    gradients: Vec<Array2<Estimate>>,
}

type Inputs = [Array2<f64>];

/// The inputs and results of an op, in f64.
pub struct Exact<'a> {
    pub inputs: &'a Inputs,
    pub outputs: &'a Inputs,
    /// The gradient of the output.
    pub cotangent: &'a Array2<f64>,
    pub gradients: &'a Inputs,
}

fn exact(x: &Array2<f64>, i: (usize, usize)) -> Estimate {
    Estimate::exact(x[i])
}

/// One for each element of `like`.
fn over<T>(like: &Array2<T>, f: impl Fn((usize, usize)) -> Estimate) -> Array2<Estimate> {
    Array2::from_shape_fn(like.dim(), f)
}

/// The gradient of an input that has none.
fn zeros<T>(like: &Array2<T>) -> Array2<Estimate> {
    over(like, |_| Estimate::exact(0.0))
}

/// Tolerances for an op with these inputs and this cotangent.
pub fn bounds(op: &AnyOp, all: &Exact) -> Bounds {
    let Exact { inputs, outputs, cotangent, gradients } = *all;
    let dy = std::slice::from_ref(cotangent);
    let estimates = match op {
        AnyOp::Linear(_) | AnyOp::LinearRelu(_) | AnyOp::GroupedLinear(_) => return of_products(op, all),
        AnyOp::BatchNorm(op) => Norm::of_batch_norm(op, inputs, cotangent).estimates(),
        AnyOp::NormDropoutFilm(op) => Norm::of_norm_dropout_film(op, inputs, outputs, cotangent).estimates(),
        AnyOp::Mse(_) => losses::mse(inputs, dy),
        AnyOp::MaskedL1(_) => losses::masked_l1(inputs, dy),
        AnyOp::Kl(_) => losses::kl(inputs, dy),
        AnyOp::Concat(_) | AnyOp::Clamp(_) | AnyOp::ClampPosterior(_) => elements::moved(outputs, gradients),
        AnyOp::Add(_) => elements::add(inputs, dy),
        AnyOp::Mul(_) => elements::mul(inputs, dy),
        AnyOp::LeakyRelu(op) => elements::leaky_relu(op.slope, inputs, dy),
        AnyOp::Dropout(_) => elements::dropout(inputs, outputs, dy),
        AnyOp::Film(_) => elements::film(inputs, dy),
        AnyOp::SigmaVaeNll(op) => elements::sigma_vae_nll(op, inputs, dy),
        AnyOp::WeightedSum(op) => elements::weighted_sum(&op.weights, inputs, dy),
        AnyOp::Reparameterize(_) => elements::reparameterize(inputs, dy),
    };
    Bounds { outputs: tolerances(&estimates.outputs, outputs), gradients: tolerances(&estimates.gradients, gradients) }
}

/// The errors. Checks that the estimates are of these values: otherwise they are of some other formula.
fn tolerances(estimates: &[Array2<Estimate>], values: &Inputs) -> Vec<Array2<f64>> {
    assert_eq!(estimates.len(), values.len());
    for (estimates, values) in estimates.iter().zip(values) {
        assert_eq!(estimates.dim(), values.dim());
        for (estimate, value) in estimates.iter().zip(values) {
            // f64 rounds too, by 2^-29 = 2e-9 of what f32 does, and here and there in another order: some hundred times
            // that much is allowed
            let apart = (estimate.value - value).abs();
            assert!(apart <= 1e-6 * estimate.error, "the bound is for {} and not {value}", estimate.value);
        }
    }
    estimates.iter().map(|tensor| tensor.mapv(|estimate| estimate.error)).collect()
}

/// `2 K 2^-24 (|A| |B|)` for a product over K terms, with the bias as one more term.
fn of_products(op: &AnyOp, all: &Exact) -> Bounds {
    let Exact { inputs, outputs, cotangent, .. } = *all;
    let absolute: Vec<_> = inputs.iter().map(|x| x.mapv(f64::abs)).collect();
    let of_outputs =
        forward(op, &absolute).into_iter().map(|y| y * (2.0 * (inputs[1].ncols() + 1) as f64 * U)).collect();
    let zeros = inputs.iter().map(|x| Array2::zeros(x.dim())).collect();
    let of_gradients = backward(op, &absolute, outputs, &cotangent.mapv(f64::abs), zeros, true);
    let terms = [cotangent.ncols(), cotangent.nrows(), cotangent.nrows()];
    let of_gradients = of_gradients.into_iter().zip(terms).map(|(d, k)| d * (2.0 * (k + 1) as f64 * U)).collect();
    Bounds { outputs: of_outputs, gradients: of_gradients }
}
