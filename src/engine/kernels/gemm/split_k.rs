//! A product that is cut along its depth: split-K.

use super::parallel::gemm;
use crate::engine::kernels::reduce::add_row;
use crate::engine::kernels::split::{By, split};
use crate::engine::kernels::workspace::with_workspace;
use crate::engine::tensor::{Real, View, ViewMut};
use ndarray::{Axis, s};
use std::ops::Range;

/// [`gemm`] of few rows by a large `b`: the sums over the first half of the depth are added to `beta c`, then those
/// over the second half.
///
/// Two threads then read different rows of `b`, each the same ones that it reads in a product by the transpose of `b`
/// or in a pass over `b`. A cache line that both threads have read must leave one's cache before the other can write
/// it; where the two share no cache, that is slower than memory.
///
/// # Panics
/// As [`gemm`]; and when rows of `c` are not consecutive numbers.
pub fn gemm_split_k<T: Real>(a: View<T>, b: View<T>, beta: T, mut c: ViewMut<T>) {
    let (shape, depth) = (c.dim(), a.ncols());
    // with more rows than this, the second half's sums cost more than split-K saves
    if shape.0 > depth {
        return gemm(a, b, beta, c);
    }
    let half = depth / 2;
    with_workspace(shape.0 * shape.1, |workspace| {
        let ((a0, a1), (b0, b1)) = (a.split_at(Axis(1), half), b.split_at(Axis(0), half));
        let second = ViewMut::from_shape(shape, &mut *workspace).expect("the workspace has one number per element");
        rayon::join(|| gemm(a0, b0, beta, c.view_mut()), || gemm(a1, b1, T::zero(), second));
        let sums = View::from_shape(shape, workspace).expect("the workspace has one number per element");
        split(By::Rows, shape.0, shape.1, c, &|range: Range<usize>, mut c: ViewMut<T>| {
            for (mut c, sums) in c.rows_mut().into_iter().zip(sums.slice(s![range, ..]).rows()) {
                let consecutive = "contiguous rows";
                add_row(c.as_slice_mut().expect(consecutive), sums.as_slice().expect(consecutive));
            }
        });
    });
}
