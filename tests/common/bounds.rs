//! How far an op in f32 may be from one in f64, from what it computes: roundings, of which each is a part [`U`] of the largest
//! term, times the terms of a sum.

use super::ops::{backward, forward};
use abr_film::ops::AnyOp;
use ndarray::Array2;

/// What an f32 is rounded by.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// Threads that share a sum.
const LANES: usize = 256;

/// The tolerance of every element of every output, and of every gradient.
pub struct Bounds {
    pub outputs: Vec<Array2<f64>>,
    pub gradients: Vec<Array2<f64>>,
}

fn largest<'a>(arrays: impl IntoIterator<Item = &'a Array2<f64>>) -> f64 {
    arrays.into_iter().flatten().fold(1.0, |m: f64, v| m.max(v.abs()))
}

/// Tolerances for an op in these inputs and this cotangent; `outputs` are those in f64.
pub fn bounds(op: &AnyOp, inputs: &[Array2<f64>], outputs: &[Array2<f64>], cotangent: &Array2<f64>) -> Bounds {
    match op {
        AnyOp::Linear(_) | AnyOp::LinearRelu(_) | AnyOp::GroupedLinear(_) => {
            of_products(op, inputs, outputs, cotangent)
        }
        AnyOp::BatchNorm(_) | AnyOp::FilmBlock(_) => of_norms(op, inputs, outputs, cotangent),
        _ => of_elements(op, inputs, outputs, cotangent),
    }
}

/// `2 K 2^-24 (|A| |B|)` for a product over K terms, here with the bias as one term more.
fn of_products(op: &AnyOp, inputs: &[Array2<f64>], outputs: &[Array2<f64>], cotangent: &Array2<f64>) -> Bounds {
    let absolute: Vec<_> = inputs.iter().map(|x| x.mapv(f64::abs)).collect();
    let of_outputs =
        forward(op, &absolute).into_iter().map(|y| y * (2.0 * (inputs[1].ncols() + 1) as f64 * U)).collect();
    let zeros = inputs.iter().map(|x| Array2::zeros(x.dim())).collect();
    let of_gradients = backward(op, &absolute, outputs, &cotangent.mapv(f64::abs), zeros, true);
    let terms = [cotangent.ncols(), cotangent.nrows(), cotangent.nrows()];
    let of_gradients = of_gradients.into_iter().zip(terms).map(|(d, k)| d * (2.0 * (k + 1) as f64 * U)).collect();
    Bounds { outputs: of_outputs, gradients: of_gradients }
}

/// Roundings of an element one after the other, where WGSL's `exp` may be off by 3 + 2 |x| units in the last place and a division
/// by 2.5; each a part of the largest product of three values.
fn of_elements(op: &AnyOp, inputs: &[Array2<f64>], outputs: &[Array2<f64>], cotangent: &Array2<f64>) -> Bounds {
    let size = largest(inputs.iter().chain([cotangent]));
    let parts = inputs[0].len().div_ceil(LANES) + 16;
    let (terms, size) = match op {
        // what is only moved, or chosen
        AnyOp::Concat(_) | AnyOp::Clamp(_) | AnyOp::Posterior(_) => (0, 0.0),
        AnyOp::Add(_) => (1, 2.0 * size),
        AnyOp::Mul(_) | AnyOp::LeakyRelu(_) | AnyOp::Dropout(_) => (3, size * size),
        AnyOp::Film(_) => (8, 2.0 * size.powi(3)),
        AnyOp::Calibrated(_) => {
            (8, outputs[0][[0, 0]].abs().max(1.0) * size * 100.0 / inputs[1][[0, 0]].clamp(1e-6, 1.0))
        }
        AnyOp::WeightedSum(_) => (8, 2.0 * size),
        AnyOp::Reparameterize(_) => (10 + 2 * size as usize, size * size * (size / 2.0).exp()),
        AnyOp::Mse(_) | AnyOp::MaskedL1(_) => (parts + 4, 2.0 * size * size),
        AnyOp::Kl(_) => (parts + 8, inputs[0].ncols() as f64 * (size * size + size.exp() + size + 1.0) * size),
        _ => unreachable!("has a bound of its own"),
    };
    let like = |x: &Array2<f64>| Array2::from_elem(x.dim(), terms as f64 * U * size);
    Bounds { outputs: outputs.iter().map(like).collect(), gradients: inputs.iter().map(like).collect() }
}

/// By columns: a mean over B rows takes B / 64 + 8 roundings of the largest value of the column, its deviation d is off by as
/// much, and what is divided by the deviation grows by it; the gradient divides once more. `gain` is that growth.
fn of_norms(op: &AnyOp, inputs: &[Array2<f64>], outputs: &[Array2<f64>], cotangent: &Array2<f64>) -> Bounds {
    let (rows, columns) = inputs[0].dim();
    let others = inputs[1..].iter().fold(1.0, |product: f64, x| product * largest([x]).min(4.0));
    let terms = rows.div_ceil(64) as f64 + 24.0;
    let (size, arriving) = (largest([&inputs[0]]), largest([cotangent]));
    let gain = |column: usize| 1.0 + outputs[2][[0, column]] * size;
    let unit = terms * U * others;
    let by_column = |dim, f: &dyn Fn(usize) -> f64| Array2::from_shape_fn(dim, |(_, column)| f(column));
    let wide = (rows, columns);
    let mut of_outputs = vec![
        by_column(wide, &|c| unit * gain(c) * gain(c)),
        by_column((1, columns), &|_| unit * size),
        // the root's derivative
        by_column((1, columns), &|c| unit * outputs[2][[0, c]] * gain(c) * gain(c)),
        by_column((1, columns), &|_| unit * size),
        by_column((1, columns), &|_| unit * size * size),
    ];
    if outputs.len() > 5 {
        // which are 0 is decided by integers; the others are one number, rounded
        of_outputs.push(outputs[5].mapv(|m| U * m));
    }
    let sums = unit * rows as f64 * arriving;
    let mut of_gradients = vec![
        by_column(wide, &|c| unit * arriving * outputs[2][[0, c]] * gain(c).powi(3)),
        by_column((1, columns), &|c| sums * gain(c) * gain(c)),
        by_column((1, columns), &|_| sums),
        by_column((1, columns), &|_| 0.0),
        by_column((1, columns), &|_| 0.0),
    ];
    if let (AnyOp::FilmBlock(op), Some(modulation)) = (op, inputs.get(5)) {
        let first = op.film.expect("a modulation");
        let own = |column: usize| column.checked_sub(first).filter(|c| *c < 2 * columns);
        of_gradients.push(by_column(modulation.dim(), &|c| {
            own(c).map_or(0.0, |c| unit * arriving * if c < columns { gain(c).powi(2) } else { 1.0 })
        }));
        of_gradients.push(Array2::zeros(inputs[6].dim()));
    }
    Bounds { outputs: of_outputs, gradients: of_gradients }
}
