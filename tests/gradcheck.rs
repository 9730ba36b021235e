//! Every op's backward pass against central differences of its forward pass, in f64: `cargo test --test gradcheck`.
//! `abr_film::engine::check` does the work.

use abr_film::engine::check::{self, Case, TOLERANCE};
use abr_film::engine::op::Op;
use common::one_test_per_op;

/// Sizes with 1, odd numbers, whole vector registers and one element more.
const SIZES: [[usize; 3]; 4] = [[1, 1, 1], [2, 3, 5], [7, 16, 17], [5, 33, 65]];

fn check<O: Op>(cases: fn(usize, usize, usize) -> Vec<Case<O>>) {
    let mut blind = Vec::new();
    let mut noticed = 0;
    for case in SIZES.iter().flat_map(|[rows, inner, columns]| cases(*rows, *inner, *columns)) {
        let (error, perturbed) = check::gradients_of(&case.op, &case.inputs);
        println!("{:>20} {:?}: {error:.1e} of {TOLERANCE:.0e}", case.name, case.inputs[0].0);
        noticed += usize::from(perturbed);
        if !perturbed {
            blind.push(format!("{} {:?}", case.name, case.inputs[0].0));
        }
    }
    assert!(noticed >= SIZES.len(), "only {noticed} cases have a gradient to perturb, and these have not: {blind:?}");
}

abr_film::for_each_op!(one_test_per_op);
