//! Every op of the table, forward and backward, at a layer of the model's own size: `cargo bench --bench ops`.
//!
//! Rates come from the algorithm (`tests/common/bench/work.rs`). Those of `linear`, `linear_relu`, `grouped_linear` and
//! `matmul` are GFLOP/s, which criterion calls `Gelem/s`; those of all other ops are GB/s, which may exceed the
//! bandwidth of memory, as a layer fits into the caches. `cargo bench --bench gemm` measures matrix products at every
//! shape of the model.
//!
//! With `ABR_FILM_DEVICE=gpu` it measures a GPU (`tests/common/bench/on.rs`).

use abr_film::engine::check::{Case, Cases};
use common::bench::on::{On, Placed};
use common::bench::op::Bench;
use common::bench::work::work;
use common::bench::{BATCHES, measure_on, quick, threads};
use criterion::{Criterion, criterion_group, criterion_main};

/// Rows, inputs and outputs: the middle of the decoder.
const SIZE: [usize; 3] = [BATCHES[1], 256, 512];

macro_rules! every_op {
    ($($module:ident $Op:ident,)*) => {
        fn ops(c: &mut Criterion) {
            let (on, pool, [rows, inner, columns]) = (On::asked(), threads(), SIZE);
            let wait = |placed: &mut Placed| placed.wait().expect("an end");
            $(for case in <abr_film::engine::ops::$Op as Cases>::cases(rows, inner, columns).into_iter().map(Case::any) {
                let [forward, backward] = work(&mut Bench::new(&case));
                let mut placed = Placed::new(&case, on.device()).expect("memory");
                let mut group = c.benchmark_group(concat!("ops/", stringify!($module)));
                group.throughput(forward);
                group.bench_function(format!("{}/forward", case.name), |b| {
                    measure_on(b, &pool, &mut placed, Placed::forward, wait);
                });
                group.throughput(backward);
                group.bench_function(format!("{}/backward", case.name), |b| {
                    measure_on(b, &pool, &mut placed, Placed::backward, wait);
                });
            })*
        }
    };
}

abr_film::for_each_op!(every_op);

criterion_group! { name = benches; config = quick(); targets = ops }
criterion_main!(benches);
