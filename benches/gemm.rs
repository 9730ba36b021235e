//! Matrix products at the layers of the documented model, in the three forms of a linear layer, against
//! `matrixmultiply` (the kernel `portable`) and against the peak rate of the CPU's multiply-add units: `cargo bench
//! --bench gemm`.
//!
//! Two tables in GFLOP/s come first, with the kernels in turns: one by shape and form (alone: `cargo bench --bench gemm
//! -- shapes`) and one of all layers of a step together (alone: `-- sums`). Then follow criterion's figures for two
//! numbers of rows, whose `Gelem/s` are GFLOP/s as well. `ABR_FILM_THREADS` sets the threads.
//!
//! With `ABR_FILM_DEVICE=gpu` the bench prints the cost of a dispatch and the table of shapes and forms on a GPU alone.

use common::bench::on::On;
use common::bench::products::{FORMS, Layer, SHAPES, kernels, peaks, rates};
use common::bench::{BATCHES, measure, quick, threads, wanted};
use common::bench::{products, products_gpu};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rayon::ThreadPool;
use std::time::Duration;

/// The numbers of rows that criterion measures: two only, as there is a figure per shape, form and kernel.
const ROWS: [usize; 2] = [BATCHES[0], BATCHES[2]];

fn tables(_: &mut Criterion) {
    let (pool, on) = (threads(), On::asked());
    if on.is_gpu() {
        return products_gpu::shapes(&on).expect("a table");
    }
    if wanted("shapes") {
        products::shapes(&pool);
    }
    if wanted("sums") {
        sums(&pool);
    }
}

/// One line per number of rows and form: GFLOP/s of all layers of a step, by kernel.
fn sums(pool: &ThreadPool) {
    const ROUNDS: usize = 9;
    peaks(pool);
    let threads = pool.current_num_threads();
    println!("all layers, {threads} threads, medians of {ROUNDS} rounds in turns, GFLOP/s: {:?}", kernels());
    for rows in BATCHES {
        let all = SHAPES.iter().flat_map(|shape| (0..shape.times).map(|_| Layer::new(rows, *shape)));
        let mut layers: Vec<Layer> = all.collect();
        for form in FORMS {
            let rates = rates(pool, &mut layers, form, ROUNDS);
            let rates: String = rates.iter().map(|rate| format!("{rate:8.1}")).collect();
            println!("{rows:>4} {:<8}{rates}", format!("{form:?}"));
        }
    }
}

fn layers(c: &mut Criterion) {
    let pool = threads();
    if On::asked().is_gpu() {
        return;
    }
    for shape in SHAPES {
        for form in shape.forms() {
            let mut group = c.benchmark_group(format!("gemm/{}x{}/{form:?}", shape.layer[0], shape.layer[1]));
            for rows in ROWS {
                let mut layer = Layer::new(rows, shape);
                group.throughput(Throughput::Elements(layer.flops() as u64));
                for kernel in kernels() {
                    group.bench_function(BenchmarkId::new(kernel.name(), rows), |b| {
                        measure(b, &pool, || layer.run(form, kernel));
                    });
                }
            }
        }
    }
}

/// Takes about half a minute per number of rows.
fn hasty() -> Criterion {
    quick().sample_size(10).warm_up_time(Duration::from_millis(30)).measurement_time(Duration::from_millis(70))
}

criterion_group! { name = benches; config = hasty(); targets = tables, layers }
criterion_main!(benches);
