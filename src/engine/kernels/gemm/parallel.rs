//! Products cut into tasks by their shape, and the kernel that each task runs.

#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::engine::kernels::select::Kernel;
use crate::engine::tensor::{Real, View, ViewMut};
use ndarray::Axis;
#[cfg(target_arch = "x86_64")]
use std::any::TypeId;

/// The smallest task, in multiply-adds: about 20 µs of one core.
const SMALLEST_TASK: usize = 1 << 20;

/// The most tasks of a product for each of several threads: a thread that comes late leaves one to the others, but each
/// task packs its own operands.
const TASKS_PER_THREAD: usize = 2;

/// Rows and columns are cut at multiples of these, so that tiles stay whole.
const CUT_MULTIPLES: [usize; 2] = [16, 48];

/// `c = a b` (`beta` 0: `c` is not read) or `c = a b + beta c`; `a` `[M, K]`, `b` `[K, N]`, `c` `[M, N]`. Transposed
/// views (`.t()`) are as good as plain ones.
///
/// Each element of `c` sums over K in one order however the product is cut, so the bits do not depend on the number of
/// threads. Nor do they depend on the other rows and columns, unless M is 1: a single row has its own order.
///
/// # Panics
/// When the shapes do not fit, or the environment names a kernel that is not there ([`Kernel::selected`]).
pub fn gemm<T: Real>(a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    gemm_on(Kernel::in_use(), a, b, beta, c);
}

/// `c = a b + bias`: `bias` `[1, N]` is added to every row of the finished sum, and `c` is not read. Otherwise as
/// [`gemm`].
///
/// # Panics
/// As [`gemm`].
pub fn gemm_bias<T: Real>(a: View<T>, b: View<T>, bias: View<T>, c: ViewMut<T>) {
    gemm_bias_on(Kernel::in_use(), a, b, bias, c);
}

/// [`gemm`] on this thread alone, for a part of something that is parallel already.
///
/// # Panics
/// As [`gemm`].
pub fn gemm_serial<T: Real>(a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    run(Kernel::in_use(), usize::MAX, a, b, beta, None, c);
}

/// [`gemm`] by this kernel, for tests and benches.
///
/// # Panics
/// When the shapes do not fit or this CPU cannot run the kernel.
pub fn gemm_on<T: Real>(kernel: Kernel, a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    run(kernel, 0, a, b, beta, None, c);
}

/// [`gemm_bias`] by this kernel.
///
/// # Panics
/// As [`gemm_on`].
pub fn gemm_bias_on<T: Real>(kernel: Kernel, a: View<T>, b: View<T>, bias: View<T>, c: ViewMut<T>) {
    assert!(bias.dim() == (1, c.ncols()), "gemm: a bias {:?} for {:?}", bias.dim(), c.dim());
    let every_row = bias.broadcast(c.dim()).expect("one row");
    run(kernel, 0, a, b, T::zero(), Some(every_row), c);
}

/// Allocates the pack buffers of this thread, or of all threads of its pool, so that no later product allocates.
pub fn reserve_pack_buffers() {
    #[cfg(target_arch = "x86_64")]
    match rayon::current_thread_index() {
        Some(_) => drop(rayon::broadcast(|_| x86::reserve())),
        None => x86::reserve(),
    }
}

/// What all tasks of a product have in common.
struct Settings<T> {
    /// On other architectures there is only one.
    #[cfg(target_arch = "x86_64")]
    kernel: Kernel,
    beta: T,
    /// The columns of `c` are consecutive elements, not its rows; `matrixmultiply` goes by the strides.
    #[cfg(target_arch = "x86_64")]
    transposed: bool,
    /// The largest task, in multiply-adds.
    task: usize,
}

/// `bias` has the shape of `c`; no task is smaller than `smallest` multiply-adds.
fn run<T: Real>(
    kernel: Kernel,
    smallest: usize,
    a: View<T>,
    b: View<T>,
    beta: T,
    bias: Option<View<T>>,
    c: ViewMut<T>,
) {
    let ([m, k], [kb, n]) = ([a.nrows(), a.ncols()], [b.nrows(), b.ncols()]);
    assert!(k == kb && c.dim() == (m, n), "gemm: [{m}, {k}] x [{kb}, {n}] into {:?}", c.dim());
    assert!(kernel.available(), "gemm: this CPU cannot run {kernel:?}");
    // the time of a single row is the time its matrix takes to arrive
    let task = if m == 1 { SMALLEST_TASK / 8 } else { SMALLEST_TASK };
    let most_tasks = match rayon::current_num_threads() {
        1 => 1,
        threads => TASKS_PER_THREAD * threads,
    };
    let task = (m * k * n / most_tasks).max(task).max(smallest);
    #[cfg(not(target_arch = "x86_64"))]
    let settings = Settings { beta, task };
    #[cfg(target_arch = "x86_64")]
    let (mut settings, mut c) = (Settings { kernel, beta, transposed: false, task }, c);
    #[cfg(target_arch = "x86_64")]
    {
        let by_rows = n == 1 || c.strides()[1] == 1;
        let vectors = by_rows || m == 1 || c.strides()[0] == 1;
        if let Some(bias) = bias.filter(|bias| !by_rows || bias.strides()[1] != 1) {
            // the kernels cannot load vectors of this bias: add it in a second pass
            run(kernel, smallest, a, b, beta, None, c.view_mut());
            return c.zip_mut_with(&bias, |c, bias| *c += *bias);
        }
        if TypeId::of::<T>() != TypeId::of::<f32>() || m * k * n == 0 || !vectors {
            // neither an empty sum nor a `c` without vectors occurs in a model
            settings.kernel = Kernel::Portable;
        }
        if settings.kernel != Kernel::Portable {
            if beta != T::zero() && beta != T::one() {
                c.mapv_inplace(|x| beta * x);
            }
            let swap = x86::transposed_is_cheaper(kernel, &a, &b, by_rows);
            settings.transposed = by_rows == swap;
            if swap {
                let bias = bias.map(View::reversed_axes);
                return fork(&settings, b.reversed_axes(), a.reversed_axes(), bias, c.reversed_axes());
            }
        }
    }
    fork(&settings, a, b, bias, c);
}

/// Cuts the longer dimension of `c` in two until a part is one task.
fn fork<T: Real>(settings: &Settings<T>, a: View<T>, b: View<T>, bias: Option<View<T>>, c: ViewMut<T>) {
    let (m, n, k) = (c.nrows(), c.ncols(), a.ncols());
    if m * n * k <= settings.task || m.max(n) < 64 {
        return serial(settings, a, b, bias, c);
    }
    let by_columns = n >= m;
    let axis = Axis(usize::from(by_columns));
    let half = (c.len_of(axis) / 2).next_multiple_of(CUT_MULTIPLES[axis.0]);
    let (c0, c1) = c.split_at(axis, half);
    let (bias0, bias1) = bias.map(|bias| bias.split_at(axis, half)).unzip();
    let ((a0, b0), (a1, b1)) = if by_columns {
        let (b0, b1) = b.split_at(axis, half);
        ((a, b0), (a, b1))
    } else {
        let (a0, a1) = a.split_at(axis, half);
        ((a0, b), (a1, b))
    };
    rayon::join(|| fork(settings, a0, b0, bias0, c0), || fork(settings, a1, b1, bias1, c1));
}

fn serial<T: Real>(settings: &Settings<T>, a: View<T>, b: View<T>, bias: Option<View<T>>, c: ViewMut<T>) {
    #[cfg(target_arch = "x86_64")]
    if settings.kernel != Kernel::Portable {
        let accumulate = settings.beta != T::zero();
        return x86::gemm(settings.kernel, [accumulate, settings.transposed], a, b, bias, c);
    }
    portable(settings.beta, a, b, bias, c);
}

/// By `matrixmultiply`.
fn portable<T: Real>(beta: T, a: View<T>, b: View<T>, bias: Option<View<T>>, mut c: ViewMut<T>) {
    let strides = |s: &[isize]| [s[0], s[1]];
    // SAFETY: the views are valid for their shapes and strides, the shapes fit (checked in `run`), and `c` is borrowed
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
    if let Some(bias) = bias {
        c.zip_mut_with(&bias, |c, bias| *c += *bias);
    }
}
