//! Sums in a fixed order.

use super::split::{By, split};
use super::vectorized::vectorized;
use crate::engine::tensor::{Gradient, Real, View, ViewMut};
use std::ops::Range;

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

/// The sum of squares in f64, for norms of millions of values.
pub fn sum_of_squares<T: Real>(values: &[T]) -> f64 {
    /// The values that one task sums; the tree of tasks depends on the length alone.
    const CHUNK: usize = 1 << 15;
    if values.len() <= CHUNK {
        let mut total = 0.0;
        squares(values, &mut total);
        return total;
    }
    let (a, b) = values.split_at((values.len() / 2).next_multiple_of(CHUNK));
    let (a, b) = rayon::join(|| sum_of_squares(a), || sum_of_squares(b));
    a + b
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

    /// `out += row`
    pub(super) fn add_row<T>(out: &mut [T], row: &[T]) {
        for (o, v) in out.iter_mut().zip(row) {
            *o += *v;
        }
    }
}
