//! Matrix products: micro-kernels for AVX-512 and AVX2, `matrixmultiply` elsewhere and for f64, forked by shape.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocks;
#[cfg(target_arch = "x86_64")]
mod pack;
mod select;
#[cfg(target_arch = "x86_64")]
mod vector;

pub use select::{Kernel, VARIABLE};

use crate::tensor::{Real, View, ViewMut};
use ndarray::Axis;
use std::any::TypeId;

/// Multiply-adds worth a task of their own (about 20 µs of one core).
const GRAIN: usize = 1 << 20;

/// A product is cut into at most this many tasks: each packs its operands anew.
const TASKS: usize = 8;

/// Rows and columns are cut at multiples of these, so that tiles stay whole.
const UNIT: [usize; 2] = [24, 48];

/// `c = a b` (`beta` 0: `c` is not read) or `c = a b + beta c`; `a` `[M, K]`, `b` `[K, N]`, `c` `[M, N]`; transposed views
/// (`.t()`) are as good as plain ones.
///
/// Each element of `c` sums over K in one order whatever the cut, so the bits do not depend on the number of threads.
///
/// # Panics
/// When the shapes do not fit, or the environment asks for a kernel that is not there ([`Kernel::selected`]).
pub fn gemm<T: Real>(a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    gemm_on(Kernel::selected().unwrap_or_else(|problem| panic!("{problem}")), a, b, beta, c);
}

/// `c = a b + bias`, the `bias` `[1, N]` under every row; `c` is not read.
pub fn gemm_bias<T: Real>(a: View<T>, b: View<T>, bias: View<T>, mut c: ViewMut<T>) {
    c.assign(&bias);
    gemm(a, b, T::one(), c);
}

/// [`gemm`] by this kernel, for tests and benches.
///
/// # Panics
/// When the shapes do not fit or this CPU cannot run the kernel.
pub fn gemm_on<T: Real>(kernel: Kernel, a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    let ([m, k], [kb, n]) = ([a.nrows(), a.ncols()], [b.nrows(), b.ncols()]);
    assert!(k == kb && c.dim() == (m, n), "gemm: [{m}, {k}] x [{kb}, {n}] into {:?}", c.dim());
    assert!(kernel.available(), "gemm: this CPU cannot run {kernel:?}");
    recurse(kernel, a, b, beta, c, (m * k * n / TASKS).max(GRAIN));
}

/// Makes the packing buffers of this thread, or of all threads of the pool that it belongs to, so that no later product allocates.
pub fn reserve() {
    #[cfg(target_arch = "x86_64")]
    match rayon::current_thread_index() {
        Some(_) => drop(rayon::broadcast(|_| x86::PACKED.with_borrow_mut(blocks::Packed::reserve))),
        None => x86::PACKED.with_borrow_mut(blocks::Packed::reserve),
    }
}

fn recurse<T: Real>(kernel: Kernel, a: View<T>, b: View<T>, beta: T, c: ViewMut<T>, grain: usize) {
    let (m, n, k) = (c.nrows(), c.ncols(), a.ncols());
    if m * n * k <= grain || m.max(n) < 64 {
        return product(kernel, a, b, beta, c);
    }
    if n >= m {
        let half = (n / 2).next_multiple_of(UNIT[1]);
        let ((b0, b1), (c0, c1)) = (b.split_at(Axis(1), half), c.split_at(Axis(1), half));
        rayon::join(|| recurse(kernel, a, b0, beta, c0, grain), || recurse(kernel, a, b1, beta, c1, grain));
    } else {
        let half = (m / 2).next_multiple_of(UNIT[0]);
        let ((a0, a1), (c0, c1)) = (a.split_at(Axis(0), half), c.split_at(Axis(0), half));
        rayon::join(|| recurse(kernel, a0, b, beta, c0, grain), || recurse(kernel, a1, b, beta, c1, grain));
    }
}

fn product<T: Real>(kernel: Kernel, a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    #[cfg(target_arch = "x86_64")]
    if kernel != Kernel::Portable && TypeId::of::<T>() == TypeId::of::<f32>() {
        return x86::product(kernel, a, b, beta, c);
    }
    portable(a, b, beta, c);
}

/// By `matrixmultiply`.
fn portable<T: Real>(a: View<T>, b: View<T>, beta: T, mut c: ViewMut<T>) {
    let strides = |s: &[isize]| [s[0], s[1]];
    // SAFETY: the views are valid for their shapes and strides, the shapes fit (checked in `gemm_on`), and `c` is borrowed
    // mutably, so it overlaps neither operand.
    unsafe {
        T::gemm(
            [a.nrows(), a.ncols(), b.ncols()],
            T::one(),
            (a.as_ptr(), strides(a.strides())),
            (b.as_ptr(), strides(b.strides())),
            beta,
            (c.as_mut_ptr(), strides(c.strides())),
        );
    }
}

/// The way from views to the kernels of this architecture.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::blocks::{Matrix, Packed, Product};
    use super::{Kernel, avx2, avx512};
    use crate::tensor::{Real, View, ViewMut};
    use std::cell::RefCell;

    thread_local! {
        /// Kept for the life of the thread. A product calls nothing that could run another one on this thread meanwhile.
        pub static PACKED: RefCell<Packed> = const { RefCell::new(Packed::EMPTY) };
    }

    /// `T` is `f32`.
    pub fn product<T: Real>(kernel: Kernel, a: View<T>, b: View<T>, beta: T, mut c: ViewMut<T>) {
        let ((m, n), k) = (c.dim(), a.ncols());
        if m * n * k == 0 || !(n == 1 || c.strides()[1] == 1) {
            // an empty sum, or a `c` whose rows are no vectors: neither occurs in a model
            return super::portable(a, b, beta, c);
        }
        if beta != T::zero() && beta != T::one() {
            c.mapv_inplace(|x| beta * x);
        }
        let matrix = |v: &View<T>| Matrix { at: v.as_ptr().cast(), row: v.strides()[0], column: v.strides()[1] };
        let product = Product {
            sizes: [m, k, n],
            a: matrix(&a),
            b: matrix(&b),
            c: c.as_mut_ptr().cast(),
            c_row: c.strides()[0],
            add: beta != T::zero(),
        };
        PACKED.with_borrow_mut(|packed| {
            // SAFETY: `gemm_on` has checked that the CPU has the instructions and that the shapes fit; the pointers are to f32, of
            // views valid for their shapes and strides; `c` is borrowed mutably, so it overlaps neither operand.
            unsafe {
                match kernel {
                    Kernel::Avx512 => avx512::product(&product, packed),
                    Kernel::Avx2 => avx2::product(&product, packed),
                    Kernel::Portable => unreachable!("has no packing of ours"),
                }
            }
        });
    }
}
