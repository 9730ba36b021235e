//! Sums in a fixed order.

use super::split::{By, split};
use super::vectorized::vectorized;
use crate::engine::tensor::{Gradient, Real, View, ViewMut, add};
use std::ops::{Add, Range};

/// Independent partial sums, so that the compiler can use vector registers. They are added up in order at the end.
const LANES: usize = 16;

/// The sum of `f(i)` over `0..n`, in `LANES` interleaved partial sums.
#[inline(always)]
pub fn sum<T: Real>(n: usize, f: impl Fn(usize) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    for start in (0..n - n % LANES).step_by(LANES) {
        for (lane, acc) in lanes.iter_mut().enumerate() {
            *acc += f(start + lane);
        }
    }
    let tail = (n - n % LANES..n).map(f).sum::<T>();
    lanes.into_iter().sum::<T>() + tail
}

/// The values that one task sums.
const CHUNK: usize = 1 << 15;

/// The sum of `of` over chunks of the values, in parallel: a tree that depends on the number of values alone.
fn tree_sum<T: Real, S: Add<Output = S> + Send>(values: &[T], of: &(impl Fn(&[T]) -> S + Sync)) -> S {
    if values.len() <= CHUNK {
        return of(values);
    }
    let (a, b) = values.split_at((values.len() / 2).next_multiple_of(CHUNK));
    let (a, b) = rayon::join(|| tree_sum(a, of), || tree_sum(b, of));
    a + b
}

/// The sum of squares in f64, for norms of millions of values.
pub fn sum_of_squares<T: Real>(values: &[T]) -> f64 {
    tree_sum(values, &|values| {
        let mut total = 0.0;
        squares(values, &mut total);
        total
    })
}

/// The sum of all values; 0 if there are none.
pub fn total<T: Real>(values: &[T]) -> T {
    tree_sum(values, &|values| {
        let mut total = [T::zero()];
        sums_of_lines(values, values.len(), &mut total);
        total[0]
    })
}

/// `out` `[B, 1]` becomes the sums of the rows of `x` `[B, N]`.
///
/// # Panics
/// When a tensor is not contiguous.
pub fn row_sums<T: Real>(x: View<T>, out: ViewMut<T>) {
    let [rows, columns] = [x.nrows(), x.ncols()];
    let x = x.as_slice().expect("tensors are contiguous");
    split(By::Rows, rows, columns, out, &|range: Range<usize>, mut out: ViewMut<T>| {
        let out = out.as_slice_mut().expect("tensors are contiguous");
        sums_of_lines(&x[range.start * columns..range.end * columns], columns, out);
    });
}

/// Adds `factor` times a sum to the gradient of each of its terms, or overwrites this. `sums` has one row or one per
/// row of `out`, and one column or one per column of `out`. Does nothing without an `out`.
///
/// # Panics
/// When a tensor is not contiguous, or the shapes do not fit.
pub fn spread<T: Real>(sums: View<T>, factor: T, out: &mut Option<Gradient<T>>) {
    let Some(Gradient { values, accumulate }) = out else { return };
    let [rows, columns] = [values.nrows(), values.ncols()];
    let fits = |extent, of| extent == 1 || extent == of;
    assert!(fits(sums.nrows(), rows) && fits(sums.ncols(), columns), "{:?} of {:?}", sums.dim(), values.dim());
    let steps = [if sums.nrows() == 1 { 0 } else { sums.ncols() }, usize::from(sums.ncols() > 1)];
    let contiguous = "tensors are contiguous";
    let sums = sums.as_slice().expect(contiguous);
    split(By::Rows, rows, columns, values.view_mut(), &|range: Range<usize>, mut out: ViewMut<T>| {
        let (sums, out) = (&sums[range.start * steps[0]..], out.as_slice_mut().expect(contiguous));
        spread_lines(sums, steps, factor, out, columns, *accumulate);
    });
}

/// Adds the column sums of `x` `[B, N]` to `out` `[1, N]`, rows in order.
///
/// # Panics
/// When `x` is not contiguous, or `out` differs in its number of columns.
pub fn column_sums<T: Real>(x: View<T>, out: &mut Gradient<T>) {
    let (accumulate, columns) = (out.accumulate, x.ncols());
    let x_rows = x.as_slice().expect("tensors are contiguous");
    split(By::Columns, columns, x.nrows(), out.values.view_mut(), &|range: Range<usize>, mut out: ViewMut<T>| {
        let out = out.as_slice_mut().expect("one row");
        if !accumulate {
            out.fill(T::zero());
        }
        for row in x_rows.chunks_exact(columns.max(1)) {
            add_row(out, &row[range.clone()]);
        }
    });
}

vectorized! {
    fn squares<T>(values: &[T], total: &mut f64) {
        *total = sum(values.len(), |i| values[i].wide() * values[i].wide());
    }

    /// The sum of each line of `len` values.
    fn sums_of_lines<T>(values: &[T], len: usize, out: &mut [T]) {
        for (i, out) in out.iter_mut().enumerate() {
            let line = &values[i * len..(i + 1) * len];
            *out = sum(len, |i| line[i]);
        }
    }

    /// `steps`: how far apart the sums of adjacent rows, and of adjacent columns, are: 0 where they share one.
    fn spread_lines<T>(sums: &[T], steps: [usize; 2], factor: T, out: &mut [T], columns: usize, accumulate: bool) {
        for (row, out) in out.chunks_exact_mut(columns.max(1)).enumerate() {
            let sums = &sums[row * steps[0]..];
            if steps[1] == 0 {
                let value = factor * sums[0];
                out.iter_mut().for_each(|out| add(out, value, accumulate));
            } else {
                out.iter_mut().zip(sums).for_each(|(out, sum)| add(out, factor * *sum, accumulate));
            }
        }
    }

    /// `out += row`
    pub(super) fn add_row<T>(out: &mut [T], row: &[T]) {
        for (o, v) in out.iter_mut().zip(row) {
            *o += *v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More values than a chunk, and a remainder.
    #[test]
    fn a_sum_of_squares_has_every_value_once() {
        let values: Vec<f32> = (1..=CHUNK + 5).map(|i| (i % 7) as f32).collect();
        let wanted: f32 = values.iter().map(|x| x * x).sum();
        assert_eq!(sum_of_squares(&values), f64::from(wanted));
    }
}
