//! `y = [clamp(mu), clamp(logvar)]` of `x = [mu, logvar]`: keeps both halves of the posterior in a range in which
//! `exp` does not overflow.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y: mu in the first Z columns, logvar in the others | `[B, 2 Z]` |
//!
//! Gradient and conventions as in [`Clamp`]: `dx = dy` where `lo < x < hi`, 0 elsewhere. A NaN stays NaN.

use super::{Clamp, row, row_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClampPosterior {
    pub mu: Clamp,
    pub logvar: Clamp,
}

impl ClampPosterior {
    /// The uniforms: the width and both ranges.
    fn uniforms(&self, dispatch: Dispatch, [_, columns]: Shape) -> Dispatch {
        let dispatch = dispatch.u("columns", columns).f("mu_lo", self.mu.lo).f("mu_hi", self.mu.hi);
        dispatch.f("logvar_lo", self.logvar.lo).f("logvar_hi", self.logvar.hi)
    }

    /// The clamp of each column of a row of `2 Z`.
    fn clamps(&self, columns: usize) -> impl Iterator<Item = Clamp> {
        let (mu, logvar) = (self.mu, self.logvar);
        (0..columns).map(move |column| if column < columns / 2 { mu } else { logvar })
    }
}

impl Op for ClampPosterior {
    const NAME: &'static str = "clamp_posterior";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [x] if x[1].is_multiple_of(2)), Self::NAME, "x [B, 2 Z]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        for b in 0..inputs[0].nrows() {
            let (x, y) = (row(&inputs[0], b), row_mut(&mut outputs[0], b));
            for ((y, x), clamp) in y.iter_mut().zip(x).zip(self.clamps(x.len())) {
                *y = clamp.value([*x]);
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
        let Some(Gradient { values: dx, accumulate }) = &mut dinputs[0] else { return };
        for b in 0..inputs[0].nrows() {
            let (x, dy) = (row(&inputs[0], b), row(&doutput, b));
            for (((dx, x), dy), clamp) in row_mut(dx, b).iter_mut().zip(x).zip(dy).zip(self.clamps(x.len())) {
                let [gradient] = clamp.gradients([*x, T::zero(), *dy]);
                add(dx, gradient, *accumulate);
            }
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for ClampPosterior {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/clamp_posterior.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch =
            Dispatch::over("forward", len(inputs[0])).bind("x", Operand::Input(0)).bind("y", Operand::Output(0));
        vec![self.uniforms(dispatch, inputs[0])]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let count = len(inputs[0]);
        let dispatch = Dispatch::over("backward", count).bind("x", Operand::Input(0)).bind("dy", Operand::DOutput);
        vec![self.uniforms(dispatch, inputs[0]).gradient(["dx", "accumulate"], 0, targets, count)]
    }
}

impl Cases for ClampPosterior {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        let (mu, logvar) = (Clamp { lo: -1.0, hi: 1.0 }, Clamp { lo: -1.0, hi: 2.0 });
        let x = ([rows, 2 * columns], Fill::Around(&[-2.0, -0.5, 0.5, 1.5, 3.0]));
        vec![Case::new("both_halves", ClampPosterior { mu, logvar }, [x])]
    }
}
