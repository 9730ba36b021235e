//! Recorded PyTorch tensors (`tests/reference/README.md` says what they hold) against the engine on the CPU, in f64 and
//! in f32: `cargo test --test reference`, with `-- --nocapture` for the margins.
//!
//! The tests compare every tensor of a recording; an unknown tensor fails its test. Each check runs once more with its
//! gradients perturbed by a part in a thousand and must fail then. The recordings in `$ABR_FILM_SHARED/reference` (by
//! default beside the repository), one of them of the model at its full size, are included if they exist.

#[cfg(feature = "abr")]
mod models;

use abr_film::engine::check::{Estimate, U, backward, bounds, forward};
use abr_film::engine::op::Op;
use abr_film::engine::ops::names;
use abr_film::engine::tensor::Real;
use common::margins::Margins;
use common::op_cases::{self, OpCase};
use common::recording::{Recording, own};
use ndarray::Array2;
use std::any::type_name;

/// Each check must notice gradients that are off by this fraction.
const PERTURBATION: f64 = 1e-3;

/// The unit roundoff: half the distance from 1 to the next number.
fn unit<T: Real>() -> f64 {
    if size_of::<T>() == size_of::<f32>() { U } else { f64::EPSILON / 2.0 }
}

/// One op case: outputs, and gradients times `1 + perturbation`, by the names of the recording.
fn compare_op<O: Op, T: Real>(case: &OpCase<O>, perturbation: f64) -> Margins {
    let [inputs, outputs, gradients] = case.counts();
    let inputs: Vec<Array2<T>> = case.recorded("input", inputs).into_iter().flatten().collect();
    let cotangent = case.matrix("cotangent").expect("a cotangent");
    let bounds = bounds(&case.op, &inputs, &cotangent);
    // twice: PyTorch may round elsewhere; a rounding of the engine and one of the recording
    let unit = 2.0 * (unit::<T>() + unit::<f64>()) / U;
    let mut margins = Margins::default();
    let mut compare = |what: String, got: Vec<f64>, bound: &Array2<Estimate>| {
        let want = case.matrix::<f64>(&what).unwrap_or_else(|| panic!("{}/{what} is not recorded", case.name));
        let tolerance: Vec<f64> = bound.iter().map(|b| unit * b.error).collect();
        margins.compare(&what, &got, &want.into_raw_vec_and_offset().0, &tolerance);
    };
    let found = forward(&case.op, &inputs);
    assert!(found.len() == outputs, "{}: the op has {} outputs, the recording {outputs}", case.name, found.len());
    for (i, output) in found.iter().enumerate() {
        compare(format!("output/{i}"), output.iter().map(|v| v.wide()).collect(), &bounds.0[i]);
    }
    let zeros = inputs.iter().map(|x| Array2::zeros(x.dim())).collect();
    let found_gradients = backward(&case.op, &inputs, &found, &cotangent, zeros, false);
    let differentiable: Vec<_> = (0..inputs.len()).filter(|i| case.op.differentiable(*i)).collect();
    let count = differentiable.len();
    assert!(count == gradients, "{}: the op has {count} gradients, the recording {gradients}", case.name);
    for i in differentiable {
        let scaled = found_gradients[i].iter().map(|v| v.wide() * (1.0 + perturbation)).collect();
        compare(format!("grad/{i}"), scaled, &bounds.1[i]);
    }
    margins
}

fn check_op<O: Op, T: Real>(case: &OpCase<O>) {
    let title = format!("{}, {}", case.name, type_name::<T>());
    compare_op::<O, T>(case, 0.0).assert_within(&title);
    let alive =
        |name: &str| name.starts_with("grad/") && case.matrix::<f64>(name).is_some_and(|g| g.iter().any(|v| *v != 0.0));
    let perturbed = compare_op::<O, T>(case, PERTURBATION);
    let (seen, blind) = perturbed.noticed(alive);
    // batch norm's dx over two rows is the small difference of large terms, which f32 does not resolve to a thousandth
    let noticed = blind.is_empty() || unit::<T>() > unit::<f64>() && seen > 0;
    assert!(noticed, "{title}: perturbed, and within the tolerance: {blind:?}");
}

fn op_recording() -> Recording {
    Recording::open(&own().join("ops.safetensors"), "ops")
}

mod op {
    use super::*;

    macro_rules! test_per_recorded_op {
        ($($module:ident $Op:ident,)*) => {
            $(#[test] fn $module() {
                let recording = op_recording();
                let cases = op_cases::of::<abr_film::engine::ops::$Op>(&recording);
                assert!(!cases.is_empty(), "no recorded case: one at least, in tests/reference/record_ops.py");
                for case in cases {
                    check_op::<_, f64>(&case);
                    check_op::<_, f32>(&case);
                }
            })*
        };
    }

    abr_film::for_each_op!(test_per_recorded_op);

    #[test]
    fn every_recorded_case_is_of_an_op_with_a_test() {
        let recording = op_recording();
        let cases = recording.about.as_object().expect("attributes by case");
        for name in recording.tensors.keys() {
            let case = name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
            assert!(cases.contains_key(&case), "{name} belongs to no case");
            assert!(names().any(|op| name.starts_with(&format!("{op}/"))), "{name} belongs to no op");
        }
    }
}
