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

use super::slice_mut;
use crate::engine::dispatch::product::{MatrixProduct, SplitK, TileChooser, TilePlan};
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, WORKGROUP_SIZE};
use crate::engine::kernels::{
    adam::{AdamStep, adam_part},
    gemm::{gemm, gemm_bias, gemm_serial, gemm_split_k},
    reduce::column_sums,
    split::{By, split},
    workspace::with_workspace,
};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};
use ndarray::s;
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear;

/// The values of dW that `step_weight` computes at a time (at least one row), so that they stay in the L2 cache.
const PART: usize = 1 << 15;

impl Linear {
    /// Computes dW = dy^T x and W's optimizer step, a few rows at a time, so that the gradient is never written to
    /// memory. The result equals that of [`Op::backward`] and then [`adam`](crate::engine::kernels::adam::adam), bit
    /// for bit.
    ///
    /// x `[B, I]`, dy `[B, O]`; W and its moments `[O, I]`.
    ///
    /// # Panics
    /// When the shapes do not fit, or W or a moment is not contiguous.
    pub fn step_weight<T: Real>(step: &AdamStep, x: View<T>, dy: View<T>, weights: [ViewMut<T>; 3]) {
        let [w, m, v] = weights;
        let columns = x.ncols();
        let part_rows = (PART / columns.max(1)).max(1);
        // each part packs x again: a quarter of the real cost gives each task one or two parts
        split(By::Rows, w.nrows(), (columns / 4).max(1), (w, m, v), &|range: Range<usize>, (mut w, mut m, mut v)| {
            with_workspace(part_rows * columns, |part| {
                for start in range.clone().step_by(part_rows) {
                    let rows = start..(start + part_rows).min(range.end);
                    let here = (start - range.start) * columns..(rows.end - range.start) * columns;
                    let dw = &mut part[..here.len()];
                    let into = ViewMut::from_shape((rows.len(), columns), &mut *dw).expect("the shape of dw");
                    gemm_serial(dy.slice(s![.., rows]).reversed_axes(), x, T::zero(), into);
                    let [w, m, v] = [&mut w, &mut m, &mut v].map(|t| &mut slice_mut(t)[here.clone()]);
                    adam_part(step, 1.0, w, dw, m, v);
                }
            });
        });
    }

    /// Whether [`Linear::step_weight`] is faster than separate passes for `x` `[B, I]`. With many rows the product
    /// takes most of the time, and is faster in one piece.
    pub fn prefers_fused_step([rows, _]: Shape) -> bool {
        rows <= 128
    }
}

/// The scratch id of partial sums. Lower ids replace gradients that are not needed.
pub(super) const PARTIALS: usize = 8;

/// The dispatches of a `Linear`, a `LinearRelu` or a `GroupedLinear`.
pub(super) struct Products<'a> {
    /// The shapes of x, W and bias.
    pub inputs: &'a [Shape],
    /// The number of outputs of each group.
    pub widths: &'a [usize],
}

impl Products<'_> {
    /// A dispatch with the uniforms and constants that all share.
    fn dispatch(&self, entry: &'static str, plan: &TilePlan, workgroups: usize) -> Dispatch {
        let ([rows, width], [outputs, inner]) = (self.inputs[0], self.inputs[1]);
        let aligned = [inner, width].iter().chain(self.widths).all(|extent| extent.is_multiple_of(4));
        let dispatch = Dispatch::new(entry, workgroups).u("rows", rows).u("inner", inner);
        let dispatch = dispatch.u("width", width).u("outputs", outputs);
        dispatch.constant("TILE", plan.tile.side()).constant("ALIGNED", usize::from(aligned))
    }

    /// The number of column tiles of all groups.
    pub fn column_tiles(&self, plan: &TilePlan) -> usize {
        self.widths.iter().map(|width| width.div_ceil(plan.tile.side())).sum()
    }

    /// The product and, if it is split, the sum of its partial sums. `rest` adds the op's own bindings and uniforms.
    pub fn forward(&self, tiling: &dyn TileChooser, rest: impl Fn(Dispatch, &TilePlan) -> Dispatch) -> Dispatches {
        let [rows, _] = self.inputs[0];
        let [outputs, inner] = self.inputs[1];
        let plan = tiling.plan(&[MatrixProduct { rows, columns: self.widths, depth: inner }]);
        let [split, _] = plan.split_k;
        let partials = Operand::Scratch(PARTIALS, if split.splits > 1 { split.splits * rows * outputs } else { 1 });
        let dispatch = |entry, workgroups| {
            let dispatch =
                self.dispatch(entry, &plan, workgroups).u("splits", split.splits).u("split_depth", split.depth);
            let dispatch = dispatch.bind("bias", Operand::Input(2)).bind("y", Operand::Output(0));
            rest(dispatch.bind("partials", partials.clone()), &plan)
        };
        let product = dispatch("forward", split.workgroups()).bind("x", Operand::Input(0)).bind("w", Operand::Input(1));
        let join =
            (split.splits > 1).then(|| dispatch("forward_join", (rows * outputs.div_ceil(4)).div_ceil(WORKGROUP_SIZE)));
        [product].into_iter().chain(join).collect()
    }

    /// Both products of the backward pass in one dispatch and, if one is split, the sum of its partial sums. `rest`
    /// adds the op's own bindings and uniforms.
    pub fn backward(
        &self,
        targets: Targets,
        tiling: &dyn TileChooser,
        rest: impl Fn(Dispatch, &TilePlan) -> Dispatch,
    ) -> Dispatches {
        let ([rows, width], [outputs, inner]) = (self.inputs[0], self.inputs[1]);
        let groups = vec![inner; self.widths.len()];
        // dW's tiles compute db too
        let of_w = if targets[1..3].iter().any(Option::is_some) { self.widths } else { &[] };
        let of_w = MatrixProduct { rows: inner, columns: of_w, depth: rows };
        let longest = self.widths.iter().copied().max().unwrap_or(0);
        let of_x = MatrixProduct { rows, columns: if targets[0].is_some() { &groups } else { &[] }, depth: longest };
        let plan = tiling.plan(&[of_x, of_w]);
        let [x, w] = plan.split_k;
        let partial_len = |split: &SplitK, len| if split.splits > 1 { split.splits * len } else { 0 };
        let (len_x, len_w) = (rows * width, outputs * inner + outputs);
        let partials = Operand::Scratch(PARTIALS, (partial_len(&x, len_x) + partial_len(&w, len_w)).max(1));
        let dispatch = |entry, workgroups| {
            let dispatch = self.dispatch(entry, &plan, workgroups).u("splits", x.splits).u("split_depth", x.depth);
            let dispatch =
                dispatch.u("groups_of_x", x.workgroups()).u("splits_of_w", w.splits).u("split_depth_of_w", w.depth);
            // without dx no tile writes it: one number is enough to bind
            let dispatch = dispatch.gradient(["dx", "accumulate_x"], 0, targets, 1);
            let dispatch = dispatch.gradient(["dw", "accumulate_w"], 1, targets, outputs * inner);
            let dispatch =
                dispatch.gradient(["db", "accumulate_b"], 2, targets, outputs).bind("partials", partials.clone());
            rest(dispatch, &plan)
        };
        let product = dispatch("backward", x.workgroups() + w.workgroups()).bind("dy", Operand::DOutput);
        let product = product.bind("x", Operand::Input(0)).bind("w", Operand::Input(1));
        let joined =
            [(x, len_x), (w, len_w)].iter().filter(|(split, _)| split.splits > 1).map(|(_, len)| len).sum::<usize>();
        let join = (joined > 0).then(|| dispatch("backward_join", joined.div_ceil(WORKGROUP_SIZE)));
        [product].into_iter().chain(join).collect()
    }
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
            gemm_split_k(doutput, inputs[1], dx.beta(), dx.values.view_mut());
        }
        if let Some(dw) = dw {
            gemm(doutput.t(), inputs[0], dw.beta(), dw.values.view_mut());
        }
        if let Some(db) = db {
            column_sums(doutput, db);
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Linear {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/linear.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], tiling: &dyn TileChooser) -> Dispatches {
        Products { inputs, widths: &[inputs[1][0]] }.forward(tiling, |dispatch, _| dispatch)
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        tiling: &dyn TileChooser,
    ) -> Dispatches {
        Products { inputs, widths: &[inputs[1][0]] }.backward(targets, tiling, |dispatch, _| dispatch)
    }
}

impl Cases for Linear {
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<Self>> {
        let inputs = [([rows, inner], Fill::Normal), ([columns, inner], Fill::Normal), ([1, columns], Fill::Normal)];
        vec![Case::new("weight_and_bias", Linear, inputs)]
    }
}
