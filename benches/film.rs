//! What FiLM costs as one kernel and as two: `film` against `mul` then `add`, forward and backward, at the widths of the decoder's
//! levels: `cargo bench --bench film`.
//!
//! The composed form writes the product to memory and reads it back, in both directions; that traffic is what fusing saves.

mod common;
#[path = "common/draw.rs"]
mod draw;
#[path = "common/op.rs"]
mod op;

use abr_film::ops::{Add, Fill, Film, Mul};
use common::{BATCHES, measure, threads};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use draw::draw;
use op::Bench;

/// Widths of the decoder's levels 1 and 4: within the first cache, and beyond it.
const WIDTHS: [usize; 2] = [128, 1024];

fn film(c: &mut Criterion) {
    let pool = threads();
    for width in WIDTHS {
        let mut group = c.benchmark_group(format!("film/{width}"));
        for rows in BATCHES {
            let shape = [rows, width];
            let [x, gamma, beta, product] = [0, 1, 2, 3].map(|layer| draw(shape, Fill::Normal, layer));
            let strength = draw([rows, 1], Fill::Value(1.0), 4);
            let mut fused = Bench::new(Film.into(), vec![x.clone(), gamma.clone(), beta.clone(), strength]);
            let (mut mul, mut add) =
                (Bench::new(Mul.into(), vec![x, gamma]), Bench::new(Add.into(), vec![product, beta]));
            group.bench_function(BenchmarkId::new("fused", rows), |b| {
                measure(b, &pool, || {
                    fused.forward();
                    fused.backward();
                })
            });
            group.bench_function(BenchmarkId::new("composed", rows), |b| {
                measure(b, &pool, || {
                    mul.forward();
                    add.forward();
                    add.backward();
                    mul.backward();
                })
            });
        }
    }
}

criterion_group!(benches, film);
criterion_main!(benches);
