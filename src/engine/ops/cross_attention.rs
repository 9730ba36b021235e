//! Each row attends to its own T tokens: scaled dot-product attention in H heads with one query per row (Vaswani et al.
//! 2017, arXiv:1706.03762, section 3.2).
//!
//! | tensor | shape |
//! | --- | --- |
//! | query | `[B, D]` |
//! | key, value: T rows for each row of the query | `[B T, D]` |
//! | y | `[B, D]` |
//! | output 1, saved for backward: the weights a, head by head | `[B, H T]` |
//!
//! Each head has D / H columns of every tensor. For a row and a head with its query q, keys k and values v,
//! `a = softmax(k q / sqrt(D / H))` and `y = sum a_t v_t`.
//!
//! Gradient, with `e_t = v_t dy` and `s_t = a_t (e_t - sum a e) / sqrt(D / H)`: `dq = sum s_t k_t`, `dk_t = s_t q`,
//! `dv_t = a_t dy`.

use super::{row, slice_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::reduce::sum;
use crate::engine::kernels::split::{By, split};
use crate::engine::kernels::vectorized::vectorized;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossAttention {
    /// The number of heads, H, which divides D.
    pub heads: usize,
}

/// The sizes of one row.
#[derive(Clone, Copy)]
struct Sizes {
    tokens: usize,
    heads: usize,
    width: usize,
}

impl Sizes {
    /// The columns of a head.
    fn of_head(self, head: usize) -> Range<usize> {
        let own = self.width / self.heads;
        head * own..(head + 1) * own
    }

    /// The columns of a head in the row of a token.
    fn of_token(self, head: usize, token: usize) -> Range<usize> {
        let Range { start, end } = self.of_head(head);
        token * self.width + start..token * self.width + end
    }

    /// `1 / sqrt(D / H)`
    fn scale(self) -> f64 {
        1.0 / ((self.width / self.heads) as f64).sqrt()
    }
}

/// dq, dk and dv of one row; `None` where nobody needs it. With `true` the gradient is accumulated.
type RowGradients<'a, T> = [Option<(&'a mut [T], bool)>; 3];

vectorized! {
    /// The weights and the result of one row; `k` and `v` are the rows of its tokens.
    fn attend<T>(sizes: Sizes, q: &[T], k: &[T], v: &[T], y: &mut [T], weights: &mut [T]) {
        let scale = T::of(sizes.scale());
        for (head, weights) in weights.chunks_exact_mut(sizes.tokens).enumerate() {
            let q = &q[sizes.of_head(head)];
            for (token, weight) in weights.iter_mut().enumerate() {
                let k = &k[sizes.of_token(head, token)];
                *weight = scale * sum(q.len(), |i| q[i] * k[i]);
            }
            // whether it drops a NaN is no matter: the sum of exponentials has it too
            let largest = weights.iter().fold(weights[0], |largest, x| if *x > largest { *x } else { largest });
            weights.iter_mut().for_each(|weight| *weight = (*weight - largest).exp());
            let total = sum(weights.len(), |i| weights[i]);
            weights.iter_mut().for_each(|weight| *weight = *weight / total);
            let y = &mut y[sizes.of_head(head)];
            y.fill(T::zero());
            for (token, weight) in weights.iter().enumerate() {
                add_scaled(y, *weight, &v[sizes.of_token(head, token)], true);
            }
        }
    }

    fn backward_row<T>(sizes: Sizes, qkv: [&[T]; 3], weights: &[T], dy: &[T], gradients: RowGradients<T>) {
        let ([q, k, v], [mut dq, mut dk, mut dv]) = (qkv, gradients);
        let scale = T::of(sizes.scale());
        for (head, weights) in weights.chunks_exact(sizes.tokens).enumerate() {
            let own = sizes.of_head(head);
            let (q, dy) = (&q[own.clone()], &dy[own.clone()]);
            let of_value = |token| {
                let v = &v[sizes.of_token(head, token)];
                sum(dy.len(), |i| dy[i] * v[i])
            };
            let mean = sum(weights.len(), |token| weights[token] * of_value(token));
            for (token, weight) in weights.iter().enumerate() {
                let here = sizes.of_token(head, token);
                let of_score = *weight * (of_value(token) - mean) * scale;
                if let Some((dq, accumulate)) = &mut dq {
                    add_scaled(&mut dq[own.clone()], of_score, &k[here.clone()], *accumulate || token > 0);
                }
                if let Some((dk, accumulate)) = &mut dk {
                    add_scaled(&mut dk[here.clone()], of_score, q, *accumulate);
                }
                if let Some((dv, accumulate)) = &mut dv {
                    add_scaled(&mut dv[here], *weight, dy, *accumulate);
                }
            }
        }
    }
}

/// `out = factor a`, or `out += factor a`.
#[inline(always)]
fn add_scaled<T: Real>(out: &mut [T], factor: T, a: &[T], accumulate: bool) {
    for (out, a) in out.iter_mut().zip(a) {
        add(out, factor * *a, accumulate);
    }
}

/// A gradient with a row for each row of the query.
fn by_query<'a, T: Real>(gradient: &'a mut Option<Gradient<T>>, rows: usize) -> Option<Gradient<'a, T>> {
    gradient.as_mut().map(|Gradient { values, accumulate }| {
        let shape = (rows, values.len() / rows.max(1));
        let values = ViewMut::from_shape(shape, slice_mut(values)).expect("as many rows as the query has, or T times");
        Gradient { values, accumulate: *accumulate }
    })
}

/// One row of a gradient, and whether to accumulate it.
fn row_of<'a, T: Real>(gradient: &'a mut Option<Gradient<T>>, row: usize) -> Option<(&'a mut [T], bool)> {
    let Gradient { values, accumulate } = gradient.as_mut()?;
    let width = values.ncols();
    Some((&mut slice_mut(values)[row * width..(row + 1) * width], *accumulate))
}

impl CrossAttention {
    fn sizes(&self, query: Shape, key: Shape) -> Sizes {
        Sizes { tokens: key[0] / query[0].max(1), heads: self.heads, width: query[1] }
    }

    /// The numbers of the tokens of a row.
    fn tokens_of<'a, T: Real>(sizes: Sizes, all: &View<'a, T>, row: usize) -> &'a [T] {
        let len = sizes.tokens * sizes.width;
        &super::slice(all)[row * len..(row + 1) * len]
    }

    fn dispatch(&self, entry: &'static str, inputs: &[Shape]) -> Dispatch {
        let sizes = self.sizes(inputs[0], inputs[1]);
        let dispatch = Dispatch::over(entry, inputs[0][0] * self.heads).u("heads", self.heads);
        let dispatch = dispatch.u("tokens", sizes.tokens).u("width", sizes.width).f("scale", sizes.scale());
        let names = ["query", "key", "value"].into_iter().enumerate();
        names.fold(dispatch, |dispatch, (i, name)| dispatch.bind(name, Operand::Input(i)))
    }
}

impl Op for CrossAttention {
    const NAME: &'static str = "cross_attention";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [q, k, v] if k == v && k[1] == q[1] && k[0].is_multiple_of(q[0].max(1)));
        want(fits, Self::NAME, "query [B, D], key, value [B T, D]", inputs);
        let Sizes { tokens, heads, width } = self.sizes(inputs[0], inputs[1]);
        let divides = heads > 0 && width.is_multiple_of(heads) && width > 0 && (tokens > 0 || inputs[0][0] == 0);
        want(divides, Self::NAME, "at least one token, and heads that divide D", inputs);
        [inputs[0], [inputs[0][0], heads * tokens]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let ([q, k, v], [y, weights]) = (inputs, outputs) else { unreachable!("three inputs, two outputs") };
        let (rows, sizes) = (q.nrows(), self.sizes([q.nrows(), q.ncols()], [k.nrows(), k.ncols()]));
        let parts = (y.view_mut(), weights.view_mut());
        let cost = 2 * sizes.tokens * sizes.width;
        split(By::Rows, rows, cost, parts, &|range: Range<usize>, (mut y, mut weights): (ViewMut<T>, ViewMut<T>)| {
            for (i, b) in range.enumerate() {
                let (k, v) = (Self::tokens_of(sizes, k, b), Self::tokens_of(sizes, v, b));
                let (y, weights) = (super::row_mut(&mut y, i), super::row_mut(&mut weights, i));
                attend(sizes, row(q, b), k, v, y, weights);
            }
        });
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let ([q, k, v], [dq, dk, dv]) = (inputs, dinputs) else { unreachable!("three inputs") };
        let (rows, sizes) = (q.nrows(), self.sizes([q.nrows(), q.ncols()], [k.nrows(), k.ncols()]));
        let parts = (by_query(dq, rows), by_query(dk, rows), by_query(dv, rows));
        let cost = 4 * sizes.tokens * sizes.width;
        split(By::Rows, rows, cost, parts, &|range: Range<usize>, (mut dq, mut dk, mut dv)| {
            for (i, b) in range.enumerate() {
                let qkv = [row(q, b), Self::tokens_of(sizes, k, b), Self::tokens_of(sizes, v, b)];
                let gradients = [row_of(&mut dq, i), row_of(&mut dk, i), row_of(&mut dv, i)];
                backward_row(sizes, qkv, row(&outputs[1], b), row(&doutput, b), gradients);
            }
        });
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for CrossAttention {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/cross_attention.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = self.dispatch("forward", inputs).bind("y", Operand::Output(0));
        vec![dispatch.bind("weights", Operand::Output(1))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let dispatch = self.dispatch("backward", inputs).bind("kept_weights", Operand::Output(1));
        let dispatch = dispatch.bind("dy", Operand::DOutput);
        let names = [["dquery", "accumulate_query"], ["dkey", "accumulate_key"], ["dvalue", "accumulate_value"]];
        let gradients = names.into_iter().enumerate();
        vec![gradients.fold(dispatch, |dispatch, (i, names)| dispatch.gradient(names, i, targets, len(inputs[i])))]
    }
}

impl Cases for CrossAttention {
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<Self>> {
        let case = |name, heads, tokens, width| {
            let shapes = [[rows, width], [rows * tokens, width], [rows * tokens, width]];
            Case::new(name, CrossAttention { heads }, shapes.map(|shape| (shape, Fill::Normal)))
        };
        // a software adapter is slow, and one token has the weight 1 whatever its key is
        let (tokens, own) = (inner.clamp(2, 9), columns.min(17));
        vec![case("one_head", 1, tokens, own), case("heads", 3, tokens, 3 * own)]
    }
}
