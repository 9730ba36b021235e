//! `y = mean over rows of -1/2 sum(1 + logvar - mu^2 - exp(logvar))`: the divergence of `N(mu, exp(logvar))` from `N(0, 1)`,
//! in nats (Kingma and Welling 2014, arXiv:1312.6114, appendix B).
//!
//! | tensor | shape |
//! | --- | --- |
//! | mu, logvar | `[B, Z]` |
//! | y | `[1, 1]` |
//!
//! Gradient: `dmu = mu dy / B`, `dlogvar = (exp(logvar) - 1) dy / (2 B)`.

use super::{Case, Fill, Op, Shapes, accumulate, slice, want};
use crate::kernels::reduce::sum;
use crate::tensor::{Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kl;

impl Op for Kl {
    const NAME: &'static str = "kl";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [mu, logvar] if mu == logvar), Self::NAME, "mu, logvar [B, Z]", inputs);
        [[1, 1]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (mu, logvar, rows) = (slice(&inputs[0]), slice(&inputs[1]), inputs[0].nrows());
        let total = sum(mu.len(), |i| mu[i] * mu[i] + logvar[i].exp() - logvar[i] - T::one());
        outputs[0][[0, 0]] = T::of(0.5) * total / T::of(rows as f64);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<ViewMut<T>>],
    ) {
        let (mu, logvar) = (slice(&inputs[0]), slice(&inputs[1]));
        let factor = doutput[[0, 0]] / T::of(inputs[0].nrows() as f64);
        accumulate(&mut dinputs[0], |i| factor * mu[i]);
        accumulate(&mut dinputs[1], |i| factor * T::of(0.5) * (logvar[i].exp() - T::one()));
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        vec![Case::new("normal", Kl, [([rows, columns], Fill::Normal); 2])]
    }
}
