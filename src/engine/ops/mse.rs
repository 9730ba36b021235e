//! `y = mean((x - target)^2)`, PyTorch's `mse_loss`.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, target (no gradient) | `[B, N]` |
//! | y | `[1, 1]` |
//!
//! Gradient: `dx = 2 (x - target) dy / (B N)`.

use super::slice;
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len, reduction};
use crate::engine::kernels::map::accumulate;
use crate::engine::kernels::reduce::sum;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mse;

impl Op for Mse {
    const NAME: &'static str = "mse";

    fn differentiable(&self, input: usize) -> bool {
        input == 0
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [x, t] if x == t), Self::NAME, "x, target [B, N]", inputs);
        [[1, 1]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (x, target) = (slice(&inputs[0]), slice(&inputs[1]));
        let total = sum(x.len(), |i| (x[i] - target[i]) * (x[i] - target[i]));
        outputs[0][[0, 0]] = total / T::of(x.len() as f64);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let factor = T::of(2.0 / inputs[0].len() as f64) * doutput[[0, 0]];
        accumulate(&mut dinputs[0], [&inputs[0], &inputs[1]], |[x, target]| factor * (x - target));
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Mse {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/mse.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let (count, read) = (len(inputs[0]), [("x", Operand::Input(0)), ("labels", Operand::Input(1))]);
        reduction(count, &read, Operand::Output(0), |d| d.f("scale", 1.0 / count as f64))
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let count = len(inputs[0]);
        let dispatch = Dispatch::over("backward", count).bind("x", Operand::Input(0)).bind("labels", Operand::Input(1));
        let dispatch = dispatch.bind("dy", Operand::DOutput).f("scale", 2.0 / count as f64);
        vec![dispatch.gradient(["dx", "accumulate"], 0, targets, count)]
    }
}

impl Cases for Mse {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        vec![Case::new("mean", Mse, [([rows, columns], Fill::Normal); 2])]
    }
}
