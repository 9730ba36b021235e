//! Matrix products with every tile size, split and not, and products without rows or outputs.

use super::{Record, Run, check_case, context};
use abr_film::engine::device::gpu::{Card, Checks, Context, Gpu};
use abr_film::engine::dispatch::{Binding, Dispatch, Operand};
use abr_film::engine::ops::{Case, Fill, GroupedLinear, Linear, LinearRelu, Op};
use abr_film::engine::tensor::Shape;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The smallest shapes whose products use each tile size, with extents that are multiples of 4 or not, split or not.
const PRODUCTS: [[usize; 3]; 12] = [
    [33, 7, 5],
    [33, 4, 8],
    [33, 1032, 3],
    [1032, 1, 5],
    [1501, 33, 3],
    [1501, 40, 4],
    [201, 1, 601],
    [201, 4, 600],
    [1501, 101, 3],
    [1501, 100, 4],
    [129, 1, 3001],
    [129, 4, 3000],
];

/// The same for three groups.
const GROUPED: [[usize; 3]; 11] = [
    [5, 3, 7],
    [5, 4, 8],
    [3, 1032, 3],
    [3, 5, 1033],
    [3, 772, 4],
    [601, 1, 99],
    [601, 4, 100],
    [3, 1501, 3],
    [3, 1500, 4],
    [3001, 1, 1],
    [3001, 4, 4],
];

/// Groups of different widths, all multiples of four if this is one.
fn grouped(rows: usize, inner: usize, columns: usize) -> Case {
    if !columns.is_multiple_of(4) {
        return GroupedLinear::cases(rows, inner, columns).remove(0);
    }
    let widths: Arc<[usize]> = [columns, columns / 8 * 4 + 4, 4].into();
    let outputs = widths.iter().sum();
    let shapes = [[rows, widths.len() * inner], [outputs, inner], [1, outputs]];
    Case { name: "fours", op: GroupedLinear { widths }.into(), inputs: shapes.map(|s| (s, Fill::Normal)).into() }
}

/// All dispatches of a case, forward and backward.
fn dispatches(case: &Case) -> impl Iterator<Item = Dispatch> + use<> {
    let shapes: Vec<Shape> = case.inputs.iter().map(|(shape, _)| *shape).collect();
    let outputs = case.op.output_shapes(&shapes);
    let card = Card::default();
    let forward = case.op.forward_dispatches(&shapes, &outputs, &card).into_iter();
    forward.chain(case.op.backward_dispatches(&shapes, &outputs, &[Some(true); 3], &card))
}

/// The entry points of a case, with the constants of the products.
fn variants(case: &Case) -> impl Iterator<Item = String> + use<> {
    dispatches(case).map(|dispatch| {
        let constants = dispatch.constants.iter().map(|(name, value)| format!(" {name} {value}")).collect::<String>();
        let entry = dispatch.entry.to_string();
        // the join does not depend on the tile
        if entry.ends_with("join") { entry } else { entry + &constants }
    })
}

#[test]
fn products_in_every_tile_whole_and_split() {
    let dense = |cases: fn(usize, usize, usize) -> Vec<Case>, which: usize| {
        PRODUCTS.map(|[rows, inner, columns]| cases(rows, inner, columns).remove(which)).to_vec()
    };
    let all = [
        dense(Linear::cases, 0),
        dense(LinearRelu::cases, 0),
        dense(LinearRelu::cases, 1),
        GROUPED.map(|[rows, inner, columns]| grouped(rows, inner, columns)).to_vec(),
    ];
    let mut wanted: BTreeSet<String> = ["forward_join", "backward_join"].map(String::from).into();
    for (entry, tile, aligned) in ["forward", "backward"].iter().flat_map(|e| [32, 64, 128].map(|t| (e, t, [0, 1]))) {
        wanted.extend(aligned.map(|aligned| format!("{entry} TILE {tile} ALIGNED {aligned}")));
    }
    for cases in &all {
        assert_eq!(cases.iter().flat_map(variants).collect::<BTreeSet<_>>(), wanted, "{}", cases[0].op.name());
    }
    let mut record = Record::default();
    for checks in [Checks::On, Checks::Off] {
        let Some(context) = context(checks) else { return };
        for case in all.iter().flatten() {
            check_case(&mut Gpu::new(context.clone()), case, false, &mut record);
            if partials(case) > 1 {
                check_case(&mut with_nan_in_scratch(context.clone(), case), case, false, &mut record);
            }
        }
    }
    record.print();
}

/// The number of partial sums of a case; 1 if it is not split.
fn partials(case: &Case) -> usize {
    let bindings = dispatches(case).flat_map(|dispatch| dispatch.bindings).filter(|b| b.name == "partials");
    let len = |binding: Binding| match binding.operands[..] {
        [(None, Operand::Scratch(_, len))] => len,
        _ => unreachable!("partial sums lie in scratch memory"),
    };
    bindings.map(len).max().expect("every product names them")
}

/// A GPU whose memory for this case's partial sums is NaN. New memory is 0, with which a missing partial sum would go
/// unnoticed.
fn with_nan_in_scratch(context: Arc<Context>, case: &Case) -> Gpu {
    let nan = |shape| (shape, Fill::Value(f64::NAN));
    let larger = Case { name: "nan", op: Linear.into(), inputs: NAN.map(nan).into() };
    assert!(partials(&larger) > partials(case), "{} partial sums", partials(case));
    let mut gpu = Gpu::new(context);
    let (outputs, _) = Run::of(&larger).on_gpu(&mut gpu, &larger.op, false, true, &|_| true);
    assert!(outputs[0].iter().all(|v| v.is_nan()), "sums of NaN");
    gpu
}

/// Few tiles with many terms, so that the product is split.
const NAN: [Shape; 3] = [[64, 2200], [64, 2200], [1, 64]];

#[test]
fn products_of_nothing() {
    let mut record = Record::default();
    for checks in [Checks::On, Checks::Off] {
        let Some(context) = context(checks) else { return };
        for shape in [[0, 100, 200], [3, 100, 0]] {
            for cases in [Linear::cases, LinearRelu::cases] {
                let [rows, inner, outputs] = shape;
                for case in cases(rows, inner, outputs) {
                    check_case(&mut Gpu::new(context.clone()), &case, false, &mut record);
                }
            }
        }
    }
    record.print();
}
