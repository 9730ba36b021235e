//! `y = mean over rows of -1/2 sum(1 + logvar - mu^2 - exp(logvar))`: the divergence of `N(mu, exp(logvar))` from `N(0,
//! 1)`, in nats (Kingma and Welling 2014, arXiv:1312.6114, appendix B).
//!
//! | tensor | shape |
//! | --- | --- |
//! | posterior: mu in the first Z columns, logvar in the others | `[B, 2 Z]` |
//! | y | `[1, 1]` |
//!
//! Gradient: `dmu = mu dy / B`, `dlogvar = (exp(logvar) - 1) dy / (2 B)`.

use super::{row, row_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len, reduction};
use crate::engine::kernels::reduce::sum;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kl;

impl Op for Kl {
    const NAME: &'static str = "kl";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [p] if p[1].is_multiple_of(2)), Self::NAME, "posterior [B, 2 Z]", inputs);
        [[1, 1]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (rows, latent) = (inputs[0].nrows(), inputs[0].ncols() / 2);
        let of_row = |b: usize| {
            let (mu, logvar) = row(&inputs[0], b).split_at(latent);
            sum(latent, |i| mu[i] * mu[i] + logvar[i].exp() - logvar[i] - T::one())
        };
        outputs[0][[0, 0]] = T::of(0.5) * sum(rows, of_row) / T::of(rows as f64);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let Some(Gradient { values, accumulate }) = &mut dinputs[0] else { return };
        let (rows, latent, half) = (inputs[0].nrows(), inputs[0].ncols() / 2, T::of(0.5));
        let factor = doutput[[0, 0]] / T::of(rows as f64);
        for b in 0..rows {
            let (mu, logvar) = row(&inputs[0], b).split_at(latent);
            let (dmu, dlogvar) = row_mut(values, b).split_at_mut(latent);
            dmu.iter_mut().zip(mu).for_each(|(d, mu)| add(d, factor * *mu, *accumulate));
            dlogvar.iter_mut().zip(logvar).for_each(|(d, v)| add(d, factor * half * (v.exp() - T::one()), *accumulate));
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Kl {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/kl.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let [rows, latent] = [inputs[0][0], inputs[0][1] / 2];
        let uniforms = |d: Dispatch| d.u("latent", latent).f("scale", 0.5 / rows as f64);
        reduction(rows * latent, &[("posterior", Operand::Input(0))], Operand::Output(0), uniforms)
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let (count, latent) = (len(inputs[0]), inputs[0][1] / 2);
        let dispatch =
            Dispatch::over("backward", count).bind("posterior", Operand::Input(0)).bind("dy", Operand::DOutput);
        let dispatch = dispatch.u("latent", latent).f("scale", 1.0 / inputs[0][0] as f64);
        vec![dispatch.gradient(["dposterior", "accumulate"], 0, targets, count)]
    }
}

impl Cases for Kl {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        vec![Case::new("normal", Kl, [([rows, 2 * columns], Fill::Normal)])]
    }
}
