//! `y = min(max(x, lo), hi)`. [`clamp_posterior`](super::clamp_posterior) fuses two of them.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y | `[B, N]` |
//!
//! Gradient: `dx = dy` where `lo < x < hi`, 0 elsewhere and on the bounds, as in PyTorch 2.15. A NaN stays NaN.

use super::{Case, Fill, Op, Shapes, want};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::map::{accumulate, assign};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clamp {
    pub lo: f64,
    pub hi: f64,
}

impl Clamp {
    /// `min(max(x, lo), hi)`, by comparisons, as `min` and `max` would drop a NaN.
    #[inline(always)]
    pub(super) fn apply<T: Real>(&self, x: T) -> T {
        let (lo, hi) = (T::of(self.lo), T::of(self.hi));
        if x < lo { lo } else { if x > hi { hi } else { x } }
    }

    /// 1 within the bounds, 0 on and beyond them.
    #[inline(always)]
    pub(super) fn slope<T: Real>(&self, x: T) -> T {
        if x > T::of(self.lo) && x < T::of(self.hi) { T::one() } else { T::zero() }
    }
}

impl Op for Clamp {
    const NAME: &'static str = "clamp";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(inputs.len() == 1, Self::NAME, "x [B, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        assign(&mut outputs[0], [&inputs[0]], |[x]| self.apply(x));
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        accumulate(&mut dinputs[0], [&inputs[0], &doutput], |[x, dy]| self.slope(x) * dy);
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch =
            Dispatch::over("forward", len(inputs[0])).bind("x", Operand::Input(0)).bind("y", Operand::Output(0));
        vec![dispatch.f("lo", self.lo).f("hi", self.hi)]
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
        vec![dispatch.f("lo", self.lo).f("hi", self.hi).gradient(["dx", "accumulate"], 0, targets, count)]
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        let x = ([rows, columns], Fill::Around(&[-2.0, -0.5, 0.5, 3.0]));
        vec![Case::new("both_sides", Clamp { lo: -1.0, hi: 2.0 }, [x])]
    }
}
