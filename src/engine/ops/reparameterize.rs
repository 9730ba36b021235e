//! `z = mu + eps * exp(logvar / 2)`: a draw from the posterior through which gradients flow (Kingma and Welling 2014,
//! arXiv:1312.6114, section 2.4).
//!
//! | tensor | shape |
//! | --- | --- |
//! | posterior: mu in the first Z columns, logvar in the others | `[B, 2 Z]` |
//! | eps (standard normal; no gradient), z | `[B, Z]` |
//!
//! Gradient: `dmu = dz`, `dlogvar = dz * eps * exp(logvar / 2) / 2`.

use super::{row, row_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reparameterize;

impl Op for Reparameterize {
    const NAME: &'static str = "reparameterize";

    fn differentiable(&self, input: usize) -> bool {
        input == 0
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [posterior, eps] if *posterior == [eps[0], 2 * eps[1]]);
        want(fits, Self::NAME, "posterior [B, 2 Z], eps [B, Z]", inputs);
        [inputs[1]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let half = T::of(0.5);
        for b in 0..inputs[1].nrows() {
            let (eps, z) = (row(&inputs[1], b), row_mut(&mut outputs[0], b));
            let (mu, logvar) = row(&inputs[0], b).split_at(eps.len());
            for (((z, mu), logvar), eps) in z.iter_mut().zip(mu).zip(logvar).zip(eps) {
                *z = *mu + *eps * (half * *logvar).exp();
            }
        }
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let Some(Gradient { values, accumulate }) = &mut dinputs[0] else { return };
        let half = T::of(0.5);
        for b in 0..inputs[1].nrows() {
            let (eps, dz) = (row(&inputs[1], b), row(&doutput, b));
            let (dmu, dlogvar) = row_mut(values, b).split_at_mut(eps.len());
            let logvar = &row(&inputs[0], b)[eps.len()..];
            dmu.iter_mut().zip(dz).for_each(|(d, dz)| add(d, *dz, *accumulate));
            for (((d, logvar), eps), dz) in dlogvar.iter_mut().zip(logvar).zip(eps).zip(dz) {
                add(d, *dz * *eps * half * (half * *logvar).exp(), *accumulate);
            }
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Reparameterize {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/reparameterize.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch =
            Dispatch::over("forward", len(inputs[1])).u("latent", inputs[1][1]).bind("posterior", Operand::Input(0));
        vec![dispatch.bind("eps", Operand::Input(1)).bind("z", Operand::Output(0))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let dispatch =
            Dispatch::over("backward", len(inputs[1])).u("latent", inputs[1][1]).bind("posterior", Operand::Input(0));
        let dispatch = dispatch.bind("eps", Operand::Input(1)).bind("dz", Operand::DOutput);
        vec![dispatch.gradient(["dposterior", "accumulate"], 0, targets, len(inputs[0]))]
    }
}

impl Cases for Reparameterize {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        vec![Case::new("draw", Reparameterize, [([rows, 2 * columns], Fill::Normal), ([rows, columns], Fill::Normal)])]
    }
}
