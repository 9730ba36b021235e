//! `y = x` above 0, `slope x` elsewhere: LeakyReLU, and ReLU with slope 0 (Maas et al. 2013).
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y | `[B, N]` |
//!
//! Gradient: `dx = dy` where `x > 0`, `slope dy` elsewhere; at the kink `x = 0` the slope, as in PyTorch. A NaN stays
//! NaN.

use super::{Case, Fill, Op, Shapes, want};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::map::{accumulate, assign};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeakyRelu {
    pub slope: f64,
}

impl LeakyRelu {
    /// `max(x, 0)`.
    pub const RELU: LeakyRelu = LeakyRelu { slope: 0.0 };
}

#[inline(always)]
pub(super) fn leaky_relu<T: Real>(x: T, slope: T) -> T {
    if x > T::zero() { x } else { slope * x }
}

impl Op for LeakyRelu {
    const NAME: &'static str = "leaky_relu";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(inputs.len() == 1, Self::NAME, "x [B, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let slope = T::of(self.slope);
        assign(&mut outputs[0], [&inputs[0]], |[x]| leaky_relu(x, slope));
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let slope = T::of(self.slope);
        accumulate(&mut dinputs[0], [&inputs[0], &doutput], |[x, dy]| if x > T::zero() { dy } else { slope * dy });
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch =
            Dispatch::over("forward", len(inputs[0])).bind("x", Operand::Input(0)).bind("y", Operand::Output(0));
        vec![dispatch.f("slope", self.slope)]
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
        vec![dispatch.f("slope", self.slope).gradient(["dx", "accumulate"], 0, targets, count)]
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        let x = [([rows, columns], Fill::Around(&[-1.5, -0.5, 0.5, 1.5]))];
        vec![Case::new("slope", LeakyRelu { slope: 0.2 }, x), Case::new("relu", LeakyRelu::RELU, x)]
    }
}
