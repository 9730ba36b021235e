//! Fork-join over the rows or columns of the tensors that a kernel writes.

use crate::engine::tensor::{Gradient, ViewMut};
use ndarray::Axis;
use std::ops::Range;

/// The smallest task, in elements: for fewer, the fork costs more than it saves.
const GRAIN: usize = 1 << 14;

/// The most tasks that columns are cut into: short rows are slow to walk.
const COLUMN_TASKS: usize = 8;

/// The axis along which the written tensors are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Rows,
    Columns,
}

/// The output of a kernel: a tensor, an optional one, or several of equal extent along the axis.
pub trait Splittable: Send + Sized {
    /// Cuts in two at `index` of `axis`.
    fn split(self, axis: Axis, index: usize) -> (Self, Self);
}

impl<T: Send> Splittable for ViewMut<'_, T> {
    fn split(self, axis: Axis, index: usize) -> (Self, Self) {
        self.split_at(axis, index)
    }
}

impl<T: Send> Splittable for Gradient<'_, T> {
    fn split(self, axis: Axis, index: usize) -> (Self, Self) {
        let (a, b) = self.values.split_at(axis, index);
        (Gradient { values: a, accumulate: self.accumulate }, Gradient { values: b, accumulate: self.accumulate })
    }
}

impl<S: Splittable> Splittable for Option<S> {
    fn split(self, axis: Axis, index: usize) -> (Self, Self) {
        self.map(|s| s.split(axis, index)).unzip()
    }
}

impl<A: Splittable, B: Splittable> Splittable for (A, B) {
    fn split(self, axis: Axis, index: usize) -> (Self, Self) {
        let ((a0, a1), (b0, b1)) = (self.0.split(axis, index), self.1.split(axis, index));
        ((a0, b0), (a1, b1))
    }
}

impl<A: Splittable, B: Splittable, C: Splittable> Splittable for (A, B, C) {
    fn split(self, axis: Axis, index: usize) -> (Self, Self) {
        let ((a0, a1), (b0, b1)) = (self.0.split(axis, index), self.1.split(axis, index));
        let (c0, c1) = self.2.split(axis, index);
        ((a0, b0, c0), (a1, b1, c1))
    }
}

/// Calls `work(range, part)` for parts of `out` that together cover its `extent` rows or columns, in parallel where the
/// `extent * cost` elements are many. A part holds the sub-tensors of `out` at that range.
pub fn split<S: Splittable>(by: By, extent: usize, cost: usize, out: S, work: &(impl Fn(Range<usize>, S) + Sync)) {
    let axis = Axis(if by == By::Rows { 0 } else { 1 });
    // columns are cut into whole cache lines, so that no two tasks write to the same one
    let (unit, smallest) = if by == By::Rows { (1, 1) } else { (64, extent / COLUMN_TASKS) };
    recurse(axis, unit, (GRAIN / cost.max(1)).max(unit).max(smallest), 0..extent, out, work);
}

fn recurse<S: Splittable>(
    axis: Axis,
    unit: usize,
    grain: usize,
    range: Range<usize>,
    out: S,
    work: &(impl Fn(Range<usize>, S) + Sync),
) {
    if range.len() <= grain {
        return work(range, out);
    }
    let half = (range.len() / 2).next_multiple_of(unit);
    let middle = range.start + half;
    let (a, b) = out.split(axis, half);
    rayon::join(
        || recurse(axis, unit, grain, range.start..middle, a, work),
        || recurse(axis, unit, grain, middle..range.end, b, work),
    );
}
