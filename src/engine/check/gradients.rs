//! An op's backward pass against central differences of its forward pass, in f64.
//!
//! The cotangent is random, as a cotangent of ones misses most wrong backward passes: batch norm's dx is then 0.
//! Gradients are accumulated into noise, and overwrite NaN, which catches the confusion of the two. Each case is
//! checked once more with its gradient perturbed, and must fail then.

use super::{backward, draw, forward, shape};
use crate::engine::op::{Fill, Op};
use crate::engine::tensor::Shape;
use ndarray::Array2;

/// The step of the central difference. Its error is h^2/6 times a third derivative plus rounding over h, about 1e-10 of
/// the largest term in f64 for functions whose derivatives are of order one.
const STEP: f64 = 1e-5;

/// The largest difference allowed, relative to 1 + the largest gradient: a thousand times the error above, a
/// ten-thousandth of the perturbation below.
pub const TOLERANCE: f64 = 1e-7;

/// The check must notice a gradient that is off by this fraction.
pub const PERTURBATION: f64 = 1e-3;

/// Compares an op's gradients with central differences, in each case: the shapes of its inputs, and how they are drawn.
/// Keep inputs away from kinks. Returns the largest relative difference.
///
/// ```
/// use abr_film::engine::check::{self, Fill};
/// use abr_film::engine::ops::Tanh;
///
/// let cases = [vec![([1, 1], Fill::Normal)], vec![([3, 17], Fill::Normal)]];
/// assert!(check::gradients(&Tanh, &cases) < 1e-7);
/// ```
///
/// # Panics
/// When a difference is above [`TOLERANCE`], a gradient is NaN, or an input without a gradient gets one; and when in no
/// case any gradient is large enough to tell a wrong one from the right one.
pub fn gradients<O: Op>(op: &O, cases: &[Vec<(Shape, Fill)>]) -> f64 {
    let all: Vec<(f64, bool)> = cases.iter().map(|case| gradients_of(op, case)).collect();
    assert!(all.iter().any(|(_, noticed)| *noticed), "{op:?}: no case has a gradient to perturb");
    all.into_iter().fold(0.0, |largest, (error, _)| largest.max(error))
}

/// As [`gradients`] for one case, whose gradients may all be 0. Returns the largest relative difference, and whether a
/// perturbed gradient was noticed.
///
/// # Panics
/// As [`gradients`].
pub fn gradients_of<O: Op>(op: &O, case: &[(Shape, Fill)]) -> (f64, bool) {
    let (Deviation { error, place }, alive) = deviation(op, case, 1.0);
    let (perturbed, _) = deviation(op, case, 1.0 + PERTURBATION);
    assert!(error <= TOLERANCE, "{op:?} {case:?}: a gradient is off by {error:.2e}: {place}");
    let noticed = perturbed.error > TOLERANCE;
    assert!(!alive || noticed, "{op:?} {case:?}: a perturbed gradient passes the check");
    (error, noticed)
}

/// The largest relative difference between a gradient and the central difference.
#[derive(Default)]
struct Deviation {
    error: f64,
    /// The element and its two values.
    place: String,
}

/// The largest deviation of an op's gradients, and whether any gradient is large enough to notice a perturbation;
/// `factor` scales the op's gradients.
fn deviation<O: Op>(op: &O, case: &[(Shape, Fill)], factor: f64) -> (Deviation, bool) {
    let x: Vec<Array2<f64>> = case.iter().enumerate().map(|(i, &(shape, fill))| draw(shape, fill, i as u32)).collect();
    let y = forward(op, &x);
    let cotangent: Array2<f64> = draw(shape(&y[0]), Fill::Normal, 100);
    let prefilled: Vec<Array2<f64>> =
        x.iter().enumerate().map(|(i, x)| draw(shape(x), Fill::Normal, 200 + i as u32)).collect();
    let gradients = backward(op, &x, &y, &cotangent, prefilled.clone(), false);
    let nothing = x.iter().map(|x| Array2::from_elem(x.dim(), f64::NAN)).collect();
    let overwritten = backward(op, &x, &y, &cotangent, nothing, true);
    let (mut worst, mut alive) = (Deviation::default(), false);
    for (i, before) in prefilled.iter().enumerate() {
        if !op.differentiable(i) {
            assert_eq!(&gradients[i], before, "{op:?}: wrote the gradient of input {i}, which has none");
            continue;
        }
        let analytic = (&gradients[i] - before) * factor;
        let numeric = Array2::from_shape_fn(x[i].dim(), |at| {
            let objective = |delta: f64| {
                let mut x = x.clone();
                x[i][at] += delta;
                (&forward(op, &x)[0] * &cotangent).sum()
            };
            (objective(STEP) - objective(-STEP)) / (2.0 * STEP)
        });
        // both are f64: the noise, of size about 1, rounds the sum by 2^-53, in some ops once per row
        let same = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
        let overwrites = overwritten[i].iter().zip(&(&gradients[i] - before)).all(same);
        assert!(overwrites, "{op:?}: the overwritten gradient of input {i} is another than the accumulated one");
        // the comparison below ignores NaN
        assert!(numeric.iter().all(|v| v.is_finite()), "{op:?}: NaN in the differences of input {i}");
        assert!(analytic.iter().all(|v| v.is_finite()), "{op:?}: NaN in the gradient of input {i}");
        let scale = 1.0 + numeric.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for (((row, column), got), wanted) in analytic.indexed_iter().zip(&numeric) {
            let error = (got - wanted).abs() / scale;
            if error > worst.error {
                let place = format!("input {i} [{row}, {column}] has {got:.6}, the differences say {wanted:.6}");
                worst = Deviation { error, place };
            }
        }
        // the perturbation of a smaller gradient is below the tolerance
        alive |= scale - 1.0 > 2.0 * TOLERANCE / PERTURBATION;
    }
    (worst, alive)
}
