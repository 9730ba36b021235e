//! Matrix products with every tile size, split and not; products and sums without rows or columns.

use super::{Record, check_case, context};
use abr_film::engine::check::{Case, Cases, Fill};
use abr_film::engine::device::gpu::{Card, Checks, Context, Gpu};
use abr_film::engine::device::{Device, Role, Target};
use abr_film::engine::dispatch::{Binding, Dispatch, Operand, UniformValue};
use abr_film::engine::op::{GpuOp, Op};
use abr_film::engine::ops::{GroupedLinear, Linear, LinearRelu, Matmul, Sum};
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

/// The same for a product of two activations, whose three products have a dispatch each.
const ACTIVATIONS: [[usize; 3]; 17] = [
    [33, 7, 5],
    [33, 4, 8],
    [33, 1032, 3],
    [1032, 1, 5],
    [3, 5, 1033],
    [201, 1, 601],
    [201, 4, 600],
    [129, 1, 3001],
    [129, 4, 3000],
    [201, 601, 1],
    [201, 600, 4],
    [129, 3001, 1],
    [129, 3000, 4],
    [1, 201, 601],
    [1, 204, 600],
    [1, 129, 3001],
    [1, 132, 3000],
];

/// Groups of different widths, all multiples of four if this is one.
fn grouped(rows: usize, inner: usize, columns: usize) -> Case<GroupedLinear> {
    if !columns.is_multiple_of(4) {
        return GroupedLinear::cases(rows, inner, columns).remove(0);
    }
    let widths: Arc<[usize]> = [columns, columns / 8 * 4 + 4, 4].into();
    let outputs = widths.iter().sum();
    let shapes = [[rows, widths.len() * inner], [outputs, inner], [1, outputs]];
    Case::new("fours", GroupedLinear { widths }, shapes.map(|s| (s, Fill::Normal)))
}

/// All dispatches of a case, forward and backward.
fn dispatches<O: Op + GpuOp>(case: &Case<O>) -> impl Iterator<Item = Dispatch> + use<O> {
    let shapes: Vec<Shape> = case.inputs.iter().map(|(shape, _)| *shape).collect();
    let outputs = case.op.output_shapes(&shapes);
    let card = Card::default();
    let forward = case.op.forward_dispatches(&shapes, &outputs, &card).into_iter();
    forward.chain(case.op.backward_dispatches(&shapes, &outputs, &[Some(true); 3], &card))
}

/// The entry points of a case, with the constants of the products.
fn variants<O: Op + GpuOp>(case: &Case<O>) -> impl Iterator<Item = String> + use<O> {
    dispatches(case).map(|dispatch| {
        let constants = dispatch.constants.iter().map(|(name, value)| format!(" {name} {value}")).collect::<String>();
        let of_b = if dispatch.uniforms.contains(&("of_b", UniformValue::Integer(1))) { " of B" } else { "" };
        let entry = dispatch.entry.to_string() + of_b;
        // the join does not depend on the tile
        if dispatch.entry.ends_with("join") { entry } else { entry + &constants }
    })
}

/// The cases number `which` of all products.
fn dense<O>(cases: fn(usize, usize, usize) -> Vec<Case<O>>, which: usize) -> Vec<Case<O>> {
    PRODUCTS.map(|[rows, inner, columns]| cases(rows, inner, columns).remove(which)).into()
}

/// `entries`: the products; `joins`: the sums of partial sums.
fn check_products<O: Op + GpuOp>(cases: &[Case<O>], entries: &[&str], joins: &[&str]) {
    let mut wanted: BTreeSet<String> = joins.iter().map(|join| join.to_string()).collect();
    for (entry, tile, aligned) in entries.iter().flat_map(|e| [32, 64, 128].map(|t| (e, t, [0, 1]))) {
        wanted.extend(aligned.map(|aligned| format!("{entry} TILE {tile} ALIGNED {aligned}")));
    }
    assert_eq!(cases.iter().flat_map(variants).collect::<BTreeSet<_>>(), wanted, "{}", O::NAME);
    let mut record = Record::default();
    for checks in [Checks::On, Checks::Off] {
        let Some(context) = context(checks) else { return };
        for case in cases {
            check_case(&mut Gpu::new(context.clone()), case, false, &mut record);
            if partials(case) > 1 {
                check_case(&mut with_nan_in_scratch(context.clone(), case), case, false, &mut record);
            }
        }
    }
    record.print();
}

#[test]
fn products_in_every_tile_whole_and_split() {
    let (entries, joins) = (["forward", "backward"], ["forward_join", "backward_join"]);
    check_products(&dense(Linear::cases, 0), &entries, &joins);
    check_products(&dense(LinearRelu::cases, 0), &entries, &joins);
    check_products(&dense(LinearRelu::cases, 1), &entries, &joins);
    check_products(&GROUPED.map(|[rows, inner, columns]| grouped(rows, inner, columns)), &entries, &joins);
}

#[test]
fn matmul_in_every_tile_whole_and_split() {
    let cases = ACTIVATIONS.map(|[rows, inner, columns]| Matmul::cases(rows, inner, columns).remove(0));
    check_products(&cases, &["forward", "backward", "backward of B"], &["join", "join of B"]);
}

/// The number of partial sums of a case; 1 if it is not split.
fn partials<O: Op + GpuOp>(case: &Case<O>) -> usize {
    let bindings = dispatches(case).flat_map(|dispatch| dispatch.bindings).filter(|b| b.name == "partials");
    let len = |binding: Binding| match binding.operands[..] {
        [(None, Operand::Scratch(_, len))] => len,
        _ => unreachable!("partial sums lie in scratch memory"),
    };
    bindings.map(len).max().expect("every product names them")
}

/// A GPU whose memory for this case's partial sums is NaN. New memory is 0, with which a missing partial sum would go
/// unnoticed.
fn with_nan_in_scratch<O: Op + GpuOp>(context: Arc<Context>, case: &Case<O>) -> Gpu {
    let larger = Case::new("nan", Linear, NAN.map(|shape| (shape, Fill::Value(f64::NAN))));
    assert!(partials(&larger) > partials(case), "{} partial sums", partials(case));
    let (mut gpu, y) = (Gpu::new(context), [NAN[0][0], NAN[1][0]]);
    let [inputs, gradients] = [(); 2].map(|()| gpu.alloc(Role::Activation, &NAN).expect("memory"));
    let outputs = gpu.alloc(Role::Activation, &[y; 2]).expect("memory");
    for (buffer, [rows, columns]) in inputs.iter().zip(NAN).chain([(&outputs[1], y)]) {
        gpu.write(*buffer, &vec![f32::NAN; rows * columns]);
    }
    let op = Linear.into();
    gpu.forward(&op, &inputs, &outputs[..1]);
    let target = |buffer| Some(Target { buffer, accumulate: false, last: true });
    let targets: Vec<_> = gradients.into_iter().map(target).collect();
    gpu.backward(&op, &inputs, &outputs[..1], outputs[1], &targets);
    let mut sums = vec![0.0; y[0] * y[1]];
    gpu.read(outputs[0], &mut sums).expect("values");
    assert!(sums.iter().all(|v| v.is_nan()), "sums of NaN");
    gpu
}

/// Few tiles with many terms, so that the product is split.
const NAN: [Shape; 3] = [[64, 2200], [64, 2200], [1, 64]];

fn check_nothing<O: Op>(cases: fn(usize, usize, usize) -> Vec<Case<O>>) {
    let mut record = Record::default();
    for checks in [Checks::On, Checks::Off] {
        let Some(context) = context(checks) else { return };
        for [rows, inner, outputs] in [[0, 100, 200], [3, 100, 0]] {
            for case in cases(rows, inner, outputs) {
                check_case(&mut Gpu::new(context.clone()), &case, false, &mut record);
            }
        }
    }
    record.print();
}

#[test]
fn products_of_nothing() {
    check_nothing(Linear::cases);
    check_nothing(LinearRelu::cases);
    check_nothing(Matmul::cases);
}

#[test]
fn sums_of_nothing() {
    check_nothing(Sum::cases);
}
