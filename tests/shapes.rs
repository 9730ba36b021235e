//! Which shapes each op takes: with one input longer by a row or by a column, it panics, or the table below has it.

use abr_film::engine::check::Case;
use abr_film::engine::op::Op;
use abr_film::engine::ops::CrossAttention;
use abr_film::engine::tensor::Shape;
use common::one_test_per_op;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The changes that an op takes in a case, one entry for each kind of case: the input's number, and `r` for a row or
/// `c` for a column more. An op of one input takes any; others take more rows of the first, if that is the batch.
const TAKEN: &[(&str, &[&str])] = &[
    ("concat", &["0c 1c"]),
    ("matmul", &["0r 1c"]),
    // gamma and beta are some of the modulation's columns
    ("norm_dropout_film", &["0r", "5c"]),
    // one factor for all
    ("scale", &["0c", "0r"]),
];

fn check<O: Op>(cases: fn(usize, usize, usize) -> Vec<Case<O>>) {
    let expected: &[&str] = TAKEN.iter().find(|(name, _)| *name == O::NAME).map_or(&["", "0r"], |(_, taken)| taken);
    for case in cases(3, 4, 6) {
        let shapes: Vec<Shape> = case.inputs.iter().map(|(shape, _)| *shape).collect();
        let takes = |shapes: &[Shape]| catch_unwind(AssertUnwindSafe(|| case.op.output_shapes(shapes))).is_ok();
        assert!(takes(&shapes), "{}: its own shapes", case.name);
        assert!(!takes(&[]), "{}: no input", case.name);
        let mut taken = BTreeSet::new();
        for input in 0..shapes.len() {
            for (axis, name) in ["r", "c"].into_iter().enumerate() {
                let mut changed = shapes.clone();
                changed[input][axis] += 1;
                if takes(&changed) {
                    taken.insert(format!("{input}{name}"));
                }
            }
        }
        let taken = taken.into_iter().collect::<Vec<_>>().join(" ");
        let any = shapes.len() == 1 || expected.contains(&taken.as_str());
        assert!(any, "{}, {}: takes longer inputs: {taken}, wanted {expected:?}", O::NAME, case.name);
    }
}

#[test]
#[should_panic(expected = "heads that divide D")]
fn attention_needs_columns() {
    CrossAttention { heads: 1 }.output_shapes(&[[2, 0], [4, 0], [4, 0]]);
}

abr_film::for_each_op!(one_test_per_op);
