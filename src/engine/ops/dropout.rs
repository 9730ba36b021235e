//! `y = x * mask`, where the mask is 0 with probability p and `1 / (1 - p)` otherwise (Srivastava et al. 2014,
//! inverted).
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y, mask (saved) | `[B, N]` |
//!
//! Gradient: `dx = dy * mask`. An element is dropped if its 32 random bits from Philox are below `p * 2^32`. This is an
//! integer comparison, so the mask is the same on every device. The bits depend on seed, layer, step, row of the batch
//! and column.
//!
//! The model uses it only within [`norm_dropout_film`](super::norm_dropout_film) and
//! [`linear_relu`](super::linear_relu); this op is their reference.

use super::slice;
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::map::accumulate;
use crate::engine::kernels::mask::DropoutMask;
pub use crate::engine::kernels::mask::threshold;
use crate::engine::kernels::split::{By, split};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::rng::{Purpose, Stream};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The probability of dropping an element, below 1.
    pub p: f64,
    pub stream: Stream,
}

impl Dropout {
    pub(super) fn mask(&self) -> DropoutMask {
        DropoutMask::new(self.p, self.stream)
    }
}

impl Op for Dropout {
    const NAME: &'static str = "dropout";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(inputs.len() == 1, Self::NAME, "x [B, N]", inputs);
        [inputs[0]; 2].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let [y, multiplier] = outputs else { unreachable!("two outputs") };
        let (x, mask, [rows, columns]) = (slice(&inputs[0]), self.mask(), [y.nrows(), y.ncols()]);
        // 32 random bits cost about as much as four elements of plain arithmetic
        let parts = (y.view_mut(), multiplier.view_mut());
        split(By::Rows, rows, 4 * columns, parts, &|range: Range<usize>, (mut y, mut multiplier)| {
            for ((mut y, mut m), row) in y.rows_mut().into_iter().zip(multiplier.rows_mut()).zip(range) {
                mask.row(row, 0, m.as_slice_mut().expect("a row is contiguous"));
                for ((y, m), x) in y.iter_mut().zip(&m).zip(&x[row * columns..]) {
                    *y = *x * *m;
                }
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
        accumulate(&mut dinputs[0], [&outputs[1], &doutput], |[mask, dy]| mask * dy);
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Dropout {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/dropout.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch =
            Dispatch::over_quads("forward", inputs[0]).bind("x", Operand::Input(0)).bind("y", Operand::Output(0));
        vec![dispatch.bind("mask", Operand::Output(1)).mask(Some(Dropout::mask(self)))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let count = len(inputs[0]);
        let dispatch = Dispatch::over("backward", count).bind("kept", Operand::Output(1)).bind("dy", Operand::DOutput);
        vec![dispatch.gradient(["dx", "accumulate"], 0, targets, count)]
    }
}

impl Cases for Dropout {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        let stream = Stream::new(0xB_0000_000B, Purpose::DROPOUT, 2).at(5);
        let late = Stream::new(0xFEDC_BA98_7654_3210, Purpose::DROPOUT, 10).at(1000);
        let x = [([rows, columns], Fill::Normal)];
        vec![Case::new("third", Dropout { p: 0.3, stream }, x), Case::new("late", Dropout { p: 0.5, stream: late }, x)]
    }
}
