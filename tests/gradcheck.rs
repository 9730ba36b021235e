//! Every op's backward pass against central differences of its forward pass, in f64: `cargo test --test gradcheck`.
//!
//! The cotangent is random, as a cotangent of ones misses most wrong backward passes: batch norm's dx is then 0.
//! Gradients are accumulated into noise, and overwrite NaN, which catches the confusion of the two. Each op is checked
//! once more with its gradient perturbed by a part in a thousand, and must fail then.

use abr_film::engine::ops::{Case, Fill, Op};
use common::one_test_per_op;
use common::ops::{backward, forward};
use common::random::draw;
use ndarray::Array2;

/// The step of the central difference. Its error is h^2/6 times a third derivative plus rounding over h, about 1e-10 of
/// the largest term in f64 for functions whose derivatives are of order one.
const STEP: f64 = 1e-5;

/// The largest difference allowed, relative to 1 + the largest gradient: a thousand times the error above, a
/// ten-thousandth of the perturbation below.
const TOLERANCE: f64 = 1e-7;

/// Each check must notice a gradient that is off by this fraction.
const PERTURBATION: f64 = 1e-3;

/// The largest relative difference between an op's gradients and central differences, and whether any gradient is large
/// enough to notice a perturbation; `factor` scales the op's gradients.
fn error(case: &Case, factor: f64) -> (f64, bool) {
    let x: Vec<Array2<f64>> =
        case.inputs.iter().enumerate().map(|(i, &(shape, fill))| draw(shape, fill, i as u32)).collect();
    let y = forward(&case.op, &x);
    let cotangent: Array2<f64> = draw([y[0].nrows(), y[0].ncols()], Fill::Normal, 100);
    let prefilled: Vec<Array2<f64>> =
        x.iter().enumerate().map(|(i, x)| draw([x.nrows(), x.ncols()], Fill::Normal, 200 + i as u32)).collect();
    let gradients = backward(&case.op, &x, &y, &cotangent, prefilled.clone(), false);
    let nothing = x.iter().map(|x| Array2::from_elem(x.dim(), f64::NAN)).collect();
    let overwritten = backward(&case.op, &x, &y, &cotangent, nothing, true);
    let (mut worst, mut alive) = (0.0_f64, false);
    for (i, before) in prefilled.iter().enumerate() {
        if !case.op.differentiable(i) {
            assert_eq!(&gradients[i], before, "{}: wrote the gradient of an input without one", case.name);
            continue;
        }
        let analytic = (&gradients[i] - before) * factor;
        let numeric = Array2::from_shape_fn(x[i].dim(), |at| {
            let objective = |delta: f64| {
                let mut x = x.clone();
                x[i][at] += delta;
                (&forward(&case.op, &x)[0] * &cotangent).sum()
            };
            (objective(STEP) - objective(-STEP)) / (2.0 * STEP)
        });
        // both are f64: the noise, of size about 1, rounds the sum by 2^-53, in some ops once per row
        let same = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
        assert!(
            overwritten[i].iter().zip(&(&gradients[i] - before)).all(same),
            "{}: the overwritten gradient of input {i}",
            case.name
        );
        // the comparison below ignores NaN
        assert!(numeric.iter().all(|v| v.is_finite()), "{}: NaN in the differences of input {i}", case.name);
        assert!(analytic.iter().all(|v| v.is_finite()), "{}: NaN in the gradient of input {i}", case.name);
        let scale = 1.0 + numeric.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let difference = (&analytic - &numeric).iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        worst = worst.max(difference / scale);
        // the perturbation of a smaller gradient is below the tolerance
        alive |= scale - 1.0 > 2.0 * TOLERANCE / PERTURBATION;
    }
    (worst, alive)
}

/// Sizes with 1, odd numbers, whole vector registers and one element more.
const SIZES: [[usize; 3]; 4] = [[1, 1, 1], [2, 3, 5], [7, 16, 17], [5, 33, 65]];

fn check(cases: fn(usize, usize, usize) -> Vec<Case>) {
    let mut noticed = 0;
    for case in SIZES.iter().flat_map(|[b, m, n]| cases(*b, *m, *n)) {
        let ((exact, alive), (perturbed, _)) = (error(&case, 1.0), error(&case, 1.0 + PERTURBATION));
        println!("{:>20} {:?}: {exact:.1e} of {TOLERANCE:.0e}", case.name, case.inputs[0].0);
        assert!(exact <= TOLERANCE, "{} {:?}: off by {exact:.2e}", case.name, case.inputs);
        assert!(
            !alive || perturbed > TOLERANCE,
            "{} {:?}: a perturbed gradient passed the check",
            case.name,
            case.inputs
        );
        noticed += usize::from(perturbed > TOLERANCE);
    }
    assert!(noticed >= SIZES.len(), "only {noticed} cases have a gradient to perturb");
}

abr_film::for_each_op!(one_test_per_op);
