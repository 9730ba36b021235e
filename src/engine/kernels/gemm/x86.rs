//! One compiled product per x86-64 instruction set, and the way from views to it.

use super::blocking::KC;
use super::macro_kernel::{self, PackBuffers};
use super::operands::{Destination, GemmOperand, SerialGemm};
use crate::engine::kernels::select::Kernel;
use crate::engine::tensor::{Real, View, ViewMut};
use std::arch::x86_64::{__m256, __m512};
use std::cell::RefCell;

thread_local! {
    /// Kept for the life of the thread. A product never waits, so no other one runs on this thread meanwhile.
    static PACK_BUFFERS: RefCell<PackBuffers> = const { RefCell::new(PackBuffers::EMPTY) };
}

/// Allocates the pack buffers of this thread.
pub(super) fn reserve() {
    PACK_BUFFERS.with_borrow_mut(PackBuffers::reserve);
}

/// Whether `c^T = b^T a^T` is the cheaper way to the same bits: with vectors along the rows of `a`, which are
/// transposed instead of those of `b`, or along the longer dimension. `c_by_rows`: the rows of `c` are consecutive
/// elements.
pub(super) fn transposed_is_cheaper<T: Real>(kernel: Kernel, a: &View<T>, b: &View<T>, c_by_rows: bool) -> bool {
    let [m, k, n] = [a.nrows(), a.ncols(), b.ncols()];
    if m == 1 && c_by_rows {
        return false;
    }
    let lanes = if kernel == Kernel::Avx512 { 16 } else { 8 };
    // in vector instructions: the sums, and what transposing the vectors' operand and the result adds to them
    let cost = |m: usize, n: usize, b_as_it_lies: bool, c_transposed: bool| {
        let operand = if b_as_it_lies { 1 } else { 7 };
        let result = if c_transposed { 10 } else { 1 };
        n.div_ceil(lanes) * (k * m + operand * k + result * k.div_ceil(KC) * m)
    };
    cost(n, m, a.strides()[0] == 1, c_by_rows) < cost(m, n, b.strides()[1] == 1, !c_by_rows)
}

/// `c = a b + bias`, or `c += a b` where `accumulate` is set, for a `T` that is `f32`. Where `transposed` is set, the
/// columns of `c` and of `bias` are consecutive elements, otherwise their rows.
///
/// # Panics
/// When the kernel is the portable one.
pub(super) fn gemm<T: Real>(
    kernel: Kernel,
    [accumulate, transposed]: [bool; 2],
    a: View<T>,
    b: View<T>,
    bias: Option<View<T>>,
    mut c: ViewMut<T>,
) {
    let operand =
        |v: &View<T>| GemmOperand { at: v.as_ptr().cast(), row_stride: v.strides()[0], column_stride: v.strides()[1] };
    let ((m, n), k) = (c.dim(), a.ncols());
    let gemm = SerialGemm {
        sizes: [m, k, n],
        a: operand(&a),
        b: operand(&b),
        c: Destination {
            at: c.as_mut_ptr().cast(),
            row_stride: c.strides()[0],
            column_stride: c.strides()[1],
            transposed,
            accumulate,
            bias: bias.map_or(std::ptr::null(), |bias| bias.as_ptr().cast()),
        },
    };
    PACK_BUFFERS.with_borrow_mut(|buffers| {
        // SAFETY: the caller, `parallel::run`, has checked that the CPU has the instructions and that the shapes fit;
        // the pointers are to f32, of views that are valid for their shapes and strides; `c` is borrowed mutably, so it
        // overlaps neither operand.
        unsafe {
            match kernel {
                Kernel::Avx512 => avx512(&gemm, buffers),
                Kernel::Avx2 => avx2(&gemm, buffers),
                Kernel::Portable => unreachable!("the portable kernel has no blocking of ours"),
            }
        }
    });
}

/// # Safety
/// As [`macro_kernel::gemm`]; and the CPU has AVX-512F.
#[target_feature(enable = "avx512f")]
unsafe fn avx512(gemm: &SerialGemm, buffers: &mut PackBuffers) {
    // SAFETY: the caller's promise
    unsafe { macro_kernel::gemm::<__m512>(gemm, buffers) }
}

/// # Safety
/// As [`macro_kernel::gemm`]; and the CPU has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(gemm: &SerialGemm, buffers: &mut PackBuffers) {
    // SAFETY: the caller's promise
    unsafe { macro_kernel::gemm::<__m256>(gemm, buffers) }
}
