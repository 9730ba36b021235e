//! `y = sum(|x - target| mask) / max(1, sum(mask))`: mean absolute error over the valid labels, 0 when there are none.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, target (no gradient), mask (0 or 1; no gradient) | `[B, P]` |
//! | y | `[1, 1]` |
//!
//! Gradient: `dx = sign(x - target) mask dy / max(1, sum(mask))`; 0 at the kink `x = target`, as PyTorch's `l1_loss`. A
//! target under an unset mask must still be finite, for example 0: `0 * NaN` is NaN.

use super::slice;
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len, reduction};
use crate::engine::kernels::map::accumulate;
use crate::engine::kernels::reduce::sum;
use crate::engine::op::{Case, Cases, Fill, GpuOp, MAX_INPUTS, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskedL1;

fn count<T: Real>(mask: &[T]) -> T {
    let set = sum(mask.len(), |i| mask[i]);
    if set > T::one() { set } else { T::one() }
}

impl Op for MaskedL1 {
    const NAME: &'static str = "masked_l1";

    fn differentiable(&self, input: usize) -> bool {
        input == 0
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x, t, m] if x == t && x == m);
        want(fits, Self::NAME, "x, target, mask [B, P]", inputs);
        [[1, 1]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (x, target, mask) = (slice(&inputs[0]), slice(&inputs[1]), slice(&inputs[2]));
        let total = sum(x.len(), |i| (x[i] - target[i]).abs() * mask[i]);
        outputs[0][[0, 0]] = total / count(mask);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let factor = doutput[[0, 0]] / count(slice(&inputs[2]));
        accumulate(&mut dinputs[0], [&inputs[0], &inputs[1], &inputs[2]], |[x, target, mask]| {
            let error = x - target;
            let factor = mask * factor;
            if error > T::zero() { factor } else { if error < T::zero() { -factor } else { error * factor } }
        });
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for MaskedL1 {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/masked_l1.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let read = [("x", Operand::Input(0)), ("labels", Operand::Input(1)), ("valid", Operand::Input(2))];
        reduction(len(inputs[0]), &read, Operand::Output(0), |d| d)
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let count = len(inputs[0]);
        let total = || Operand::Scratch(MAX_INPUTS, 1);
        let counting =
            Dispatch::new("count", 1).bind("valid", Operand::Input(2)).bind("total", total()).u("count", count);
        let dispatch = Dispatch::over("backward", count).bind("x", Operand::Input(0)).bind("labels", Operand::Input(1));
        let dispatch = dispatch.bind("valid", Operand::Input(2)).bind("dy", Operand::DOutput).bind("total", total());
        vec![counting, dispatch.gradient(["dx", "accumulate"], 0, targets, count)]
    }
}

impl Cases for MaskedL1 {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        let (x, target) =
            (([rows, columns], Fill::Around(&[-1.0, 1.0])), ([rows, columns], Fill::Around(&[-2.0, 0.0, 2.0])));
        let with = |mask| [x, target, ([rows, columns], mask)];
        vec![
            Case::new("some_valid", MaskedL1, with(Fill::Mask)),
            Case::new("all_valid", MaskedL1, with(Fill::Value(1.0))),
            Case::new("none_valid", MaskedL1, with(Fill::Value(0.0))),
        ]
    }
}
