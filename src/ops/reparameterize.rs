//! `z = mu + eps * exp(logvar / 2)`: a draw from the posterior that gradients pass through (Kingma and Welling 2014,
//! arXiv:1312.6114, section 2.4).
//!
//! | tensor | shape |
//! | --- | --- |
//! | mu, logvar, z | `[B, Z]` |
//! | eps (standard normal; no gradient) | `[B, Z]` |
//!
//! Gradient: `dmu = dz`, `dlogvar = dz * eps * exp(logvar / 2) / 2`.

use super::{Case, Fill, Op, Shapes, accumulate, assign, slice, want};
use crate::tensor::{Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reparameterize;

impl Op for Reparameterize {
    const NAME: &'static str = "reparameterize";

    fn differentiable(&self, input: usize) -> bool {
        input < 2
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [mu, logvar, eps] if mu == logvar && mu == eps);
        want(fits, Self::NAME, "mu, logvar, eps [B, Z]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (mu, logvar, eps, half) = (slice(&inputs[0]), slice(&inputs[1]), slice(&inputs[2]), T::of(0.5));
        assign(&mut outputs[0], |i| mu[i] + eps[i] * (half * logvar[i]).exp());
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<ViewMut<T>>],
    ) {
        let (logvar, eps, dz, half) = (slice(&inputs[1]), slice(&inputs[2]), slice(&doutput), T::of(0.5));
        accumulate(&mut dinputs[0], |i| dz[i]);
        accumulate(&mut dinputs[1], |i| dz[i] * eps[i] * half * (half * logvar[i]).exp());
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        vec![Case::new("draw", Reparameterize, [([rows, columns], Fill::Normal); 3])]
    }
}
