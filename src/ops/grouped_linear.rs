//! `y_g = x_g W_g^T + b_g`: several `Linear`s side by side, each from its own columns of x to its own columns of y. The output layers
//! of all FiLM MLPs of a step are one such op.
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
use crate::kernels::{
    gemm::{gemm, gemm_bias, gemm_by_depth},
    reduce::column_sums,
};
use crate::pass::{Operand, Pass, Passes, Targets};
use crate::tensor::{Gradient, Real, Shape, View, ViewMut};
use ndarray::s;
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub struct GroupedLinear {
    /// The outputs of each group: O_1, O_2, …
    pub widths: Arc<[usize]>,
}

impl GroupedLinear {
    /// Where the columns of each group begin, and where the last ends; and how many groups and tiles there are.
    fn rest(&self, pass: Pass, column_tiles: usize) -> Pass {
        let ends = self.widths.iter().scan(0, |end, width| {
            *end += *width as u32;
            Some(*end)
        });
        let starts = Operand::Table([0].into_iter().chain(ends).collect());
        pass.bind("starts", starts).u(self.widths.len()).u(column_tiles)
    }

    /// Each group's columns of x and of y.
    fn groups(&self, inner: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let (mut from, mut to) = (0, 0);
        self.widths.iter().map(move |width| {
            let group = (from..from + inner, to..to + width);
            (from, to) = (group.0.end, group.1.end);
            group
        })
    }
}

impl Op for GroupedLinear {
    const NAME: &'static str = "grouped_linear";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let outputs = self.widths.iter().sum();
        let fits = matches!(inputs, [x, w, b] if x[1] == self.widths.len() * w[1] && w[0] == outputs && *b == [1, outputs]);
        want(fits, Self::NAME, "x [B, G K], weight [sum of widths, K], bias [1, sum of widths]", inputs);
        [[inputs[0][0], outputs]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let [x, w, b] = inputs else { unreachable!("three inputs") };
        for (from, to) in self.groups(w.ncols()) {
            let (x, w, b) = (x.slice(s![.., from]), w.slice(s![to.clone(), ..]), b.slice(s![.., to.clone()]));
            gemm_bias(x, w.t(), b, outputs[0].slice_mut(s![.., to]));
        }
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let ([x, w, _], [dx, dw, db]) = (inputs, dinputs) else { unreachable!("three inputs") };
        for (from, to) in self.groups(w.ncols()) {
            let dy = doutput.slice(s![.., to.clone()]);
            if let Some(dx) = dx {
                gemm_by_depth(dy, w.slice(s![to.clone(), ..]), dx.beta(), dx.values.slice_mut(s![.., from.clone()]));
            }
            if let Some(dw) = dw {
                gemm(dy.t(), x.slice(s![.., from]), dw.beta(), dw.values.slice_mut(s![to, ..]));
            }
        }
        if let Some(db) = db {
            column_sums(doutput, db);
        }
    }

    fn forward_passes(&self, inputs: &[Shape], _outputs: &[Shape]) -> Passes {
        let products = Products { inputs, widths: &self.widths };
        products.forward(|pass, plan| self.rest(pass, products.column_tiles(plan)))
    }

    fn backward_passes(&self, inputs: &[Shape], _outputs: &[Shape], targets: Targets) -> Passes {
        let products = Products { inputs, widths: &self.widths };
        products.backward(targets, |pass, plan| self.rest(pass, products.column_tiles(plan)))
    }

    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case> {
        let widths: Arc<[usize]> = [columns, 2 * columns + 1, 1].into();
        let outputs = widths.iter().sum();
        let shapes = [[rows, widths.len() * inner], [outputs, inner], [1, outputs]];
        vec![Case::new("widths", GroupedLinear { widths }, shapes.map(|shape| (shape, Fill::Normal)))]
    }
}
