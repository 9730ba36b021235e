//! `y = a * b`, the element-wise product of two tensors of equal shape.
//!
//! | tensor | shape |
//! | --- | --- |
//! | a, b, y | `[B, N]` |
//!
//! Gradient: `da = b dy`, `db = a dy`.

use super::{Case, Fill, Op, Shapes, want};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::map::{accumulate, assign};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mul;

impl Op for Mul {
    const NAME: &'static str = "mul";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [a, b] if a == b), Self::NAME, "a [B, N], b [B, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        assign(&mut outputs[0], [&inputs[0], &inputs[1]], |[a, b]| a * b);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        accumulate(&mut dinputs[0], [&inputs[1], &doutput], |[b, dy]| b * dy);
        accumulate(&mut dinputs[1], [&inputs[0], &doutput], |[a, dy]| a * dy);
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch =
            Dispatch::over("forward", len(inputs[0])).bind("a", Operand::Input(0)).bind("b", Operand::Input(1));
        vec![dispatch.bind("y", Operand::Output(0))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let count = len(inputs[0]);
        let dispatch = Dispatch::over("backward", count).bind("a", Operand::Input(0)).bind("b", Operand::Input(1));
        let dispatch = dispatch.bind("dy", Operand::DOutput).gradient(["da", "accumulate_a"], 0, targets, count);
        vec![dispatch.gradient(["db", "accumulate_b"], 1, targets, count)]
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        vec![Case::new("product", Mul, [([rows, columns], Fill::Normal); 2])]
    }
}
