//! A product that is forked along its depth.

use super::gemm;
use crate::kernels::reduce::add_row;
use crate::kernels::scratch::with_scratch;
use crate::kernels::split::{By, split};
use crate::tensor::{Real, View, ViewMut};
use ndarray::{Axis, s};
use std::ops::Range;

/// [`gemm`] of few rows by a large `b`, split-K: the sums over the first half of the depth are added to `beta c`, then
/// those over the second.
///
/// Each half of the rows of `b` is then read where a product by its transpose, or a pass over it, finds the same rows:
/// with two threads, by one alone. A row that both have read must be taken from one before the other can write it;
/// where the two share no cache that is slower than memory.
///
/// # Panics
/// As [`gemm`]; and when rows of `c` are not consecutive numbers.
pub fn gemm_by_depth<T: Real>(a: View<T>, b: View<T>, beta: T, mut c: ViewMut<T>) {
    let (shape, depth) = (c.dim(), a.ncols());
    // where the second half's sums are as many as `b`'s numbers, they cost more than they save
    if shape.0 > depth {
        return gemm(a, b, beta, c);
    }
    let half = depth / 2;
    with_scratch(shape.0 * shape.1, |room| {
        let ((a0, a1), (b0, b1)) = (a.split_at(Axis(1), half), b.split_at(Axis(0), half));
        let second = ViewMut::from_shape(shape, &mut *room).expect("as many numbers");
        rayon::join(|| gemm(a0, b0, beta, c.view_mut()), || gemm(a1, b1, T::zero(), second));
        let sums = View::from_shape(shape, room).expect("as many numbers");
        split(By::Rows, shape.0, shape.1, c, &|range: Range<usize>, mut c: ViewMut<T>| {
            for (mut c, sums) in c.rows_mut().into_iter().zip(sums.slice(s![range, ..]).rows()) {
                let consecutive = "rows of consecutive numbers";
                add_row(c.as_slice_mut().expect(consecutive), sums.as_slice().expect(consecutive));
            }
        });
    });
}
