//! `y = dropout(relu(x W^T + b))`: [`linear`](super::linear), [`LeakyRelu`](super::LeakyRelu) with slope 0 and
//! optionally [`dropout`](super::dropout), fused. Outputs equal those of the separate ops bit for bit, and so do
//! gradients if dy is finite.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x | `[B, I]` |
//! | W (weight) | `[O, I]` |
//! | b (bias) | `[1, O]` |
//! | y | `[B, O]` |
//!
//! Gradient: that of `linear` for `d = dy / (1 - p)` where `y > 0`, 0 elsewhere. An element that is 0 in y was dropped
//! or cut off by the ReLU, so neither the mask nor the product needs to be saved. A NaN stays NaN in y. Where y is 0,
//! an infinite or NaN dy has no effect, while the separate ops turn it into NaN.

use super::elementwise::leaky_relu;
use super::linear::Products;
use super::{Dropout, Linear, row_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatches, Operand, Targets};
use crate::engine::kernels::adam::AdamStep;
use crate::engine::kernels::map::assign;
use crate::engine::kernels::mask::DropoutMask;
use crate::engine::kernels::split::{By, split};
use crate::engine::kernels::vectorized::vectorized;
use crate::engine::kernels::workspace::with_workspace;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes};
use crate::engine::rng::{Purpose, Stream};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearRelu {
    pub dropout: Option<Dropout>,
}

/// The columns whose multipliers are computed at a time.
const BLOCK: usize = 512;

impl LinearRelu {
    fn mask(&self) -> Option<DropoutMask> {
        self.dropout.map(|dropout| dropout.mask())
    }

    /// Calls `work` with the gradient of the product, `[B, O]`.
    fn with_dproduct<T: Real, R>(&self, y: View<T>, dy: View<T>, work: impl FnOnce(View<T>) -> R) -> R {
        let keep = T::of(self.mask().map_or(1.0, |mask| mask.keep));
        with_workspace(y.len(), |workspace| {
            let mut d = ViewMut::from_shape(y.dim(), workspace).expect("the shape of y");
            assign(&mut d, [&y, &dy], |[y, dy]| if y > T::zero() { keep * dy } else { T::zero() });
            work(d.view())
        })
    }

    /// As [`Linear::step_weight`]: W's gradient and its optimizer step. y and dy `[B, O]`.
    ///
    /// # Panics
    /// As [`Linear::step_weight`].
    pub fn step_weight<T: Real>(&self, step: &AdamStep, x: View<T>, y: View<T>, dy: View<T>, weights: [ViewMut<T>; 3]) {
        self.with_dproduct(y, dy, |d| Linear::step_weight(step, x, d, weights));
    }
}

impl Op for LinearRelu {
    const NAME: &'static str = "linear_relu";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        Linear.output_shapes(inputs)
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        Linear.forward(inputs, outputs);
        let (mask, [rows, columns]) = (self.mask(), [outputs[0].nrows(), outputs[0].ncols()]);
        // 32 random bits cost about as much as four elements of plain arithmetic
        let cost = if mask.is_some() { 4 * columns } else { columns };
        split(By::Rows, rows, cost, outputs[0].view_mut(), &|range: Range<usize>, mut y: ViewMut<T>| {
            for (r, b) in range.enumerate() {
                finish_row(row_mut(&mut y, r), &mask, b);
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
        self.with_dproduct(outputs[0], doutput, |d| Linear.backward(inputs, outputs, d, dinputs));
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for LinearRelu {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/linear_relu.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], tiling: &dyn TileChooser) -> Dispatches {
        Products { inputs, widths: &[inputs[1][0]] }.forward(tiling, |dispatch, _| dispatch.mask(self.mask()))
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        tiling: &dyn TileChooser,
    ) -> Dispatches {
        let products = Products { inputs, widths: &[inputs[1][0]] };
        products.backward(targets, tiling, |dispatch, _| dispatch.bind("kept", Operand::Output(0)).mask(self.mask()))
    }
}

impl Cases for LinearRelu {
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<Self>> {
        // products are whole numbers and the bias ends in .5: no sum is near the kink, and about half are above it
        let bias = -((inner / 4) as f64 + 0.5);
        let inputs = [([rows, inner], Fill::Mask), ([columns, inner], Fill::Mask), ([1, columns], Fill::Value(bias))];
        let dropout = Some(Dropout { p: 0.3, stream: Stream::new(0xB_0000_000B, Purpose::DROPOUT, 2).at(5) });
        vec![
            Case::new("third", LinearRelu { dropout }, inputs),
            Case::new("relu", LinearRelu { dropout: None }, inputs),
        ]
    }
}

vectorized! {
    /// ReLU and dropout of row `b` of the batch.
    fn finish_row<T>(y: &mut [T], mask: &Option<DropoutMask>, b: usize) {
        let mut multipliers = [T::one(); BLOCK];
        for (part, y) in y.chunks_mut(BLOCK).enumerate() {
            let multipliers = &mut multipliers[..y.len()];
            if let Some(mask) = mask {
                mask.row(b, part * BLOCK, multipliers);
            }
            for (y, multiplier) in y.iter_mut().zip(multipliers) {
                *y = leaky_relu(*y, T::zero()) * *multiplier;
            }
        }
    }
}
