//! `y = (x - mean) / sqrt(var + eps) * weight + bias` for each row: PyTorch's `LayerNorm` over the last axis (Ba et al.
//! 2016, arXiv:1607.06450, equations 3 and 4). Mean and (biased) variance are those of the row.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y | `[B, N]` |
//! | weight, bias | `[1, N]` |
//! | saved: mean, 1 / sqrt(var + eps) | `[B, 1]` |
//!
//! Gradient, with `xhat = (x - mean) / sqrt(var + eps)` and `g = dy weight`: `dbias = sum over rows of dy`,
//! `dweight = sum over rows of dy xhat`, `dx = (g - mean g - xhat mean(g xhat)) / sqrt(var + eps)`. If N is 1, y is the
//! bias and dx is 0. N is at least 1.

use super::{row_mut, slice, slice_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{COLUMNS, Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::reduce::{column_sums, sum};
use crate::engine::kernels::split::{By, split};
use crate::engine::kernels::vectorized::vectorized;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f64,
}

impl Default for LayerNorm {
    /// PyTorch's eps.
    fn default() -> Self {
        LayerNorm { eps: 1e-5 }
    }
}

/// The cost of a value in the passes of a row, in values of a plain pass.
const COST: usize = 4;

vectorized! {
    /// Normalises a row; `saved` becomes its mean and `1 / sqrt(var + eps)`.
    fn normalize<T>(eps: T, x: &[T], weight: &[T], bias: &[T], y: &mut [T], saved: [&mut T; 2]) {
        let count = T::of(x.len() as f64);
        let mean = sum(x.len(), |i| x[i]) / count;
        let variance = sum(x.len(), |i| (x[i] - mean) * (x[i] - mean)) / count;
        let inv_std = T::one() / (variance + eps).sqrt();
        for (((y, x), weight), bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
            *y = (*x - mean) * inv_std * *weight + *bias;
        }
        let [saved_mean, saved_inv_std] = saved;
        (*saved_mean, *saved_inv_std) = (mean, inv_std);
    }

    /// dx of a row with this mean and `1 / sqrt(var + eps)`.
    fn gradient_of_row<T>(saved: [T; 2], x: &[T], weight: &[T], dy: &[T], dx: &mut [T], accumulate: bool) {
        let ([mean, inv_std], count) = (saved, T::of(x.len() as f64));
        let xhat = |i: usize| (x[i] - mean) * inv_std;
        let of_mean = sum(x.len(), |i| dy[i] * weight[i]) / count;
        let of_variance = sum(x.len(), |i| dy[i] * weight[i] * xhat(i)) / count;
        for (i, dx) in dx.iter_mut().enumerate() {
            add(dx, inv_std * (dy[i] * weight[i] - (of_mean + xhat(i) * of_variance)), accumulate);
        }
    }

    /// `out += dy xhat` for some columns of a row.
    fn add_product<T>(saved: [T; 2], x: &[T], dy: &[T], out: &mut [T]) {
        for ((out, x), dy) in out.iter_mut().zip(x).zip(dy) {
            *out += *dy * ((*x - saved[0]) * saved[1]);
        }
    }
}

impl Op for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x, weight, bias] if x[1] > 0 && *weight == [1, x[1]] && bias == weight);
        want(fits, Self::NAME, "x [B, N] with a column, weight, bias [1, N]", inputs);
        let [rows, _] = inputs[0];
        [inputs[0], [rows, 1], [rows, 1]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let [x, weight, bias] = inputs else { unreachable!("three inputs") };
        let [y, mean, inv_std] = outputs else { unreachable!("three outputs") };
        let ((rows, columns), eps) = (x.dim(), T::of(self.eps));
        let (x, weight, bias) = (slice(x), slice(weight), slice(bias));
        let parts = (y.view_mut(), mean.view_mut(), inv_std.view_mut());
        split(By::Rows, rows, COST * columns, parts, &|range: Range<usize>, (mut y, mut mean, mut inv_std)| {
            let saved = slice_mut(&mut mean).iter_mut().zip(slice_mut(&mut inv_std));
            for (i, (b, (mean, inv_std))) in range.zip(saved).enumerate() {
                let x = &x[b * columns..(b + 1) * columns];
                normalize(eps, x, weight, bias, row_mut(&mut y, i), [mean, inv_std]);
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
        let ((rows, columns), weight) = (doutput.dim(), slice(&inputs[1]));
        let (x, dy, mean, inv_std) = (slice(&inputs[0]), slice(&doutput), slice(&outputs[1]), slice(&outputs[2]));
        let [dx, dweight, dbias] = dinputs else { unreachable!("three inputs") };
        if let Some(Gradient { values, accumulate }) = dx {
            split(By::Rows, rows, COST * columns, values.view_mut(), &|range: Range<usize>, mut dx: ViewMut<T>| {
                for (i, b) in range.enumerate() {
                    let (saved, here) = ([mean[b], inv_std[b]], b * columns..(b + 1) * columns);
                    let (x, dy) = (&x[here.clone()], &dy[here]);
                    gradient_of_row(saved, x, weight, dy, row_mut(&mut dx, i), *accumulate);
                }
            });
        }
        if let Some(Gradient { values, accumulate }) = dweight {
            split(By::Columns, columns, rows, values.view_mut(), &|range: Range<usize>, mut out: ViewMut<T>| {
                let out = slice_mut(&mut out);
                if !*accumulate {
                    out.fill(T::zero());
                }
                for b in 0..rows {
                    let here = b * columns + range.start..b * columns + range.end;
                    add_product([mean[b], inv_std[b]], &x[here.clone()], &dy[here], out);
                }
            });
        }
        if let Some(dbias) = dbias {
            column_sums(doutput, dbias);
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for LayerNorm {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/layer_norm.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let [rows, columns] = inputs[0];
        let dispatch = Dispatch::new("forward", rows).u("rows", rows).u("columns", columns).f("eps", self.eps);
        let inputs = ["x", "weight", "bias"].into_iter().enumerate();
        let dispatch = inputs.fold(dispatch, |dispatch, (i, name)| dispatch.bind(name, Operand::Input(i)));
        let outputs = ["y", "mean", "inv_std"].into_iter().enumerate();
        vec![outputs.fold(dispatch, |dispatch, (i, name)| dispatch.bind(name, Operand::Output(i)))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let [rows, columns] = inputs[0];
        let dispatch = |entry, workgroups| {
            let dispatch = Dispatch::new(entry, workgroups).u("rows", rows).u("columns", columns);
            let dispatch = dispatch.bind("x", Operand::Input(0)).bind("dy", Operand::DOutput);
            dispatch.bind("kept_mean", Operand::Output(1)).bind("kept_inv_std", Operand::Output(2))
        };
        let of_x = targets[0].is_some().then(|| {
            let dispatch = dispatch("backward", rows).bind("weight", Operand::Input(1));
            dispatch.gradient(["dx", "accumulate_x"], 0, targets, len(inputs[0]))
        });
        let of_parameters = targets[1..].iter().any(Option::is_some).then(|| {
            let dispatch = dispatch("backward_parameters", columns.div_ceil(COLUMNS));
            let dispatch = dispatch.gradient(["dweight", "accumulate_weight"], 1, targets, columns);
            dispatch.gradient(["dbias", "accumulate_bias"], 2, targets, columns)
        });
        of_x.into_iter().chain(of_parameters).collect()
    }
}

impl Cases for LayerNorm {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        // two numbers become -1 and 1 whatever they are: dx is almost 0, and f32 does not resolve it
        let columns = if columns == 2 { 3 } else { columns };
        let vectors = [([1, columns], Fill::Uniform(0.5, 1.5)), ([1, columns], Fill::Normal)];
        vec![Case::new("rows", LayerNorm::default(), [([rows, columns], Fill::Normal), vectors[0], vectors[1]])]
    }
}
