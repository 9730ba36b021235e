//! Every op of the table, forward and backward, at a layer of the model's own size: `cargo bench --bench ops`.

mod common;
#[path = "common/draw.rs"]
mod draw;
#[path = "common/op.rs"]
mod op;

use abr_film::ops::Op;
use common::{BATCHES, measure, threads};
use criterion::{Criterion, criterion_group, criterion_main};
use draw::draw;
use op::Bench;

/// Rows, inputs and outputs: the middle of the decoder at the middle batch.
const SIZE: [usize; 3] = [BATCHES[1], 256, 512];

macro_rules! every_op {
    ($($module:ident $Op:ident,)*) => {
        fn ops(c: &mut Criterion) {
            let (pool, [rows, inner, columns]) = (threads(), SIZE);
            $(for case in <abr_film::ops::$Op as Op>::cases(rows, inner, columns) {
                let inputs = case.inputs.iter().enumerate().map(|(i, (s, fill))| draw(*s, *fill, i as u32)).collect();
                let name = concat!("ops/", stringify!($module));
                let mut bench = Bench::new(case.op.clone(), inputs);
                let mut group = c.benchmark_group(name);
                group.bench_function(format!("{}/forward", case.name), |b| measure(b, &pool, || bench.forward()));
                group.bench_function(format!("{}/backward", case.name), |b| measure(b, &pool, || bench.backward()));
            })*
        }
    };
}

abr_film::for_each_op!(every_op);

criterion_group!(benches, ops);
criterion_main!(benches);
