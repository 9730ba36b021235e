//! `y = (x - mean) / sqrt(var + eps) * weight + bias` for each column: PyTorch's `BatchNorm1d` (Ioffe and Szegedy
//! 2015, arXiv:1502.03167, algorithm 1).
//!
//! In training, mean and (biased) variance are those of the batch, and the running statistics move towards them by
//! `momentum`; the running variance moves towards the unbiased variance. In evaluation, mean and variance are the
//! running statistics.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y | `[B, F]` |
//! | weight, bias | `[1, F]` |
//! | running_mean, running_var (no gradient) | `[1, F]` |
//! | saved: mean, 1 / sqrt(var + eps) | `[1, F]` |
//! | outputs 3 and 4: the new running mean and variance | `[1, F]` |
//!
//! Gradient, with `xhat = (x - mean) / sqrt(var + eps)`: `dbias = sum dy`, `dweight = sum dy xhat`, and in training
//! `dx = weight / sqrt(var + eps) (dy - dbias / B - xhat dweight / B)`, in evaluation `dx = weight / sqrt(var + eps)
//! dy`. In training B must be at least 2: one row has no variance.
//!
//! The model uses it only within [`norm_dropout_film`](super::norm_dropout_film); this op is its reference.

use super::{row_mut, slice, slice_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{COLUMNS, Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::split::{By, split};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchNorm {
    pub training: bool,
}

impl BatchNorm {
    /// Added to the variance.
    pub const EPS: f64 = 1e-5;
    /// The weight of the batch in the running statistics.
    pub const MOMENTUM: f64 = 0.1;

    /// The ratio of the unbiased to the biased variance of this many rows.
    pub(super) fn unbias(rows: usize) -> f64 {
        rows as f64 / (rows as f64 - 1.0).max(1.0)
    }

    /// Mean and (biased) variance of some columns: those of the batch in training, the `running` ones in evaluation.
    /// The batch is given as its number of rows, a function that returns these columns of a row, and a function that
    /// maps each value first.
    #[inline(always)]
    pub(super) fn statistics<'a, T: Real>(
        self,
        (rows, row, value): (usize, impl Fn(usize) -> &'a [T], impl Fn(T) -> T),
        running: [&[T]; 2],
        [mean, var]: [&mut [T]; 2],
    ) {
        if !self.training {
            mean.copy_from_slice(running[0]);
            var.copy_from_slice(running[1]);
            return;
        }
        let count = T::of(rows as f64);
        mean.fill(T::zero());
        var.fill(T::zero());
        for b in 0..rows {
            for (mean, x) in mean.iter_mut().zip(row(b)) {
                *mean += value(*x);
            }
        }
        mean.iter_mut().for_each(|mean| *mean = *mean / count);
        for b in 0..rows {
            for ((var, mean), x) in var.iter_mut().zip(&*mean).zip(row(b)) {
                let d = value(*x) - *mean;
                *var += d * d;
            }
        }
        var.iter_mut().for_each(|var| *var = *var / count);
    }

    /// The new running mean and variance of some columns, from those `of` a batch of this many rows.
    #[inline(always)]
    pub(super) fn update_running<T: Real>(self, rows: usize, running: [&[T]; 2], of: [&[T]; 2], to: [&mut [T]; 2]) {
        let momentum = T::of(Self::MOMENTUM);
        for (((of, to), running), unbias) in of.into_iter().zip(to).zip(running).zip([1.0, Self::unbias(rows)]) {
            let unbias = T::of(unbias);
            for ((of, to), running) in of.iter().zip(to).zip(running) {
                *to = if self.training { *running + momentum * (*of * unbias - *running) } else { *running };
            }
        }
    }

    /// The uniforms, without the offsets of joined tensors.
    pub(super) fn uniforms(dispatch: Dispatch, training: bool, [rows, columns]: Shape) -> Dispatch {
        let unbias = Self::unbias(rows);
        let dispatch = dispatch.u("rows", rows).u("columns", columns).u("training", usize::from(training));
        dispatch.f("eps", Self::EPS).f("momentum", Self::MOMENTUM).f("unbias", unbias)
    }

    /// Weight, bias, running mean and running variance, which the shader binds as one, by their input numbers.
    pub(super) fn parameters(inputs: [usize; 4]) -> impl Iterator<Item = (&'static str, Operand)> {
        let offsets = ["weight_at", "bias_at", "running_mean_at", "running_var_at"];
        offsets.into_iter().zip(inputs.map(Operand::Input))
    }
}

/// The columns processed at a time: their sums fit on the stack, their rows into the cache.
const BLOCK: usize = 64;

/// The blocks of a column range.
fn blocks(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(BLOCK).map(move |start| start..(start + BLOCK).min(end))
}

/// `[sum of f(row, column) over rows]` for the columns of one block, rows in order.
#[inline(always)]
fn block_sums<T: Real>(rows: usize, width: usize, f: impl Fn(usize, usize) -> T) -> [T; BLOCK] {
    let mut sums = [T::zero(); BLOCK];
    for row in 0..rows {
        for (column, sum) in sums[..width].iter_mut().enumerate() {
            *sum += f(row, column);
        }
    }
    sums
}

impl Op for BatchNorm {
    const NAME: &'static str = "batch_norm";

    fn differentiable(&self, input: usize) -> bool {
        input < 3
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = inputs.len() == 5 && inputs[1..].iter().all(|s| *s == [1, inputs[0][1]]);
        want(fits, Self::NAME, "x [B, F], then weight, bias, running_mean, running_var [1, F]", inputs);
        want(!self.training || inputs[0][0] >= 2, Self::NAME, "at least two rows in training", inputs);
        let vector = [1, inputs[0][1]];
        [inputs[0], vector, vector, vector, vector].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let [x, weight, bias, running_mean, running_var] = inputs else { unreachable!("five inputs") };
        let (x, weight, bias) = (slice(x), slice(weight), slice(bias));
        let (running_mean, running_var) = (slice(running_mean), slice(running_var));
        let (rows, columns) = outputs[0].dim();
        let eps = T::of(Self::EPS);
        let [y, mean_out, inv_std_out, new_mean, new_var] = outputs else { unreachable!("five outputs") };
        let statistics = (mean_out.view_mut(), inv_std_out.view_mut());
        let updated = (new_mean.view_mut(), new_var.view_mut());
        let parts = (y.view_mut(), statistics, updated);
        split(By::Columns, columns, 4 * rows, parts, &|range: Range<usize>, (mut y, statistics, updated)| {
            let ((mut mean, mut inv_std), (mut new_mean, mut new_var)) = (statistics, updated);
            for block in blocks(range.clone()) {
                let here = block.start - range.start..block.end - range.start;
                let [mean, inv_std, new_mean, new_var] = [&mut mean, &mut inv_std, &mut new_mean, &mut new_var]
                    .map(|vector| &mut slice_mut(vector)[here.clone()]);
                let running = [&running_mean[block.clone()], &running_var[block.clone()]];
                let batch = (rows, |b| &x[b * columns..][block.clone()], |x| x);
                self.statistics(batch, running, [&mut *mean, &mut *inv_std]);
                self.update_running(rows, running, [mean, inv_std], [new_mean, new_var]);
                let mut scale = [T::zero(); BLOCK];
                for ((scale, inv_std), weight) in scale.iter_mut().zip(&mut *inv_std).zip(&weight[block.clone()]) {
                    // it held the variance
                    *inv_std = T::one() / (*inv_std + eps).sqrt();
                    *scale = *weight * *inv_std;
                }
                let (mean, bias) = (&*mean, &bias[block.clone()]);
                for row in 0..rows {
                    let x = &x[row * columns..][block.clone()];
                    let y = &mut row_mut(&mut y, row)[here.clone()];
                    for c in 0..block.len() {
                        y[c] = (x[c] - mean[c]) * scale[c] + bias[c];
                    }
                }
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
        let (x, weight) = (slice(&inputs[0]), slice(&inputs[1]));
        let (mean, inv_std, dy) = (slice(&outputs[1]), slice(&outputs[2]), slice(&doutput));
        let (rows, columns) = doutput.dim();
        let (count, training) = (T::of(rows as f64), self.training);
        let [dx, dweight, dbias, ..] = dinputs else { unreachable!("five inputs") };
        let [dx, dweight, dbias] = [dx, dweight, dbias].map(|d| d.as_mut().map(Gradient::view_mut));
        let parts = (dx, dweight, dbias);
        split(By::Columns, columns, 4 * rows, parts, &|range: Range<usize>, (mut dx, mut dweight, mut dbias)| {
            for block in blocks(range.clone()) {
                let (width, at) = (block.len(), block.start - range.start);
                let (mean, inv_std) = (&mean[block.clone()], &inv_std[block.clone()]);
                let dy = |row: usize, column: usize| dy[row * columns + block.start + column];
                let xhat = |row: usize, c: usize| (x[row * columns + block.start + c] - mean[c]) * inv_std[c];
                let sum_dy = block_sums(rows, width, dy);
                let sum_dy_xhat = block_sums(rows, width, |r, c| dy(r, c) * xhat(r, c));
                for c in 0..width {
                    if let Some(Gradient { values, accumulate }) = &mut dweight {
                        add(&mut values[[0, at + c]], sum_dy_xhat[c], *accumulate);
                    }
                    if let Some(Gradient { values, accumulate }) = &mut dbias {
                        add(&mut values[[0, at + c]], sum_dy[c], *accumulate);
                    }
                }
                let Some(Gradient { values: dx, accumulate }) = &mut dx else { continue };
                for row in 0..rows {
                    for (c, dx) in row_mut(dx, row)[at..at + width].iter_mut().enumerate() {
                        let through_statistics =
                            if training { (sum_dy[c] + xhat(row, c) * sum_dy_xhat[c]) / count } else { T::zero() };
                        add(dx, weight[block.start + c] * inv_std[c] * (dy(row, c) - through_statistics), *accumulate);
                    }
                }
            }
        });
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for BatchNorm {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/batch_norm.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch =
            Dispatch::new("forward", inputs[0][1].div_ceil(COLUMNS)).join("parameters", Self::parameters([1, 2, 3, 4]));
        let outputs = ["y", "mean", "inv_std", "new_mean", "new_var"].into_iter().enumerate();
        let dispatch = outputs
            .fold(dispatch.bind("x", Operand::Input(0)), |dispatch, (i, name)| dispatch.bind(name, Operand::Output(i)));
        vec![BatchNorm::uniforms(dispatch, self.training, inputs[0])]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let dispatch = Dispatch::new("backward", inputs[0][1].div_ceil(COLUMNS)).bind("x", Operand::Input(0));
        let dispatch = dispatch.bind("weight", Operand::Input(1)).bind("kept_mean", Operand::Output(1));
        let dispatch = dispatch.bind("kept_inv_std", Operand::Output(2)).bind("dy", Operand::DOutput);
        let dispatch = BatchNorm::uniforms(dispatch, self.training, inputs[0]);
        let dispatch = dispatch.gradient(["dx", "accumulate_x"], 0, targets, len(inputs[0]));
        vec![dispatch.gradient(["dweight", "accumulate_weight"], 1, targets, inputs[0][1]).gradient(
            ["dbias", "accumulate_bias"],
            2,
            targets,
            inputs[0][1],
        )]
    }
}

impl Cases for BatchNorm {
    // two or three rows are almost the same after normalization
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        let (vector, positive) = (([1, columns], Fill::Normal), ([1, columns], Fill::Uniform(0.5, 1.5)));
        let inputs = [([rows.max(2), columns], Fill::Normal), positive, vector, vector, positive];
        vec![
            Case::new("training", BatchNorm { training: true }, inputs).least_rows(4),
            Case::new("evaluation", BatchNorm { training: false }, inputs),
        ]
    }
}
