//! The way from views to the kernels of this architecture.

use super::blocks::{DEEP, Matrix, Packed, Product};
use super::tile::Target;
use super::{Kernel, Plan, avx2, avx512};
use crate::tensor::{Real, View, ViewMut};
use std::cell::RefCell;

thread_local! {
    /// Kept for the life of the thread. A product calls nothing that could run another one on this thread meanwhile.
    static PACKED: RefCell<Packed> = const { RefCell::new(Packed::EMPTY) };
}

/// Makes the packing buffers of this thread.
pub(super) fn reserve() {
    PACKED.with_borrow_mut(Packed::reserve);
}

/// Whether `c^T = b^T a^T` is the cheaper way to the same bits: with vectors along the rows of `a`, which are
/// transposed then in place of those of `b`, or along more of a dimension than there is of the other. `by_rows`: rows
/// of `c` are consecutive elements.
pub(super) fn swap<T: Real>(kernel: Kernel, a: &View<T>, b: &View<T>, by_rows: bool) -> bool {
    let [m, k, n] = [a.nrows(), a.ncols(), b.ncols()];
    if m == 1 && by_rows {
        return false;
    }
    let lanes = if kernel == Kernel::Avx512 { 16 } else { 8 };
    // in vector instructions: the sums, and what transposing adds to them for the vectors' operand and for the result
    let cost = |m: usize, n: usize, in_place: bool, turned: bool| {
        let operand = if in_place { 1 } else { 7 };
        let result = if turned { 10 } else { 1 };
        n.div_ceil(lanes) * (k * m + operand * k + result * k.div_ceil(DEEP) * m)
    };
    cost(n, m, a.strides()[0] == 1, by_rows) < cost(m, n, b.strides()[1] == 1, !by_rows)
}

/// One task of a product whose `T` is `f32`.
pub(super) fn product<T: Real>(plan: &Plan<T>, a: View<T>, b: View<T>, bias: Option<View<T>>, mut c: ViewMut<T>) {
    let matrix = |v: &View<T>| Matrix { at: v.as_ptr().cast(), row: v.strides()[0], column: v.strides()[1] };
    let ((m, n), k) = (c.dim(), a.ncols());
    let product = Product {
        sizes: [m, k, n],
        a: matrix(&a),
        b: matrix(&b),
        c: Target {
            at: c.as_mut_ptr().cast(),
            row: c.strides()[0],
            column: c.strides()[1],
            turned: plan.turned,
            add: plan.beta != T::zero(),
            bias: bias.map_or(std::ptr::null(), |bias| bias.as_ptr().cast()),
        },
    };
    PACKED.with_borrow_mut(|packed| {
        // SAFETY: `start` has checked that the CPU has the instructions and that the shapes fit; the pointers are to
        // f32, of views valid for their shapes and strides; `c` is borrowed mutably, so it overlaps neither operand.
        unsafe {
            match plan.kernel {
                Kernel::Avx512 => avx512::product(&product, packed),
                Kernel::Avx2 => avx2::product(&product, packed),
                Kernel::Portable => unreachable!("has no packing of ours"),
            }
        }
    });
}
