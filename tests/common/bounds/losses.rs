//! Means over many elements, and their gradients with respect to single elements.

use super::{Estimate, Estimates, Inputs, exact, over, zeros};
use ndarray::Array2;

/// The additions that a term passes through in `reduction` (src/engine/dispatch.rs): those of a lane, those of the tree over
/// 256 lanes, and the same again for the partial sums of 8192 elements each.
fn additions(count: usize) -> usize {
    let of_one = |count: usize| count.div_ceil(256) + 8;
    match count.div_ceil(8192) {
        0 | 1 => of_one(count),
        parts => of_one(8192) + of_one(parts),
    }
}

fn one(value: Estimate) -> Array2<Estimate> {
    Array2::from_elem((1, 1), value)
}

/// The sum over `x` of one term per element.
fn reduced(x: &Array2<f64>, term: impl Fn((usize, usize)) -> Estimate) -> Estimate {
    Estimate::sum(over(x, term), additions(x.len()))
}

pub fn mse(inputs: &Inputs, dy: &Inputs) -> Estimates {
    let ([x, target], count) = ([&inputs[0], &inputs[1]], inputs[0].len() as f64);
    let error = |i| exact(x, i) - exact(target, i);
    let y = reduced(x, |i| error(i) * error(i)) * Estimate::rounded(1.0 / count);
    let dx = over(x, |i| Estimate::rounded(2.0 / count) * exact(&dy[0], (0, 0)) * error(i));
    Estimates { outputs: vec![one(y)], gradients: vec![dx, zeros(target)] }
}

/// The count of valid elements is a sum of ones, and exact.
pub fn masked_l1(inputs: &Inputs, dy: &Inputs) -> Estimates {
    let [x, target, mask] = [&inputs[0], &inputs[1], &inputs[2]];
    let error = |i| exact(x, i) - exact(target, i);
    let count = Estimate::exact(mask.sum().max(1.0));
    let y = reduced(x, |i| error(i).abs() * exact(mask, i)) / count;
    let sign = |i| Estimate::exact(if x[i] == target[i] { 0.0 } else { (x[i] - target[i]).signum() });
    let dx = over(x, |i| sign(i) * exact(mask, i) * exact(&dy[0], (0, 0)) / count);
    Estimates { outputs: vec![one(y)], gradients: vec![dx, zeros(target), zeros(mask)] }
}

pub fn kl(inputs: &Inputs, dy: &Inputs) -> Estimates {
    let (posterior, unit) = (&inputs[0], Estimate::exact(1.0));
    let (rows, latent) = (posterior.nrows() as f64, posterior.ncols() / 2);
    let at = |i| exact(posterior, i);
    // four terms in any order
    let term = |(row, column): (usize, usize)| {
        let (mu, logvar) = (at((row, column)), at((row, column + latent)));
        let negative = |v: Estimate| Estimate { value: -v.value, ..v };
        Estimate::sum([mu * mu, logvar.exp(), negative(logvar), negative(unit)], 3)
    };
    let terms = Array2::from_shape_fn((posterior.nrows(), latent), term);
    let count = terms.len();
    let y = Estimate::sum(terms, additions(count)) * Estimate::rounded(0.5 / rows);
    let factor = exact(&dy[0], (0, 0)) * Estimate::rounded(1.0 / rows);
    let dposterior = over(posterior, |(row, column)| {
        let v = at((row, column));
        if column < latent { factor * v } else { Estimate::exact(0.5) * factor * (v.exp() - unit) }
    });
    Estimates { outputs: vec![one(y)], gradients: vec![dposterior] }
}
