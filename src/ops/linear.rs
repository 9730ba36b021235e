//! `y = x W^T + b`, PyTorch's `Linear`.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x | `[B, I]` |
//! | W (weight) | `[O, I]` |
//! | b (bias) | `[1, O]` |
//! | y | `[B, O]` |
//!
//! Gradient: `dx = dy W`, `dW = dy^T x`, `db = column sums of dy`.

use super::{Case, Fill, Op, Shapes, slice_mut, want};
use crate::kernels::{
    adam::{AdamStep, adam_part},
    gemm::{gemm, gemm_alone, gemm_bias, gemm_by_depth},
    reduce::column_sums,
    split::{By, split},
};
use crate::pass::{Operand, Pass, Passes, TILE, Targets, len};
use crate::tensor::{Gradient, Real, Shape, View, ViewMut};
use ndarray::s;
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear;

/// Numbers of dW that are made before they are used: they stay in the second cache.
const PART: usize = 1 << 15;

impl Linear {
    /// dW = dy^T x, and at once W's optimiser step by it, a few rows at a time: the gradient is never written to memory. The bits are
    /// those of [`Op::backward`] into a fresh gradient, and then [`adam`](crate::kernels::adam::adam).
    ///
    /// x `[B, I]`, dy `[B, O]`; W and its moments `[O, I]`.
    pub fn step_weight<T: Real>(step: &AdamStep, x: View<T>, dy: View<T>, weights: [ViewMut<T>; 3]) {
        let [w, m, v] = weights;
        let columns = x.ncols();
        // some parts a task
        split(By::Rows, w.nrows(), (columns / 4).max(1), (w, m, v), &|range: Range<usize>, (mut w, mut m, mut v)| {
            let mut part = [T::zero(); PART];
            let tall = PART / columns.max(1);
            for start in range.clone().step_by(tall) {
                let rows = start..(start + tall).min(range.end);
                let here = (start - range.start) * columns..(rows.end - range.start) * columns;
                let dw = &mut part[..here.len()];
                let into = ViewMut::from_shape((rows.len(), columns), dw).expect("as many numbers");
                gemm_alone(dy.slice(s![.., rows]).reversed_axes(), x, T::zero(), into);
                let [w, m, v] = [&mut w, &mut m, &mut v].map(|t| &mut slice_mut(t)[here.clone()]);
                adam_part(step, 1.0, w, dw, m, v);
            }
        });
    }

    /// Whether [`Linear::step_weight`] can be used, and pays, for `x` `[B, I]`: with many rows the product takes the time, and is better made in one.
    pub fn steps([rows, columns]: Shape) -> bool {
        rows <= 128 && columns <= PART
    }
}

/// Workgroups for a product of this shape.
fn tiles([rows, columns]: Shape) -> usize {
    rows.div_ceil(TILE) * columns.div_ceil(TILE)
}

/// The numbers that the shaders of `linear` and of `grouped_linear` begin with: B, K, the width of x, the width of y.
pub(super) fn products(pass: Pass, inputs: &[Shape]) -> Pass {
    let ([rows, width], [outputs, inner]) = (inputs[0], inputs[1]);
    pass.u(rows).u(inner).u(width).u(outputs)
}

/// Both products of the backward pass in one dispatch: `of_x` workgroups of the one for dx, then those for dW and db.
pub(super) fn backward_pass(inputs: &[Shape], targets: Targets, [of_x, of_w]: [usize; 2]) -> Pass {
    let wants_x = targets[0].is_some();
    let entry = if wants_x { "backward" } else { "backward_weight" };
    let of_x = if wants_x { of_x } else { 0 };
    let pass = products(Pass::new(entry, of_x + of_w), inputs).u(of_x).bind("dy", Operand::DOutput);
    let pass = pass.bind("x", Operand::Input(0)).gradient("dw", 1, targets, len(inputs[1]));
    let pass = pass.gradient("db", 2, targets, len(inputs[2]));
    if wants_x { pass.bind("w", Operand::Input(1)).gradient("dx", 0, targets, len(inputs[0])) } else { pass.u(0) }
}

impl Op for Linear {
    const NAME: &'static str = "linear";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x, w, b] if x[1] == w[1] && *b == [1, w[0]]);
        want(fits, Self::NAME, "x [B, I], weight [O, I], bias [1, O]", inputs);
        [[inputs[0][0], inputs[1][0]]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        gemm_bias(inputs[0], inputs[1].t(), inputs[2], outputs[0].view_mut());
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let [dx, dw, db] = dinputs else { unreachable!("three inputs") };
        if let Some(dx) = dx {
            gemm_by_depth(doutput, inputs[1], dx.beta(), dx.values.view_mut());
        }
        if let Some(dw) = dw {
            gemm(doutput.t(), inputs[0], dw.beta(), dw.values.view_mut());
        }
        if let Some(db) = db {
            column_sums(doutput, db);
        }
    }

    fn forward_passes(&self, inputs: &[Shape], outputs: &[Shape]) -> Passes {
        let pass = Pass::new("forward", tiles(outputs[0])).bind("x", Operand::Input(0)).bind("w", Operand::Input(1));
        let pass = pass.bind("bias", Operand::Input(2)).bind("y", Operand::Output(0));
        vec![products(pass, inputs)]
    }

    fn backward_passes(&self, inputs: &[Shape], _outputs: &[Shape], targets: Targets) -> Passes {
        vec![backward_pass(inputs, targets, [tiles(inputs[0]), tiles(inputs[1])])]
    }

    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case> {
        let inputs = [([rows, inner], Fill::Normal), ([columns, inner], Fill::Normal), ([1, columns], Fill::Normal)];
        vec![Case::new("weight_and_bias", Linear, inputs)]
    }
}
