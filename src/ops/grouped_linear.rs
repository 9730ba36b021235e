//! `y_g = x_g W_g^T + b_g`: several `Linear`s side by side, each from its own columns of x to its own columns of y. The
//! output layers of all FiLM MLPs of a step are one such op.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x: K columns a group | `[B, G K]` |
//! | W (weight): the groups' rows under each other | `[O_1 + … + O_G, K]` |
//! | b (bias) | `[1, O_1 + … + O_G]` |
//! | y: the groups side by side | `[B, O_1 + … + O_G]` |
//!
//! Gradient: each group's is that of [`linear`](super::linear).

use super::linear::Products;
use super::{Case, Fill, Op, Shapes, want};
use crate::dispatch::product::Tiling;
use crate::dispatch::{Dispatch, Dispatches, Operand, Targets};
use crate::kernels::{
    gemm::{gemm, gemm_bias, gemm_split_k},
    reduce::column_sums,
    split::Splittable,
};
use crate::tensor::{Gradient, Real, Shape, View, ViewMut};
use ndarray::{Axis, s};
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub struct GroupedLinear {
    /// The outputs of each group: O_1, O_2, …; there is one at least.
    pub widths: Arc<[usize]>,
}

impl GroupedLinear {
    /// Where the columns of each group begin, and where the last ends; and how many groups and tiles there are.
    fn rest(&self, dispatch: Dispatch, column_tiles: usize) -> Dispatch {
        let ends = self.widths.iter().scan(0, |end, width| {
            *end += *width as u32;
            Some(*end)
        });
        let starts = Operand::Table([0].into_iter().chain(ends).collect());
        dispatch.bind("starts", starts).u("group_count", self.widths.len()).u("column_tiles", column_tiles)
    }

    /// All groups, of products of this size.
    fn groups(&self, rows: usize, inner: usize) -> Groups<'_> {
        Groups { widths: &self.widths, first: 0, to: 0, rows, inner }
    }
}

/// Multiply-adds worth a task of their own.
const GRAIN: usize = 1 << 17;

/// Some of the groups: the outputs of each, the first one's number, where its columns of y begin.
#[derive(Clone, Copy)]
struct Groups<'a> {
    widths: &'a [usize],
    first: usize,
    to: usize,
    rows: usize,
    inner: usize,
}

impl Groups<'_> {
    /// Calls `work` with each group's columns of x, those of y, and its part of what is written, in parallel. `cut`
    /// divides what is written behind so many columns of x and of y.
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
        // halves of about as many outputs
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

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], tiling: &dyn Tiling) -> Dispatches {
        let products = Products { inputs, widths: &self.widths };
        products.forward(tiling, |dispatch, plan| self.rest(dispatch, products.column_tiles(plan)))
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        tiling: &dyn Tiling,
    ) -> Dispatches {
        let products = Products { inputs, widths: &self.widths };
        products.backward(targets, tiling, |dispatch, plan| self.rest(dispatch, products.column_tiles(plan)))
    }

    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case> {
        let widths: Arc<[usize]> = [columns, 2 * columns + 1, 1].into();
        let outputs = widths.iter().sum();
        let shapes = [[rows, widths.len() * inner], [outputs, inner], [1, outputs]];
        vec![Case::new("widths", GroupedLinear { widths }, shapes.map(|shape| (shape, Fill::Normal)))]
    }
}
