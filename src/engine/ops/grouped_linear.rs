//! `y_g = x_g W_g^T + b_g`: several `Linear`s in one op, each from its own columns of x to its own columns of y. The
//! output layers of all FiLM generators are one such op.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x: K columns per group | `[B, G K]` |
//! | W (weight): the groups' weights, stacked | `[O_1 + … + O_G, K]` |
//! | b (bias) | `[1, O_1 + … + O_G]` |
//! | y: the groups' columns in order | `[B, O_1 + … + O_G]` |
//!
//! Gradient: for each group that of [`linear`](super::linear).

use super::linear::Products;
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets};
use crate::engine::kernels::{
    gemm::{gemm, gemm_bias, gemm_split_k},
    reduce::column_sums,
    split::Splittable,
};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};
use ndarray::{Axis, s};
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub struct GroupedLinear {
    /// The number of outputs of each group, O_1, O_2, …; at least one group.
    pub widths: Arc<[usize]>,
}

impl GroupedLinear {
    /// Binds the first column of each group and the end of the last, and sets the numbers of groups and tiles.
    fn bind_groups(&self, dispatch: Dispatch, column_tiles: usize) -> Dispatch {
        let ends = self.widths.iter().scan(0, |end, width| {
            *end += *width as u32;
            Some(*end)
        });
        let starts = Operand::Table([0].into_iter().chain(ends).collect());
        dispatch.bind("starts", starts).u("group_count", self.widths.len()).u("column_tiles", column_tiles)
    }

    /// All groups, for products of this size.
    fn groups(&self, rows: usize, inner: usize) -> Groups<'_> {
        Groups { widths: &self.widths, first: 0, to: 0, rows, inner }
    }
}

/// The multiply-adds that are worth a task.
const GRAIN: usize = 1 << 17;

/// A range of the groups: the number of outputs of each, the number of the first group, and its first column of y.
#[derive(Clone, Copy)]
struct Groups<'a> {
    widths: &'a [usize],
    first: usize,
    to: usize,
    rows: usize,
    inner: usize,
}

impl Groups<'_> {
    /// Calls `work` in parallel with each group's columns of x, its columns of y, and its part of the tensors to write.
    /// `cut` splits these tensors after a number of columns of x and of y.
    fn each<P: Send>(
        self,
        parts: P,
        cut: &(impl Fn(P, [usize; 2]) -> (P, P) + Sync),
        work: &(impl Fn(Range<usize>, Range<usize>, P) + Sync),
    ) {
        let Groups { widths, first, to, rows, inner } = self;
        if let [width] = widths {
            return work(first * inner..(first + 1) * inner, to..to + width, parts);
        }
        let total: usize = widths.iter().sum();
        // two halves with about the same number of outputs
        let (mut count, mut outputs) = (1, widths[0]);
        while count + 1 < widths.len() && 2 * outputs + widths[count] <= total {
            (count, outputs) = (count + 1, outputs + widths[count]);
        }
        let (here, behind) = cut(parts, [count * inner, outputs]);
        let before = Groups { widths: &widths[..count], ..self };
        let after = Groups { widths: &widths[count..], first: first + count, to: to + outputs, ..self };
        let (one, other) = (|| before.each(here, cut, work), || after.each(behind, cut, work));
        if rows * inner * total <= GRAIN {
            one();
            other();
        } else {
            rayon::join(one, other);
        }
    }
}

/// dx and dW.
type GroupGradients<'a, T> = (Option<Gradient<'a, T>>, Option<Gradient<'a, T>>);

fn cut<'a, T: Real>(
    (dx, dw): GroupGradients<'a, T>,
    [inner, outputs]: [usize; 2],
) -> (GroupGradients<'a, T>, GroupGradients<'a, T>) {
    let ((dx0, dx1), (dw0, dw1)) = (dx.split(Axis(1), inner), dw.split(Axis(0), outputs));
    ((dx0, dw0), (dx1, dw1))
}

impl Op for GroupedLinear {
    const NAME: &'static str = "grouped_linear";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let outputs = self.widths.iter().sum();
        let fits =
            matches!(inputs, [x, w, b] if x[1] == self.widths.len() * w[1] && w[0] == outputs && *b == [1, outputs]);
        want(
            fits && !self.widths.is_empty(),
            Self::NAME,
            "at least one group, and x [B, G K], weight [sum of widths, K], bias [1, sum of widths]",
            inputs,
        );
        [[inputs[0][0], outputs]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let ([x, w, b], y) = (inputs, outputs[0].view_mut()) else { unreachable!("three inputs") };
        self.groups(x.nrows(), w.ncols()).each(y, &|y, [_, outputs]| y.split_at(Axis(1), outputs), &|from, to, y| {
            let (x, w, b) = (x.slice(s![.., from]), w.slice(s![to.clone(), ..]), b.slice(s![.., to]));
            gemm_bias(x, w.t(), b, y);
        });
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let ([x, w, _], [dx, dw, db]) = (inputs, dinputs) else { unreachable!("three inputs") };
        let parts = (dx.as_mut().map(Gradient::view_mut), dw.as_mut().map(Gradient::view_mut));
        self.groups(x.nrows(), w.ncols()).each(parts, &cut, &|from, to, (dx, dw)| {
            let dy = doutput.slice(s![.., to.clone()]);
            if let Some(dx) = dx {
                gemm_split_k(dy, w.slice(s![to, ..]), dx.beta(), dx.values);
            }
            if let Some(dw) = dw {
                gemm(dy.t(), x.slice(s![.., from]), dw.beta(), dw.values);
            }
        });
        if let Some(db) = db {
            column_sums(doutput, db);
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for GroupedLinear {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/grouped_linear.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], tiling: &dyn TileChooser) -> Dispatches {
        let products = Products { inputs, widths: &self.widths };
        products.forward(tiling, |dispatch, plan| self.bind_groups(dispatch, products.column_tiles(plan)))
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        tiling: &dyn TileChooser,
    ) -> Dispatches {
        let products = Products { inputs, widths: &self.widths };
        products.backward(targets, tiling, |dispatch, plan| self.bind_groups(dispatch, products.column_tiles(plan)))
    }
}

impl Cases for GroupedLinear {
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<Self>> {
        let widths: Arc<[usize]> = [columns, 2 * columns + 1, 1].into();
        let outputs = widths.iter().sum();
        let shapes = [[rows, widths.len() * inner], [outputs, inner], [1, outputs]];
        vec![Case::new("widths", GroupedLinear { widths }, shapes.map(|shape| (shape, Fill::Normal)))]
    }
}
