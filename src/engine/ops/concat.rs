//! `y = [a, b]`: joins the columns of two tensors (PyTorch's `cat` along dimension 1).
//!
//! | tensor | shape |
//! | --- | --- |
//! | a | `[B, M]` |
//! | b | `[B, N]` |
//! | y | `[B, M + N]` |
//!
//! Gradient: `da` is the first M columns of `dy`, `db` the others.

use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use ndarray::{Axis, s};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Concat;

impl Op for Concat {
    const NAME: &'static str = "concat";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [a, b] if a[0] == b[0]), Self::NAME, "a [B, M], b [B, N]", inputs);
        [[inputs[0][0], inputs[0][1] + inputs[1][1]]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (mut a, mut b) = outputs[0].view_mut().split_at(Axis(1), inputs[0].ncols());
        a.assign(&inputs[0]);
        b.assign(&inputs[1]);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let m = inputs[0].ncols();
        for (dinput, dy) in dinputs.iter_mut().zip([doutput.slice(s![.., ..m]), doutput.slice(s![.., m..])]) {
            if let Some(dinput) = dinput {
                let accumulate = dinput.accumulate;
                dinput.values.zip_mut_with(&dy, |d, dy| add(d, *dy, accumulate));
            }
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Concat {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/concat.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch =
            Dispatch::over("forward", len(outputs[0])).bind("a", Operand::Input(0)).bind("b", Operand::Input(1));
        vec![dispatch.bind("y", Operand::Output(0)).u("width", outputs[0][1]).u("first", inputs[0][1])]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let dispatch = |i: usize| {
            let dispatch = Dispatch::over("backward", len(inputs[i])).bind("dy", Operand::DOutput);
            let first = if i == 0 { 0 } else { inputs[0][1] };
            let dispatch = dispatch.u("width", outputs[0][1]).u("first", first).u("own", inputs[i][1]);
            dispatch.gradient(["d", "accumulate"], i, targets, len(inputs[i]))
        };
        (0..2).filter(|i| targets[*i].is_some() && len(inputs[*i]) > 0).map(dispatch).collect()
    }
}

impl Cases for Concat {
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<Self>> {
        vec![Case::new("rows", Concat, [([rows, inner], Fill::Normal), ([rows, columns], Fill::Normal)])]
    }
}
