//! Numbers and shapes of the engine. Every tensor is a row-major matrix: a vector is `[1, N]`, a scalar `[1, 1]`.

use ndarray::{ArrayView2, ArrayViewMut2};
use num_traits::{One, Zero};
use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{AddAssign, Div, MulAssign, Neg, Sub, SubAssign};

/// `[rows, columns]`.
pub type Shape = [usize; 2];

/// A tensor to read: contiguous and row-major.
pub type View<'a, T> = ArrayView2<'a, T>;

/// A tensor to write.
pub type ViewMut<'a, T> = ArrayViewMut2<'a, T>;

/// Where an op puts a gradient: added to the one there, or in its place, which saves filling it with zeros first.
pub struct Gradient<'a, T> {
    pub values: ViewMut<'a, T>,
    /// `true`: an op adds to `values`; `false`: it overwrites all of them.
    pub accumulate: bool,
}

impl<T: Real> Gradient<'_, T> {
    /// Reborrows it.
    pub fn view_mut(&mut self) -> Gradient<'_, T> {
        Gradient { values: self.values.view_mut(), accumulate: self.accumulate }
    }

    /// BLAS's `beta` in `new = sum + beta old`: 1 to accumulate, otherwise 0.
    pub fn beta(&self) -> T {
        if self.accumulate { T::one() } else { T::zero() }
    }
}

/// Adds `value` to an element of a gradient, or overwrites the element.
#[inline(always)]
pub fn add<T: Real>(to: &mut T, value: T, accumulate: bool) {
    *to = if accumulate { *to + value } else { value };
}

/// The numbers that the CPU kernels are generic over: `f32` for training, `f64` to check the kernels, and
/// [`Estimate`](crate::engine::check::Estimate), which bounds the rounding of `f32`.
pub trait Real:
    Copy
    + PartialOrd
    + Zero
    + One
    + Sub<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + Send
    + Sync
    + Debug
    + 'static
{
    /// Rounds to this type.
    fn of(value: f64) -> Self;

    /// Widens exactly.
    fn wide(self) -> f64;

    fn abs(self) -> Self;

    fn exp(self) -> Self;

    /// The natural logarithm; NaN below 0.
    fn ln(self) -> Self;

    /// NaN below 0.
    fn sqrt(self) -> Self;

    fn tanh(self) -> Self;

    fn sin(self) -> Self;

    fn cos(self) -> Self;

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
    (@functions $type:ty: $($function:ident)*) => {
        $(
            #[inline(always)]
            fn $function(self) -> Self {
                <$type>::$function(self)
            }
        )*
    };
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

            real! { @functions $type: abs exp ln sqrt tanh sin cos }

            unsafe fn gemm(
                [m, k, n]: [usize; 3],
                alpha: Self,
                (a, [ra, ca]): (*const Self, [isize; 2]),
                (b, [rb, cb]): (*const Self, [isize; 2]),
                beta: Self,
                (c, [rc, cc]): (*mut Self, [isize; 2]),
            ) {
                // SAFETY: matrixmultiply requires what the caller promises: pointers that are valid for these sizes and
                // strides, and a `c` that overlaps neither operand
                unsafe { $gemm(m, k, n, alpha, a, ra, ca, b, rb, cb, beta, c, rc, cc) }
            }
        }
    };
}

real!(f32, matrixmultiply::sgemm);
real!(f64, matrixmultiply::dgemm);
