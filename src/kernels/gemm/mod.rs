//! Matrix products: micro-kernels for AVX-512 and AVX2, `matrixmultiply` elsewhere and for f64, forked by shape.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocks;
mod depth;
#[cfg(target_arch = "x86_64")]
mod pack;
#[cfg(target_arch = "x86_64")]
mod row;
mod select;
#[cfg(target_arch = "x86_64")]
mod tile;
#[cfg(target_arch = "x86_64")]
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use depth::gemm_by_depth;
pub use select::{Kernel, VARIABLE};

use crate::tensor::{Real, View, ViewMut};
use ndarray::Axis;
#[cfg(target_arch = "x86_64")]
use std::any::TypeId;

/// Multiply-adds worth a task of their own (about 20 µs of one core).
const GRAIN: usize = 1 << 20;

/// A product is cut into at most this many tasks: each packs its operands anew.
const TASKS: usize = 8;

/// Rows and columns are cut at multiples of these, so that tiles stay whole.
const UNIT: [usize; 2] = [16, 48];

/// `c = a b` (`beta` 0: `c` is not read) or `c = a b + beta c`; `a` `[M, K]`, `b` `[K, N]`, `c` `[M, N]`; transposed
/// views (`.t()`) are as good as plain ones.
///
/// Each element of `c` sums over K in one order whatever the cut, so the bits do not depend on the number of threads;
/// nor on the other rows and columns, unless M is 1, which has an order of its own.
///
/// # Panics
/// When the shapes do not fit, or the environment asks for a kernel that is not there ([`Kernel::selected`]).
pub fn gemm<T: Real>(a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    gemm_on(Kernel::in_use(), a, b, beta, c);
}

/// `c = a b + bias`: `bias` `[1, N]` is added to every row, to the finished sum, and `c` is not read; otherwise as
/// [`gemm`].
///
/// # Panics
/// As [`gemm`].
pub fn gemm_bias<T: Real>(a: View<T>, b: View<T>, bias: View<T>, c: ViewMut<T>) {
    gemm_bias_on(Kernel::in_use(), a, b, bias, c);
}

/// [`gemm`] on this thread alone: for a part of something that is forked already.
///
/// # Panics
/// As [`gemm`].
pub fn gemm_alone<T: Real>(a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    start(Kernel::in_use(), usize::MAX, a, b, beta, None, c);
}

/// [`gemm`] by this kernel, for tests and benches.
///
/// # Panics
/// When the shapes do not fit or this CPU cannot run the kernel.
pub fn gemm_on<T: Real>(kernel: Kernel, a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    start(kernel, 0, a, b, beta, None, c);
}

/// [`gemm_bias`] by this kernel.
///
/// # Panics
/// As [`gemm_on`].
pub fn gemm_bias_on<T: Real>(kernel: Kernel, a: View<T>, b: View<T>, bias: View<T>, c: ViewMut<T>) {
    assert!(bias.dim() == (1, c.ncols()), "gemm: a bias {:?} for {:?}", bias.dim(), c.dim());
    let every_row = bias.broadcast(c.dim()).expect("one row");
    start(kernel, 0, a, b, T::zero(), Some(every_row), c);
}

/// Makes the packing buffers of this thread, or of all threads of the pool that it belongs to, so that no later product
/// allocates.
pub fn reserve() {
    #[cfg(target_arch = "x86_64")]
    match rayon::current_thread_index() {
        Some(_) => drop(rayon::broadcast(|_| x86::reserve())),
        None => x86::reserve(),
    }
}

/// What all tasks of a product have in common.
struct Plan<T> {
    /// Elsewhere there is one.
    #[cfg(target_arch = "x86_64")]
    kernel: Kernel,
    beta: T,
    /// Columns of `c` are consecutive elements, not rows; `matrixmultiply` goes by the strides.
    #[cfg(target_arch = "x86_64")]
    turned: bool,
    /// Multiply-adds of a task, at most.
    grain: usize,
}

/// `bias` has the shape of `c`; no task is smaller than `least` multiply-adds.
fn start<T: Real>(kernel: Kernel, least: usize, a: View<T>, b: View<T>, beta: T, bias: Option<View<T>>, c: ViewMut<T>) {
    let ([m, k], [kb, n]) = ([a.nrows(), a.ncols()], [b.nrows(), b.ncols()]);
    assert!(k == kb && c.dim() == (m, n), "gemm: [{m}, {k}] x [{kb}, {n}] into {:?}", c.dim());
    assert!(kernel.available(), "gemm: this CPU cannot run {kernel:?}");
    // a single row takes as long as its matrix takes to arrive
    let grain = if m == 1 { GRAIN / 8 } else { GRAIN };
    let grain = (m * k * n / TASKS).max(grain).max(least);
    #[cfg(not(target_arch = "x86_64"))]
    let plan = Plan { beta, grain };
    #[cfg(target_arch = "x86_64")]
    let (mut plan, mut c) = (Plan { kernel, beta, turned: false, grain }, c);
    #[cfg(target_arch = "x86_64")]
    {
        let by_rows = n == 1 || c.strides()[1] == 1;
        let vectors = by_rows || m == 1 || c.strides()[0] == 1;
        if let Some(bias) = bias.filter(|bias| !by_rows || bias.strides()[1] != 1) {
            // no vectors of it: a pass of its own
            start(kernel, least, a, b, beta, None, c.view_mut());
            return c.zip_mut_with(&bias, |c, bias| *c += *bias);
        }
        if TypeId::of::<T>() != TypeId::of::<f32>() || m * k * n == 0 || !vectors {
            // neither an empty sum nor a `c` without vectors occurs in a model
            plan.kernel = Kernel::Portable;
        }
        if plan.kernel != Kernel::Portable {
            if beta != T::zero() && beta != T::one() {
                c.mapv_inplace(|x| beta * x);
            }
            let swap = x86::swap(kernel, &a, &b, by_rows);
            plan.turned = by_rows == swap;
            if swap {
                let bias = bias.map(View::reversed_axes);
                return recurse(&plan, b.reversed_axes(), a.reversed_axes(), bias, c.reversed_axes());
            }
        }
    }
    recurse(&plan, a, b, bias, c);
}

fn recurse<T: Real>(plan: &Plan<T>, a: View<T>, b: View<T>, bias: Option<View<T>>, c: ViewMut<T>) {
    let (m, n, k) = (c.nrows(), c.ncols(), a.ncols());
    if m * n * k <= plan.grain || m.max(n) < 64 {
        return product(plan, a, b, bias, c);
    }
    let by_columns = n >= m;
    let axis = Axis(usize::from(by_columns));
    let half = (c.len_of(axis) / 2).next_multiple_of(UNIT[axis.0]);
    let (c0, c1) = c.split_at(axis, half);
    let (bias0, bias1) = bias.map(|bias| bias.split_at(axis, half)).unzip();
    let ((a0, b0), (a1, b1)) = if by_columns {
        let (b0, b1) = b.split_at(axis, half);
        ((a, b0), (a, b1))
    } else {
        let (a0, a1) = a.split_at(axis, half);
        ((a0, b), (a1, b))
    };
    rayon::join(|| recurse(plan, a0, b0, bias0, c0), || recurse(plan, a1, b1, bias1, c1));
}

fn product<T: Real>(plan: &Plan<T>, a: View<T>, b: View<T>, bias: Option<View<T>>, c: ViewMut<T>) {
    #[cfg(target_arch = "x86_64")]
    if plan.kernel != Kernel::Portable {
        return x86::product(plan, a, b, bias, c);
    }
    portable(plan.beta, a, b, bias, c);
}

/// By `matrixmultiply`.
fn portable<T: Real>(beta: T, a: View<T>, b: View<T>, bias: Option<View<T>>, mut c: ViewMut<T>) {
    let strides = |s: &[isize]| [s[0], s[1]];
    // SAFETY: the views are valid for their shapes and strides, the shapes fit (checked in `start`), and `c` is
    // borrowed mutably, so it overlaps neither operand.
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
    if let Some(bias) = bias {
        c.zip_mut_with(&bias, |c, bias| *c += *bias);
    }
}
