//! Element-wise ops, one line each: the formula of `y`, and the gradient of each input.
//!
//! The line is Rust and WGSL at once: the macro compiles it for the CPU, and puts its text into a shader. It may use
//! one or two inputs, attributes, `y`, `dy`, `zero`, `one`, `two`, arithmetic, comparisons and the functions below;
//! `shaders/common/elementwise.wgsl` has what WGSL lacks of them. All tensors have the shape `[B, N]`. A NaN stays NaN.

#[macro_use]
mod expand;
mod line;

use crate::engine::op::Fill;
use crate::engine::tensor::Real;

const NORMAL: Fill = Fill::Normal;
/// Away from 0, where a quotient is large and a kink may be.
const NOT_ZERO: Fill = Fill::Around(&[-1.5, -0.5, 0.5, 1.5]);
/// Small numbers, and some whose exponentials overflow.
const WIDE: Fill = Fill::Around(&[-100.0, -2.0, -0.5, 0.5, 2.0, 100.0]);
const POSITIVE: Fill = Fill::Uniform(0.2, 3.0);
/// On both sides of the bounds -1 and 2.
const BOUNDED: Fill = Fill::Around(&[-2.0, -0.5, 0.5, 3.0]);

elementwise! { ($)
    y, dy, zero, one, two;

    /// `y = a + b`
    add Add (a: NORMAL, b: NORMAL) = a + b; dy, dy;
    /// `y = a - b`
    sub Sub (a: NORMAL, b: NORMAL) = a - b; dy, -dy;
    /// `y = a * b`
    mul Mul (a: NORMAL, b: NORMAL) = a * b; b * dy, a * dy;
    /// `y = a / b`
    div Div (a: NORMAL, b: NOT_ZERO) = a / b; dy / b, -(y * dy) / b;
    /// `y = e^x`
    exp Exp (x: NORMAL) = exp(x); y * dy;
    /// `y = ln x`: NaN below 0.
    log Log (x: POSITIVE) = log(x); dy / x;
    /// `y = 1 / (1 + e^-x)`
    sigmoid Sigmoid (x: NORMAL) = one / (one + exp(-x)); y * (one - y) * dy;
    /// `y = (e^x - e^-x) / (e^x + e^-x)`
    tanh Tanh (x: WIDE) = tanh(x); (one - y) * (one + y) * dy;
    /// `y = x` above 0, `slope x` elsewhere (Maas et al. 2013). At 0 the derivative is the slope, as in PyTorch.
    leaky_relu LeakyRelu { slope: [0.2, 0.0] } (x: NOT_ZERO) =
        select(slope * x, x, x > zero); select(slope * dy, dy, x > zero);
    /// `y = min(max(x, lo), hi)`. On the bounds the derivative is 0, as in PyTorch 2.15.
    clamp Clamp { lo: [-1.0], hi: [2.0] } (x: BOUNDED) =
        clamped(x, lo, hi); select(zero, one, x > lo && x < hi) * dy;
}

impl LeakyRelu {
    /// `max(x, 0)`.
    pub const RELU: LeakyRelu = LeakyRelu { slope: 0.0 };
}

/// [`LeakyRelu`] for the ops that contain it.
#[inline(always)]
pub(super) fn leaky_relu<T: Real>(x: T, slope: T) -> T {
    select(slope * x, x, x > T::zero())
}

#[inline(always)]
fn exp<T: Real>(x: T) -> T {
    x.exp()
}

#[inline(always)]
fn log<T: Real>(x: T) -> T {
    x.ln()
}

#[inline(always)]
fn tanh<T: Real>(x: T) -> T {
    x.tanh()
}

#[inline(always)]
fn select<T: Real>(if_false: T, if_true: T, condition: bool) -> T {
    if condition { if_true } else { if_false }
}

/// By comparisons, as `min` and `max` would drop a NaN.
#[inline(always)]
fn clamped<T: Real>(x: T, lo: T, hi: T) -> T {
    if x < lo { lo } else { if x > hi { hi } else { x } }
}
