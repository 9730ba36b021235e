//! The numbers and shapes of the engine: every tensor is a row-major matrix, a vector `[1, N]`, a scalar `[1, 1]`.

use ndarray::{ArrayView2, ArrayViewMut2};
use std::iter::Sum;
use std::ops::{AddAssign, SubAssign};

/// `[rows, columns]`.
pub type Shape = [usize; 2];

/// A tensor that is read: contiguous, row-major.
pub type View<'a, T> = ArrayView2<'a, T>;

/// A tensor that is written.
pub type ViewMut<'a, T> = ArrayViewMut2<'a, T>;

/// A tensor that a gradient is added to. A fresh one holds nothing yet: whatever lies there is overwritten, all of it,
/// which saves filling it with zeros first.
pub struct Gradient<'a, T> {
    pub values: ViewMut<'a, T>,
    pub fresh: bool,
}

impl<T: Real> Gradient<'_, T> {
    /// The same, for a while.
    pub fn view_mut(&mut self) -> Gradient<'_, T> {
        Gradient { values: self.values.view_mut(), fresh: self.fresh }
    }

    /// What the old values count in `new = sum + beta old`.
    pub fn beta(&self) -> T {
        if self.fresh { T::zero() } else { T::one() }
    }
}

/// Adds `value` to an element of a gradient, or puts it there.
#[inline(always)]
pub fn add<T: Real>(to: &mut T, value: T, fresh: bool) {
    *to = if fresh { value } else { *to + value };
}

/// The numbers the CPU kernels are generic over: `f32` to train, `f64` to check them.
pub trait Real: num_traits::Float + AddAssign + SubAssign + Sum + Send + Sync + std::fmt::Debug + 'static {
    /// Rounds to this type.
    fn of(value: f64) -> Self;

    /// Widens exactly.
    fn wide(self) -> f64;

    /// `C = alpha A B + beta C` with element strides `[row, column]`, `sizes` `[m, k, n]`; `C` is not read when `beta`
    /// is 0.
    ///
    /// # Safety
    /// `a`, `b`, `c` point to `m x k`, `k x n` and `m x n` elements at those strides, and `c` overlaps neither.
    unsafe fn gemm(
        sizes: [usize; 3],
        alpha: Self,
        a: (*const Self, [isize; 2]),
        b: (*const Self, [isize; 2]),
        beta: Self,
        c: (*mut Self, [isize; 2]),
    );
}

macro_rules! real {
    ($type:ty, $gemm:path) => {
        impl Real for $type {
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            unsafe fn gemm(
                [m, k, n]: [usize; 3],
                alpha: Self,
                (a, [ra, ca]): (*const Self, [isize; 2]),
                (b, [rb, cb]): (*const Self, [isize; 2]),
                beta: Self,
                (c, [rc, cc]): (*mut Self, [isize; 2]),
            ) {
                // SAFETY: the caller's promise is the one matrixmultiply asks for.
                unsafe { $gemm(m, k, n, alpha, a, ra, ca, b, rb, cb, beta, c, rc, cc) }
            }
        }
    };
}

real!(f32, matrixmultiply::sgemm);
real!(f64, matrixmultiply::dgemm);
