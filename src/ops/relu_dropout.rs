//! `y = dropout(relu(x))` in one pass: `leaky_relu` of slope 0, then `dropout`.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y | `[B, N]` |
//!
//! Gradient: `dx = dy / (1 - p)` where `y > 0`, 0 elsewhere: what is 0 in y was dropped or cut off, so no mask is kept. A NaN in x
//! stays NaN in y.

use super::leaky_relu::leaky_relu;
use super::{Case, Dropout, Fill, Op, Shapes, row, row_mut, want};
use crate::kernels::map::accumulate;
use crate::kernels::split::{By, split};
use crate::kernels::vectorized::vectorized;
use crate::rng::{Purpose, Stream};
use crate::pass::{Operand, Pass, Passes, Targets, len};
use crate::tensor::{Gradient, Real, Shape, View, ViewMut};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReluDropout {
    pub dropout: Dropout,
}

impl Op for ReluDropout {
    const NAME: &'static str = "relu_dropout";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(inputs.len() == 1, Self::NAME, "x [B, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (mask, [rows, columns]) = (self.dropout.mask(), [outputs[0].nrows(), outputs[0].ncols()]);
        // a random word costs about as much as four elements of plain arithmetic
        split(By::Rows, rows, 4 * columns, outputs[0].view_mut(), &|range: Range<usize>, mut y: ViewMut<T>| {
            for (r, b) in range.enumerate() {
                let y = row_mut(&mut y, r);
                mask.row(b, 0, y);
                times_relu(y, row(&inputs[0], b));
            }
        });
    }

    fn backward<T: Real>(
        &self,
        _inputs: &[View<T>],
        outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let keep = T::of(self.dropout.mask().keep);
        accumulate(&mut dinputs[0], [&outputs[0], &doutput], |[y, dy]| if y > T::zero() { keep * dy } else { T::zero() });
    }

    fn forward_passes(&self, inputs: &[Shape], _outputs: &[Shape]) -> Passes {
        let pass = Pass::over_quads("forward", inputs[0]).bind("x", Operand::Input(0)).bind("y", Operand::Output(0));
        vec![pass.mask(Some(self.dropout.mask()))]
    }

    fn backward_passes(&self, inputs: &[Shape], _outputs: &[Shape], targets: Targets) -> Passes {
        let count = len(inputs[0]);
        let pass = Pass::over("backward", count).bind("kept", Operand::Output(0)).bind("dy", Operand::DOutput);
        vec![pass.f(self.dropout.mask().keep).gradient("dx", 0, targets, count)]
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        let dropout = Dropout { p: 0.3, stream: Stream::new(11, Purpose::Dropout, 2).at(5) };
        vec![Case::new("third", ReluDropout { dropout }, [([rows, columns], Fill::Around(&[-1.5, -0.5, 0.5, 1.5]))])]
    }
}

vectorized! {
    fn times_relu<T>(y: &mut [T], x: &[T]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = leaky_relu(*x, T::zero()) * *y;
        }
    }
}
