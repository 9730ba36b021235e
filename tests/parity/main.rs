//! Every op on the GPU in f32 against the CPU in f64: `cargo test --test parity`.
//!
//! `abr_film::engine::check` does the work. Each check must also notice a result that is perturbed by a part in a
//! thousand, in every case. The shaders run with the device's bounds checks and without.

#![cfg(feature = "gpu")]

mod products;
mod record;

use abr_film::engine::check::{self, Case};
use abr_film::engine::device::gpu::{Checks, Gpu};
use abr_film::engine::device::{Device, Role};
use abr_film::engine::op::{AnyOp, Op};
use abr_film::engine::ops::{Dropout, LinearRelu, NormDropoutFilm};
use abr_film::engine::rng::{Purpose, Stream};
use common::gpu::context;
use common::one_test_per_op;
use ndarray::Array2;
use record::Record;

/// 1, odd numbers, whole tiles, and one element more or less.
const EXTENTS: [usize; 19] = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 200, 207];
/// The number of shapes per op.
const DRAWS: usize = 20;
/// The multiply-adds of the largest product, as software adapters are slow.
const LARGEST: usize = 2_000_000;

/// The perturbation of a tensor that a check must notice, as a fraction; `None` if it need not notice any. The bound of
/// a product grows with the number of its terms, which cancel.
fn perturbation<O>(case: &Case<O>, tensor: &str) -> Option<f64> {
    let few = case.inputs[0].0[0] < case.least_rows;
    let long = case.inputs.iter().any(|(shape, _)| shape.iter().any(|extent| *extent > 500));
    (!few || tensor != "gradient 0").then_some(if long { 3e-2 } else { 1e-3 })
}

fn check_case<O: Op>(gpu: &mut Gpu, case: &Case<O>, scattered: bool, record: &mut Record) {
    let op = AnyOp::from(case.op.clone());
    let name = format!("{} {:?}", case.name, case.inputs.iter().map(|(shape, _)| *shape).collect::<Vec<_>>());
    let compared = check::parity(&case.op, &case.inputs, gpu, scattered);
    for tensor in &compared {
        record.add(&name, tensor, perturbation(case, &tensor.tensor));
    }
    let inputs: Vec<Array2<f32>> =
        case.inputs.iter().enumerate().map(|(i, &(shape, fill))| check::draw(shape, fill, i as u32)).collect();
    let (found, in_f32) = (|i: usize| &compared[i].found, || check::forward(&case.op, &inputs));
    if op.downcast_ref::<Dropout>().is_some() {
        assert_eq!(*found(1), in_f32()[1], "{name}: the mask, to the bit");
    }
    if op.downcast_ref::<NormDropoutFilm>().is_some_and(|op| op.dropout.is_some()) {
        assert_eq!(*found(5), in_f32()[5], "{name}: the mask, to the bit");
    }
    if op.downcast_ref::<LinearRelu>().is_some() {
        let same = found(0).iter().zip(&in_f32()[0]).all(|(a, b)| (*a == 0.0) == (*b == 0.0));
        assert!(same, "{name}: the dropped elements");
    }
}

fn check<O: Op>(cases: fn(usize, usize, usize) -> Vec<Case<O>>) {
    let mut draws = Stream::new(7, Purpose::TEST, 1).rng(0);
    let mut extent = || EXTENTS[draws.below(EXTENTS.len() as u32) as usize];
    // the last size has more rows than the threads of a workgroup sum in one round
    let mut sizes = vec![[1, 1, 1], [2, 3, 5], [32, 64, 32], [601, 2, 5]];
    while sizes.len() < DRAWS {
        sizes.extend([[extent(), extent(), extent()]].iter().filter(|s| s.iter().product::<usize>() <= LARGEST));
    }
    let mut record = Record::default();
    for checks in [Checks::On, Checks::Off] {
        let Some(context) = context(checks) else { return };
        for (i, [rows, inner, columns]) in sizes.iter().enumerate() {
            for case in cases(*rows, *inner, *columns) {
                check_case(&mut Gpu::new(context.clone()), &case, i % 2 == 1, &mut record);
            }
        }
        for case in cases(5, 3, 7) {
            check::parity_of_each_gradient(&case.op, &case.inputs, &mut Gpu::new(context.clone()));
        }
    }
    record.print();
}

/// A threshold equal to an element's random bits keeps it, and one above drops it, so the GPU's bits are the CPU's.
#[test]
fn random_bits_are_those_of_the_cpu() {
    let Some(mut gpu) = context(Checks::Off).map(Gpu::new) else { return };
    // two quads and a part of one; both halves of the key, and the whole counter
    let (stream, [rows, columns]) = (Stream::new(0xFEDC_BA98_7654_3210, Purpose::DROPOUT, 3).at(17), [3, 9]);
    let x = gpu.alloc(Role::Activation, &[[rows, columns]]).expect("memory");
    gpu.write(x[0], &vec![1.0; rows * columns]);
    let outputs = gpu.alloc(Role::Activation, &[[rows, columns]; 2]).expect("memory");
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let bits = stream.bits(row as u32, column as u32 / 4)[column % 4];
        for (below, dropped) in [(u64::from(bits), false), (u64::from(bits) + 1, true)] {
            // the threshold is exactly this number
            let op = Dropout { p: below as f64 / (1_u64 << 32) as f64, stream }.into();
            gpu.forward(&op, &x, &outputs);
            let mut mask = vec![0.0; rows * columns];
            gpu.read(outputs[1], &mut mask).expect("values");
            assert_eq!(mask[row * columns + column] == 0.0, dropped, "row {row}, column {column}: bits {bits}");
        }
    }
}

abr_film::for_each_op!(one_test_per_op);
