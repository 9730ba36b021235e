//! `y = v x`: each row of x times a number of its own, or each column.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y | `[B, N]` |
//! | v: one number for each row, or one for each column | `[B, 1]` or `[1, N]` |
//!
//! Gradient: `dx = v dy`; dv is the sum of `x dy` over the elements that share the number.

use super::{row, row_mut, slice, slice_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{COLUMNS, Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::reduce::sum;
use crate::engine::kernels::split::{By, split};
use crate::engine::kernels::vectorized::vectorized;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale;

/// Whether v has one number for each row. If it has a single number, x may be one row or one column.
fn by_row(x: Shape, v: Shape) -> bool {
    v == [x[0], 1] && x != [1, 1]
}

vectorized! {
    /// `out = factor a`, or `out += factor a`.
    fn by_number<T>(out: &mut [T], factor: T, a: &[T], accumulate: bool) {
        for (out, a) in out.iter_mut().zip(a) {
            add(out, factor * *a, accumulate);
        }
    }

    /// `out = a b`, or `out += a b`.
    fn product<T>(out: &mut [T], a: &[T], b: &[T], accumulate: bool) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            add(out, *a * *b, accumulate);
        }
    }

    fn dot<T>(out: &mut T, a: &[T], b: &[T], accumulate: bool) {
        add(out, sum(a.len(), |i| a[i] * b[i]), accumulate);
    }
}

/// `out = v a`, or `out += v a`.
fn scaled<T: Real>(out: ViewMut<T>, a: View<T>, v: View<T>, accumulate: bool) {
    let ((rows, columns), each_row) = (a.dim(), by_row([a.nrows(), a.ncols()], [v.nrows(), v.ncols()]));
    let v = slice(&v);
    split(By::Rows, rows, columns, out, &|range: Range<usize>, mut out: ViewMut<T>| {
        for (i, b) in range.enumerate() {
            match each_row {
                true => by_number(row_mut(&mut out, i), v[b], row(&a, b), accumulate),
                false => product(row_mut(&mut out, i), row(&a, b), v, accumulate),
            }
        }
    });
}

impl Op for Scale {
    const NAME: &'static str = "scale";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x, v] if *v == [x[0], 1] || *v == [1, x[1]]);
        want(fits, Self::NAME, "x [B, N], v [B, 1] or [1, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        scaled(outputs[0].view_mut(), inputs[0], inputs[1], false);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let ([x, v], [dx, dv]) = (inputs, dinputs) else { unreachable!("two inputs") };
        if let Some(Gradient { values, accumulate }) = dx {
            scaled(values.view_mut(), doutput, *v, *accumulate);
        }
        let Some(Gradient { values, accumulate }) = dv else { return };
        let (rows, columns) = x.dim();
        if by_row([rows, columns], [v.nrows(), v.ncols()]) {
            split(By::Rows, rows, columns, values.view_mut(), &|range: Range<usize>, mut out: ViewMut<T>| {
                for (out, b) in slice_mut(&mut out).iter_mut().zip(range) {
                    dot(out, row(x, b), row(&doutput, b), *accumulate);
                }
            });
        } else {
            split(By::Columns, columns, rows, values.view_mut(), &|range: Range<usize>, mut out: ViewMut<T>| {
                let out = slice_mut(&mut out);
                if !*accumulate {
                    out.fill(T::zero());
                }
                for b in 0..rows {
                    product(out, &row(x, b)[range.clone()], &row(&doutput, b)[range.clone()], true);
                }
            });
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Scale {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/scale.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = Dispatch::over("forward", len(inputs[0])).u("columns", inputs[0][1]);
        let dispatch = dispatch.u("by_row", usize::from(by_row(inputs[0], inputs[1]))).bind("x", Operand::Input(0));
        vec![dispatch.bind("v", Operand::Input(1)).bind("y", Operand::Output(0))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let ([rows, columns], each_row) = (inputs[0], by_row(inputs[0], inputs[1]));
        let of_x = targets[0].is_some().then(|| {
            let dispatch = Dispatch::over("backward", len(inputs[0])).u("columns", columns);
            let dispatch = dispatch.u("by_row", usize::from(each_row)).bind("v", Operand::Input(1));
            dispatch.bind("dy", Operand::DOutput).gradient(["dx", "accumulate_x"], 0, targets, len(inputs[0]))
        });
        let of_v = targets[1].is_some().then(|| {
            let dispatch = match each_row {
                true => Dispatch::new("backward_rows", rows),
                false => Dispatch::new("backward_columns", columns.div_ceil(COLUMNS)),
            };
            let dispatch = dispatch.u("rows", rows).u("columns", columns).bind("x", Operand::Input(0));
            dispatch.bind("dy", Operand::DOutput).gradient(["dv", "accumulate_v"], 1, targets, len(inputs[1]))
        });
        of_x.into_iter().chain(of_v).collect()
    }
}

impl Cases for Scale {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        let case = |name, v| Case::new(name, Scale, [([rows, columns], Fill::Normal), (v, Fill::Normal)]);
        vec![case("rows", [rows, 1]), case("columns", [1, columns])]
    }
}
