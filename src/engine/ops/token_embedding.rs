//! `y[b T + t] = x[b, t] weight[t] + name[t]`: a token for each value of a row, from the value and from what it is the
//! value of, for [`cross_attention`](super::cross_attention). Gorishniy et al. 2021 (arXiv:2106.11959, section 3.3)
//! embed numerical features in this way.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x: T values a row | `[B, T]` |
//! | weight, name: D numbers for each value | `[T, D]` |
//! | y: the tokens, those of the first row first | `[B T, D]` |
//!
//! Gradient: `dx[b, t] = weight[t] dy[b T + t]`, and summed over b `dweight[t] = x[b, t] dy[b T + t]`, `dname[t] = dy[b
//! T + t]`.

use super::{row, row_mut, slice, slice_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::reduce::sum;
use crate::engine::kernels::split::{By, split};
use crate::engine::kernels::vectorized::vectorized;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenEmbedding;

vectorized! {
    fn embed<T>(y: &mut [T], x: T, weight: &[T], name: &[T]) {
        for ((y, weight), name) in y.iter_mut().zip(weight).zip(name) {
            *y = x * *weight + *name;
        }
    }

    fn dot<T>(out: &mut T, a: &[T], b: &[T], accumulate: bool) {
        add(out, sum(a.len(), |i| a[i] * b[i]), accumulate);
    }

    /// `out += factor a`, or with `accumulate` off `out = factor a`.
    fn add_scaled<T>(out: &mut [T], factor: T, a: &[T], accumulate: bool) {
        for (out, a) in out.iter_mut().zip(a) {
            add(out, factor * *a, accumulate);
        }
    }
}

/// For each value t: `out[t] = sum over b of factor(b, t) dy[b T + t]`, rows in order.
fn over_rows<T: Real>(out: &mut Option<Gradient<T>>, dy: View<T>, factor: impl Fn(usize, usize) -> T + Sync) {
    let Some(Gradient { values, accumulate }) = out else { return };
    let (tokens, width) = values.dim();
    let rows = dy.nrows() / tokens.max(1);
    split(By::Rows, tokens, rows * width, values.view_mut(), &|range: Range<usize>, mut out: ViewMut<T>| {
        for (i, t) in range.enumerate() {
            let out = row_mut(&mut out, i);
            if !*accumulate {
                out.fill(T::zero());
            }
            for b in 0..rows {
                add_scaled(out, factor(b, t), row(&dy, b * tokens + t), true);
            }
        }
    });
}

impl Op for TokenEmbedding {
    const NAME: &'static str = "token_embedding";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x, weight, name] if x[1] == weight[0] && weight == name);
        want(fits, Self::NAME, "x [B, T], weight, name [T, D]", inputs);
        [[inputs[0][0] * inputs[0][1], inputs[1][1]]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let [x, weight, name] = inputs else { unreachable!("three inputs") };
        let ((all, width), tokens, x) = (outputs[0].dim(), x.ncols(), slice(x));
        split(By::Rows, all, width, outputs[0].view_mut(), &|range: Range<usize>, mut y: ViewMut<T>| {
            for (i, at) in range.enumerate() {
                embed(row_mut(&mut y, i), x[at], row(weight, at % tokens), row(name, at % tokens));
            }
        });
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let ([x, weight, _], [dx, dweight, dname]) = (inputs, dinputs) else { unreachable!("three inputs") };
        if let Some(Gradient { values, accumulate }) = dx {
            let (rows, tokens) = values.dim();
            let cost = tokens * weight.ncols();
            split(By::Rows, rows, cost, values.view_mut(), &|range: Range<usize>, mut dx: ViewMut<T>| {
                for (dx, at) in slice_mut(&mut dx).iter_mut().zip(range.start * tokens..) {
                    dot(dx, row(weight, at % tokens), row(&doutput, at), *accumulate);
                }
            });
        }
        over_rows(dweight, doutput, |b, t| row(x, b)[t]);
        over_rows(dname, doutput, |_, _| T::one());
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for TokenEmbedding {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/token_embedding.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = Dispatch::over("forward", len(outputs[0])).u("tokens", inputs[0][1]).u("width", inputs[1][1]);
        let names = ["x", "weight", "name"].into_iter().enumerate();
        let dispatch = names.fold(dispatch, |dispatch, (i, name)| dispatch.bind(name, Operand::Input(i)));
        vec![dispatch.bind("y", Operand::Output(0))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let [[rows, tokens], [_, width]] = [inputs[0], inputs[1]];
        let dispatch = |entry, count| {
            let dispatch = Dispatch::over(entry, count).u("tokens", tokens).u("width", width);
            dispatch.bind("dy", Operand::DOutput)
        };
        let of_x = targets[0].is_some().then(|| {
            let dispatch = dispatch("backward", rows * tokens).bind("weight", Operand::Input(1));
            dispatch.gradient(["dx", "accumulate_x"], 0, targets, rows * tokens)
        });
        let of_parameters = targets[1..].iter().any(Option::is_some).then(|| {
            let count = tokens * width;
            let dispatch = dispatch("backward_parameters", count).u("rows", rows).bind("x", Operand::Input(0));
            let dispatch = dispatch.gradient(["dweight", "accumulate_weight"], 1, targets, count);
            dispatch.gradient(["dname", "accumulate_name"], 2, targets, count)
        });
        of_x.into_iter().chain(of_parameters).collect()
    }
}

impl Cases for TokenEmbedding {
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<Self>> {
        let parameters = ([inner, columns], Fill::Normal);
        vec![Case::new("values", TokenEmbedding, [([rows, inner], Fill::Normal), parameters, parameters])]
    }
}
