//! Element-wise ops, and ops on single numbers.

use super::{Estimate, Estimates, Inputs, exact, over, zeros};
use abr_film::engine::ops::SigmaVaeNll;
use ndarray::Array2;

/// Numbers that are only moved or selected keep their bits.
pub fn moved(outputs: &Inputs, gradients: &Inputs) -> Estimates {
    let all = |arrays: &Inputs| arrays.iter().map(|x| x.mapv(Estimate::exact)).collect();
    Estimates { outputs: all(outputs), gradients: all(gradients) }
}

pub fn add(inputs: &Inputs, dy: &Inputs) -> Estimates {
    let y = over(&inputs[0], |i| exact(&inputs[0], i) + exact(&inputs[1], i));
    let copy = || over(&inputs[0], |i| exact(&dy[0], i));
    Estimates { outputs: vec![y], gradients: vec![copy(), copy()] }
}

pub fn mul(inputs: &Inputs, dy: &Inputs) -> Estimates {
    let product = |a: usize, dy: &Inputs, b: usize| over(&inputs[0], |i| exact(&inputs[a], i) * exact(&dy[b], i));
    Estimates { outputs: vec![product(0, inputs, 1)], gradients: vec![product(1, dy, 0), product(0, dy, 0)] }
}

pub fn leaky_relu(slope: f64, inputs: &Inputs, dy: &Inputs) -> Estimates {
    let slope = Estimate::rounded(slope);
    let chosen = |from: &Inputs| {
        over(&inputs[0], |i| if inputs[0][i] > 0.0 { exact(&from[0], i) } else { slope * exact(&from[0], i) })
    };
    Estimates { outputs: vec![chosen(inputs)], gradients: vec![chosen(dy)] }
}

/// The mask is 0 or one rounded number; integer comparisons choose between them.
pub fn dropout(inputs: &Inputs, outputs: &Inputs, dy: &Inputs) -> Estimates {
    let mask = outputs[1].mapv(Estimate::rounded);
    let kept = |from: &Inputs| over(&mask, |i| exact(&from[0], i) * mask[i]);
    Estimates { outputs: vec![kept(inputs), mask.clone()], gradients: vec![kept(dy)] }
}

/// `(1 - c) + c gamma`
pub fn factor(c: Estimate, gamma: Estimate) -> Estimate {
    (Estimate::exact(1.0) - c) + c * gamma
}

pub fn film(inputs: &Inputs, dy: &Inputs) -> Estimates {
    let at = |which: usize, i| exact(&inputs[which], i);
    let c = |(row, _)| exact(&inputs[3], (row, 0));
    let wide = |f: &dyn Fn((usize, usize)) -> Estimate| over(&inputs[0], f);
    let y = wide(&|i| factor(c(i), at(1, i)) * at(0, i) + c(i) * at(2, i));
    let dx = wide(&|i| factor(c(i), at(1, i)) * exact(&dy[0], i));
    let dgamma = wide(&|i| c(i) * at(0, i) * exact(&dy[0], i));
    let dbeta = wide(&|i| c(i) * exact(&dy[0], i));
    Estimates { outputs: vec![y], gradients: vec![dx, dgamma, dbeta, zeros(&inputs[3])] }
}

pub fn sigma_vae_nll(op: &SigmaVaeNll, inputs: &Inputs, dy: &Inputs) -> Estimates {
    let (m, floor) = (exact(&inputs[1], (0, 0)), Estimate::rounded(SigmaVaeNll::FLOOR));
    let factor = Estimate::rounded(0.5 * op.length as f64) / if m.value < floor.value { floor } else { m };
    let times = |x: &Inputs| over(&inputs[0], |i| exact(&x[0], i) * factor);
    Estimates { outputs: vec![times(inputs)], gradients: vec![times(dy), zeros(&inputs[1])] }
}

pub fn weighted_sum(weights: &[f64], inputs: &Inputs, dy: &Inputs) -> Estimates {
    let term = |x: &Array2<f64>, w: &f64| over(x, |i| Estimate::rounded(*w) * exact(x, i));
    let terms = inputs.iter().zip(weights).map(|(x, w)| term(x, w)[[0, 0]]);
    let y = over(&inputs[0], |_| Estimate::sum(terms.clone(), weights.len()));
    Estimates { outputs: vec![y], gradients: weights.iter().map(|w| term(&dy[0], w)).collect() }
}

pub fn reparameterize(inputs: &Inputs, dy: &Inputs) -> Estimates {
    let (eps, latent, half) = (&inputs[1], inputs[1].ncols(), Estimate::exact(0.5));
    let deviation = |(row, column)| (half * exact(&inputs[0], (row, column + latent))).exp();
    let z = over(eps, |i| exact(&inputs[0], i) + exact(eps, i) * deviation(i));
    let dposterior = over(&inputs[0], |(row, column)| match column.checked_sub(latent) {
        None => exact(&dy[0], (row, column)),
        Some(column) => exact(&dy[0], (row, column)) * exact(eps, (row, column)) * half * deviation((row, column)),
    });
    Estimates { outputs: vec![z], gradients: vec![dposterior, zeros(eps)] }
}
