//! `y = mean over rows of -sum(target log_softmax(logits))`: softmax with cross-entropy, in nats, PyTorch's
//! `cross_entropy` with class probabilities.
//!
//! | tensor | shape |
//! | --- | --- |
//! | logits | `[B, C]` |
//! | target (no gradient): a probability per class, 0 and 1 for a known class | `[B, C]` |
//! | y | `[1, 1]` |
//! | output 1: log_softmax, the logarithms of the predicted probabilities | `[B, C]` |
//!
//! `log_softmax = x - max x - ln(sum exp(x - max x))`: without the row's maximum, which cancels, large logits would
//! overflow.
//!
//! Gradient: `dlogits = (softmax sum(target) - target) dy / B`. The targets of a row may have any sum; if it is 1, this
//! is `(softmax - target) dy / B`. C is at least 1. The mean of no rows is NaN, as in PyTorch.

use super::{row, slice, slice_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len, reduction};
use crate::engine::kernels::reduce::{sum, total};
use crate::engine::kernels::split::{By, split};
use crate::engine::kernels::vectorized::vectorized;
use crate::engine::kernels::workspace::with_workspace;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropy;

/// The cost of a value in the passes of a row, in values of a plain pass: an exponential and a few loops.
const COST: usize = 8;

/// The scratch id of the rows' losses; the mean's partial sums have 0.
const LOSSES: usize = 1;

vectorized! {
    /// The log-softmax of a row, and `sum(target log_softmax)`.
    fn log_softmax<T>(logits: &[T], target: &[T], logs: &mut [T], loss: &mut T) {
        // whether it drops a NaN is no matter: the sum of exponentials has it too
        let largest = logits.iter().fold(logits[0], |largest, x| if *x > largest { *x } else { largest });
        for (log, x) in logs.iter_mut().zip(logits) {
            *log = *x - largest;
        }
        let log_sum = sum(logs.len(), |i| logs[i].exp()).ln();
        logs.iter_mut().for_each(|log| *log -= log_sum);
        *loss = sum(logs.len(), |i| target[i] * logs[i]);
    }

    fn gradient_of_row<T>(factor: T, logs: &[T], target: &[T], out: &mut [T], accumulate: bool) {
        let of_row = sum(target.len(), |i| target[i]);
        for ((out, log), target) in out.iter_mut().zip(logs).zip(target) {
            add(out, factor * (log.exp() * of_row - *target), accumulate);
        }
    }
}

impl Op for CrossEntropy {
    const NAME: &'static str = "cross_entropy";

    fn differentiable(&self, input: usize) -> bool {
        input == 0
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [logits, target] if logits == target && logits[1] > 0);
        want(fits, Self::NAME, "logits, target [B, C] with a class", inputs);
        [[1, 1], inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let [logits, target] = inputs else { unreachable!("two inputs") };
        let [y, logs] = outputs else { unreachable!("two outputs") };
        let (rows, columns) = logits.dim();
        with_workspace(rows, |losses| {
            let parts = (logs.view_mut(), ViewMut::from_shape((rows, 1), &mut *losses).expect("a loss per row"));
            split(By::Rows, rows, COST * columns, parts, &|range: Range<usize>, (mut logs, mut losses)| {
                let of_rows = slice_mut(&mut logs).chunks_exact_mut(columns).zip(slice_mut(&mut losses));
                for (b, (logs, loss)) in range.zip(of_rows) {
                    log_softmax(row(logits, b), row(target, b), logs, loss);
                }
            });
            y[[0, 0]] = T::of(-1.0 / rows as f64) * total(losses);
        });
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let Some(Gradient { values, accumulate }) = &mut dinputs[0] else { return };
        let (rows, columns) = values.dim();
        let factor = T::of(1.0 / rows as f64) * doutput[[0, 0]];
        let (logs, target) = (slice(&outputs[1]), slice(&inputs[1]));
        split(By::Rows, rows, COST * columns, values.view_mut(), &|range: Range<usize>, mut out: ViewMut<T>| {
            for (b, out) in range.zip(slice_mut(&mut out).chunks_exact_mut(columns)) {
                let here = b * columns..(b + 1) * columns;
                gradient_of_row(factor, &logs[here.clone()], &target[here], out, *accumulate);
            }
        });
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for CrossEntropy {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/cross_entropy.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let [rows, columns] = inputs[0];
        let losses = Operand::Scratch(LOSSES, rows.max(1));
        let dispatch = Dispatch::new("log_softmax", rows).u("rows", rows).u("columns", columns);
        let dispatch = dispatch.bind("logits", Operand::Input(0)).bind("labels", Operand::Input(1));
        let dispatch = dispatch.bind("logs", Operand::Output(1)).bind("losses", losses.clone());
        let mean = reduction(rows, &[("losses", losses)], Operand::Output(0), |d| d.f("scale", -1.0 / rows as f64));
        [dispatch].into_iter().chain(mean).collect()
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let [rows, columns] = inputs[0];
        let dispatch = Dispatch::new("backward", rows).u("rows", rows).u("columns", columns);
        let dispatch = dispatch.bind("kept_logs", Operand::Output(1)).bind("labels", Operand::Input(1));
        let dispatch = dispatch.bind("dy", Operand::DOutput).f("scale", 1.0 / rows as f64);
        vec![dispatch.gradient(["dlogits", "accumulate"], 0, targets, len(inputs[0]))]
    }
}

impl Cases for CrossEntropy {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        let case =
            |name, target| Case::new(name, CrossEntropy, [([rows, columns], Fill::Normal), ([rows, columns], target)]);
        vec![case("probabilities", Fill::Uniform(0.0, 1.0)), case("classes", Fill::Mask)]
    }
}
