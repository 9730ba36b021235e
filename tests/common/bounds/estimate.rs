//! A running error analysis (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.3): every number
//! carries a bound on its error in f32, and every operation propagates that bound and adds its own rounding.

use std::ops::{Add, Div, Mul, Sub};

/// The unit roundoff of f32: half a unit in the last place, as a fraction of the number.
pub const U: f64 = 1.0 / (1 << 24) as f64;

/// The errors that WGSL allows beyond a correctly rounded result, where a unit in the last place is at most 2 U: 2.5
/// units for a division; 4.5 more for a root, which is `1 / inverseSqrt`; 3 + 2 |x| for `exp`.
const OF_DIVISION: f64 = 5.0;
const OF_INVERSE_ROOT: f64 = OF_DIVISION + 9.0;

#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    pub value: f64,
    /// At least 0; infinite where nothing is known.
    pub error: f64,
}

impl Estimate {
    /// An input, or a number that an f32 holds.
    pub fn exact(value: f64) -> Self {
        Estimate { value, error: 0.0 }
    }

    /// A constant that is rounded when it is passed to the shader.
    pub fn rounded(value: f64) -> Self {
        Estimate::exact(value).again(1.0)
    }

    /// With further roundings.
    fn again(self, roundings: f64) -> Self {
        Estimate { value: self.value, error: self.error + roundings * U * (self.value.abs() + self.error) }
    }

    pub fn abs(self) -> Self {
        Estimate { value: self.value.abs(), error: self.error }
    }

    pub fn exp(self) -> Self {
        let (value, size) = (self.value.exp(), self.value.abs() + self.error);
        Estimate { value, error: value * self.error.exp_m1() }.again(2.0 * (3.0 + 2.0 * size))
    }

    /// `1 / sqrt(self)`
    pub fn inverse_root(self) -> Self {
        let value = self.value.sqrt().recip();
        let error =
            if self.value > self.error { (self.value - self.error).sqrt().recip() - value } else { f64::INFINITY };
        Estimate { value, error }.again(OF_INVERSE_ROOT)
    }

    /// A sum in any order in which no term passes through more than this number of additions.
    pub fn sum(terms: impl IntoIterator<Item = Estimate>, additions: usize) -> Self {
        let (mut sum, mut sizes) = (Estimate::exact(0.0), 0.0);
        for Estimate { value, error } in terms {
            sum = Estimate { value: sum.value + value, error: sum.error + error };
            sizes += value.abs() + error;
        }
        Estimate { error: sum.error + additions as f64 * U * sizes, ..sum }
    }
}

impl Add for Estimate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Estimate { value: self.value + other.value, error: self.error + other.error }.again(1.0)
    }
}

impl Sub for Estimate {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Estimate { value: self.value - other.value, error: self.error + other.error }.again(1.0)
    }
}

impl Mul for Estimate {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let error = self.value.abs() * other.error + self.error * (other.value.abs() + other.error);
        Estimate { value: self.value * other.value, error }.again(1.0)
    }
}

impl Div for Estimate {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let (value, least) = (self.value / other.value, other.value.abs() - other.error);
        let error = if least > 0.0 { (self.error + value.abs() * other.error) / least } else { f64::INFINITY };
        Estimate { value, error }.again(OF_DIVISION)
    }
}
