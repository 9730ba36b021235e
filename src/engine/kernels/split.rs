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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// The lengths of the parts, in order, of a tensor of `rows` x `columns`.
    fn parts(by: By, [rows, columns]: [usize; 2], cost: usize) -> Vec<usize> {
        let mut values = vec![0.0_f32; rows * columns];
        let out = ViewMut::from_shape((rows, columns), &mut values).expect("so many values");
        let (extent, axis) = if by == By::Rows { (rows, Axis(0)) } else { (columns, Axis(1)) };
        let ranges = Mutex::new(Vec::new());
        split(by, extent, cost, out, &|range: Range<usize>, part: ViewMut<f32>| {
            assert_eq!(part.len_of(axis), range.len());
            ranges.lock().expect("no panic").push(range);
        });
        let mut ranges = ranges.into_inner().expect("no panic");
        ranges.sort_by_key(|range| range.start);
        let joined = ranges.iter().try_fold(0, |end, range| (range.start == end).then_some(range.end));
        assert_eq!(joined, Some(extent), "{ranges:?}");
        ranges.into_iter().map(|range| range.len()).collect()
    }

    #[test]
    fn a_tensor_is_cut_where_its_parts_are_worth_a_task() {
        assert_eq!(parts(By::Rows, [4, GRAIN / 4], GRAIN / 4), [4]);
        assert_eq!(parts(By::Rows, [5, GRAIN / 4], GRAIN / 4), [2, 3]);
        assert_eq!(parts(By::Rows, [3, 1], 2 * GRAIN), [1, 1, 1]);
        assert_eq!(parts(By::Rows, [0, 1], 1), [0]);
    }

    #[test]
    fn columns_are_cut_into_few_parts_of_whole_cache_lines() {
        assert_eq!(parts(By::Columns, [1, 150], GRAIN), [64, 64, 22]);
        assert_eq!(parts(By::Columns, [1, 64 * 64], GRAIN), [512; COLUMN_TASKS]);
    }
}
