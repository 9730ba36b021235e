//! `y = ((1 - c) + c gamma) * x + c beta`: feature-wise linear modulation with one strength c per row.
//!
//! With c = 1 this is FiLM, `y = gamma * x + beta` (Perez et al. 2018, arXiv:1709.07871, eq. 1), bit for bit. c scales
//! the departure from the identity: `gamma -> 1 + c (gamma - 1)`, `beta -> c beta`. c = 0 gives `y = x`, bit for bit,
//! for a row whose condition is dropped. c above 1 extrapolates.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, gamma, beta, y | `[B, F]` |
//! | c (strength) | `[B, 1]` |
//!
//! Gradient: `dx = ((1 - c) + c gamma) dy`, `dgamma = c x dy`, `dbeta = c dy`, `dc = sum ((gamma - 1) x + beta) dy`.
//!
//! Where nothing stands between batch norm and FiLM, and c needs no gradient, the model uses
//! [`norm_dropout_film`](super::norm_dropout_film), whose reference this op is.

use super::{row, row_mut, slice};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::reduce::sum;
use crate::engine::kernels::split::{By, split};
use crate::engine::kernels::vectorized::vectorized;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Film;

impl Op for Film {
    const NAME: &'static str = "film";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x, g, b, c] if x == g && x == b && *c == [x[0], 1]);
        want(fits, Self::NAME, "x, gamma, beta [B, F], strength [B, 1]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (rows, columns) = outputs[0].dim();
        split(By::Rows, rows, columns, outputs[0].view_mut(), &|range: Range<usize>, y| forward(y, inputs, range));
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let (rows, columns) = doutput.dim();
        let [dx, dgamma, dbeta, dc] = dinputs else { unreachable!("four inputs") };
        let [dx, dgamma, dbeta, dc] = [dx, dgamma, dbeta, dc].map(|d| d.as_mut().map(Gradient::view_mut));
        let parts = ((dx, dgamma), (dbeta, dc));
        split(By::Rows, rows, 3 * columns, parts, &|range: Range<usize>, ((dx, dgamma), (dbeta, dc))| {
            backward([dx, dgamma, dbeta, dc], inputs, doutput, range);
        });
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Film {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/film.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = Dispatch::over("forward", len(inputs[0])).u("columns", inputs[0][1]);
        let dispatch =
            dispatch.bind("x", Operand::Input(0)).bind("gamma", Operand::Input(1)).bind("beta", Operand::Input(2));
        vec![dispatch.bind("strength", Operand::Input(3)).bind("y", Operand::Output(0))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let count = len(inputs[0]);
        let dispatch = Dispatch::over("backward", count).u("columns", inputs[0][1]).bind("x", Operand::Input(0));
        let dispatch = dispatch.bind("gamma", Operand::Input(1)).bind("strength", Operand::Input(3));
        let dispatch = dispatch.bind("dy", Operand::DOutput).gradient(["dx", "accumulate_x"], 0, targets, count);
        let dispatch = dispatch.gradient(["dgamma", "accumulate_gamma"], 1, targets, count);
        let elements = dispatch.gradient(["dbeta", "accumulate_beta"], 2, targets, count);
        let of_strength = targets[3].is_some().then(|| {
            let [rows, columns] = inputs[0];
            let dispatch = Dispatch::new("backward_strength", rows).u("rows", rows).u("columns", columns);
            let names = ["x", "gamma", "beta"].into_iter().enumerate();
            let dispatch = names.fold(dispatch, |dispatch, (i, name)| dispatch.bind(name, Operand::Input(i)));
            dispatch.bind("dy", Operand::DOutput).gradient(["dstrength", "accumulate_strength"], 3, targets, rows)
        });
        let needed = targets[..3].iter().any(Option::is_some).then_some(elements);
        needed.into_iter().chain(of_strength).collect()
    }
}

impl Cases for Film {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        let wide = ([rows, columns], Fill::Normal);
        let with = |strength| [wide, wide, wide, ([rows, 1], strength)];
        vec![
            Case::new("full", Film, with(Fill::Value(1.0))),
            Case::new("dropped_rows", Film, with(Fill::Mask)),
            Case::new("strengths", Film, with(Fill::Uniform(0.0, 2.0))),
        ]
    }
}

vectorized! {
    fn forward<T>(y: ViewMut<T>, inputs: &[View<T>], range: Range<usize>) {
        let mut y = y;
        let [x, gamma, beta, strength] = inputs else { unreachable!("four inputs") };
        for (r, b) in range.enumerate() {
            modulate_row(row_mut(&mut y, r), row(x, b), row(gamma, b), row(beta, b), slice(strength)[b]);
        }
    }

    fn backward<T>(gradients: [Option<Gradient<T>>; 4], inputs: &[View<T>], dy: View<T>, range: Range<usize>) {
        let [mut dx, mut dgamma, mut dbeta, mut dc] = gradients;
        for (r, b) in range.enumerate() {
            let (x, gamma, dy, c) = (row(&inputs[0], b), row(&inputs[1], b), row(&dy, b), slice(&inputs[3])[b]);
            if let Some(Gradient { values, accumulate }) = &mut dx {
                for ((d, g), dy) in row_mut(values, r).iter_mut().zip(gamma).zip(dy) {
                    add(d, (T::one() - c + c * *g) * *dy, *accumulate);
                }
            }
            if let Some(Gradient { values, accumulate }) = &mut dgamma {
                for ((d, x), dy) in row_mut(values, r).iter_mut().zip(x).zip(dy) {
                    add(d, c * *x * *dy, *accumulate);
                }
            }
            if let Some(Gradient { values, accumulate }) = &mut dbeta {
                for (d, dy) in row_mut(values, r).iter_mut().zip(dy) {
                    add(d, c * *dy, *accumulate);
                }
            }
            if let Some(Gradient { values, accumulate }) = &mut dc {
                let beta = row(&inputs[2], b);
                let part = sum(dy.len(), |i| ((gamma[i] - T::one()) * x[i] + beta[i]) * dy[i]);
                add(&mut values[[r, 0]], part, *accumulate);
            }
        }
    }
}

/// `y = ((1 - c) + c gamma) * x + c beta` for one row.
#[inline(always)]
pub(super) fn modulate_row<T: Real>(y: &mut [T], x: &[T], gamma: &[T], beta: &[T], c: T) {
    let rest = T::one() - c;
    for (((y, x), g), b) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
        *y = (rest + c * *g) * *x + c * *b;
    }
}
