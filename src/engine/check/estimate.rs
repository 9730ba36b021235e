//! A running error analysis (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.3): every number
//! carries a bound on its error in f32, and every operation propagates that bound and adds its own rounding. An op's
//! own code computes with such numbers, so that its bounds need no code of their own.

use crate::engine::tensor::Real;
use num_traits::{One, Zero};
use std::cmp::Ordering;
use std::f64::consts::PI;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// The unit roundoff of f32: half a unit in the last place, as a fraction of the number.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// The errors that WGSL allows beyond a correctly rounded result, where a unit in the last place is at most 2 U: 2.5
/// units for a division; 4.5 more for a root, which is `1 / inverseSqrt`; 3 + 2 |x| for `exp`; for `log` 3, and 2^-21
/// near 1; `tanh` is a quotient of sums of two `exp`; 2^-11 for `sin` and `cos` from -pi to pi, and anything elsewhere.
const OF_DIVISION: f64 = 5.0;
const OF_ROOT: f64 = 9.0;
const OF_LOG: f64 = 6.0;
const OF_LOG_NEAR_1: f64 = 8.0;
const OF_TANH: f64 = 32.0;
const OF_SINE: f64 = 1.0 / 2048.0;

/// The most additions, one after the other, that are allowed where our own code adds in a tree.
const ONE_BY_ONE: u32 = 64;

/// A number in f64, with a bound on the error that it would have in f32, whatever the order of the sums behind it.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    pub value: f64,
    /// At least 0; infinite where nothing is known.
    pub error: f64,
    /// For a sum: the sizes of its terms, which bound every partial sum in any order; the errors of its terms; the
    /// number of terms; and the most additions that a term passes through here. Otherwise the size of the number, its
    /// error, 1, and 0.
    size: f64,
    carried: f64,
    terms: u32,
    depth: u32,
}

impl Estimate {
    /// A number that an f32 holds.
    pub fn exact(value: f64) -> Self {
        Estimate::new(value, 0.0)
    }

    fn new(value: f64, error: f64) -> Self {
        Estimate { value, error, size: value.abs(), carried: error, terms: 1, depth: 0 }
    }

    /// With further roundings, of a number of this size.
    fn rounded(self, roundings: f64, size: f64) -> Self {
        Estimate::new(self.value, self.error + roundings * U * (size + self.error))
    }

    fn again(self, roundings: f64) -> Self {
        self.rounded(roundings, self.value.abs())
    }

    /// The sine or cosine of this number, which is `value`.
    fn sine(self, value: f64) -> Self {
        let known = self.value.abs() + self.error <= PI;
        // the slope is at most 1
        Estimate::new(value, if known { self.error + OF_SINE } else { f64::INFINITY })
    }

    fn is_exactly(self, value: f64) -> bool {
        self.error == 0.0 && self.value == value
    }

    /// Whether a factor rounds nothing: a power of two.
    fn is_scale(self) -> bool {
        self.error == 0.0 && self.value != 0.0 && self.value.abs().log2().fract() == 0.0
    }

    /// Times a power of two. A sum stays one: its terms may still be added in any order.
    fn scaled(self, factor: f64) -> Self {
        let [error, size, carried] = [self.error, self.size, self.carried].map(|part| part * factor.abs());
        Estimate { value: self.value * factor, error, size, carried, ..self }
    }
}

impl Add for Estimate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        // the 0 that a sum begins with adds no rounding
        if self.is_exactly(0.0) {
            return other;
        }
        if other.is_exactly(0.0) {
            return self;
        }
        let (value, size) = (self.value + other.value, self.size + other.size);
        let (carried, terms) = (self.carried + other.carried, self.terms + other.terms);
        let depth = self.depth.max(other.depth) + 1;
        // a device may add few terms one by one, and adds many in a tree at least as wide as ours
        let roundings = f64::from(depth.max((terms - 1).min(ONE_BY_ONE)));
        Estimate { value, error: carried + roundings * U * (size + carried), size, carried, terms, depth }
    }
}

impl Neg for Estimate {
    type Output = Self;

    fn neg(self) -> Self {
        Estimate { value: -self.value, ..self }
    }
}

impl Sub for Estimate {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Estimate {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        if other.is_scale() {
            return self.scaled(other.value);
        }
        if self.is_scale() {
            return other.scaled(self.value);
        }
        let error = self.value.abs() * other.error + self.error * (other.value.abs() + other.error);
        let product = Estimate::new(self.value * other.value, error);
        if self.is_exactly(0.0) || other.is_exactly(0.0) { product } else { product.again(1.0) }
    }
}

impl Div for Estimate {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let (value, least) = (self.value / other.value, other.value.abs() - other.error);
        let error = if least > 0.0 { (self.error + value.abs() * other.error) / least } else { f64::INFINITY };
        let quotient = Estimate::new(value, error);
        if other.is_exactly(1.0) {
            return self;
        }
        if self.is_exactly(0.0) { quotient } else { quotient.again(OF_DIVISION) }
    }
}

impl AddAssign for Estimate {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl MulAssign for Estimate {
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl SubAssign for Estimate {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Estimate {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::zero(), Add::add)
    }
}

impl Zero for Estimate {
    fn zero() -> Self {
        Estimate::exact(0.0)
    }

    fn is_zero(&self) -> bool {
        self.value == 0.0
    }
}

impl One for Estimate {
    fn one() -> Self {
        Estimate::exact(1.0)
    }
}

impl PartialEq for Estimate {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialOrd for Estimate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Real for Estimate {
    /// A constant, which is rounded when it is passed to a shader.
    fn of(value: f64) -> Self {
        if f64::from(value as f32) == value { Estimate::exact(value) } else { Estimate::exact(value).again(1.0) }
    }

    fn wide(self) -> f64 {
        self.value
    }

    fn abs(self) -> Self {
        Estimate { value: self.value.abs(), ..self }
    }

    fn exp(self) -> Self {
        let value = self.value.exp();
        let roundings = 2.0 * (3.0 + 2.0 * (self.value.abs() + self.error));
        Estimate::new(value, value * self.error.exp_m1()).again(roundings)
    }

    fn ln(self) -> Self {
        let (value, least) = (self.value.ln(), self.value - self.error);
        let error = if least > 0.0 { (self.error / least).ln_1p() } else { f64::INFINITY };
        Estimate::new(value, error).rounded(OF_LOG_NEAR_1, 1.0).again(OF_LOG)
    }

    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        let error = if self.value > self.error { value - (self.value - self.error).sqrt() } else { f64::INFINITY };
        Estimate::new(value, error).again(OF_ROOT)
    }

    fn tanh(self) -> Self {
        let value = self.value.tanh();
        // the slope is at most 1
        Estimate::new(value, self.error).rounded(OF_TANH, 1.0)
    }

    fn sin(self) -> Self {
        self.sine(self.value.sin())
    }

    fn cos(self) -> Self {
        self.sine(self.value.cos())
    }

    unsafe fn gemm(
        [m, k, n]: [usize; 3],
        alpha: Self,
        (a, [ra, ca]): (*const Self, [isize; 2]),
        (b, [rb, cb]): (*const Self, [isize; 2]),
        beta: Self,
        (c, [rc, cc]): (*mut Self, [isize; 2]),
    ) {
        for (row, column) in (0..m as isize).flat_map(|row| (0..n as isize).map(move |column| (row, column))) {
            // SAFETY: the caller promises matrices of these sizes and strides, and a `c` that overlaps neither operand
            unsafe {
                let product = |i: isize| *a.offset(row * ra + i * ca) * *b.offset(i * rb + column * cb);
                let sum = alpha * (0..k as isize).map(product).sum::<Self>();
                let at = c.offset(row * rc + column * cc);
                *at = if beta.is_zero() { sum } else { sum + beta * *at };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_in_any_order_of_a_sum() {
        let terms: Vec<f64> = (0..1000).map(|i| f64::from((1.0 + f64::from(i)).sin() as f32)).collect();
        let estimate: Estimate = terms.iter().map(|t| Estimate::exact(*t)).sum();
        let forwards = terms.iter().fold(0.0_f32, |sum, t| sum + *t as f32);
        let backwards = terms.iter().rev().fold(0.0_f32, |sum, t| sum + *t as f32);
        for sum in [forwards, backwards] {
            let error = (f64::from(sum) - estimate.value).abs();
            assert!(error > 0.0 && error <= estimate.error, "{error} of {}", estimate.error);
        }
        let size: f64 = terms.iter().map(|t| t.abs()).sum();
        assert!((estimate.error / (999.0 * U * size) - 1.0).abs() < 1e-9, "{}", estimate.error);
        // in two parts, as a product over many terms is split
        let few = |terms: &[f64]| Estimate::one() * terms.iter().map(|t| Estimate::exact(*t)).sum::<Estimate>();
        assert!((few(&terms[..3]) + few(&terms[3..7])).error >= few(&terms[..7]).error * (1.0 - 1e-12));
    }

    #[test]
    fn what_f32_holds_has_no_error() {
        let [half, third] = [0.5, 1.0 / 3.0].map(Estimate::of);
        assert!(half.error == 0.0 && third.error > 0.0);
        assert_eq!((half * Estimate::exact(0.7)).error, 0.0);
        assert_eq!((Estimate::zero() + half).error, 0.0);
        assert!((Estimate::exact(0.7) * Estimate::exact(0.3)).error > 0.0);
    }
}
