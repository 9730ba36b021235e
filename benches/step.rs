//! The whole training step (batch gathered, noise drawn, forward, loss, backward, Adam) of the documented model with FiLM and
//! without, and what FiLM adds: `cargo bench --bench step`. Where a step's time goes: `cargo bench --bench profile`.
//!
//! With and without alternate step by step, so that what else the machine does meets both alike; the last line of each batch
//! is their medians and the median of the steps' ratios. `ABR_FILM_THREADS` sets the threads of every bench here.

mod common;
#[path = "common/trainer.rs"]
mod trainer;

use abr_film::device::Cpu;
use abr_film::train::Trainer;
use common::{BATCHES, Pair, measure, pair, quick, seconds, threads};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::time::Duration;
use trainer::trainer;

/// Steps of either model behind a ratio.
const ALTERNATIONS: usize = 40;

fn step(c: &mut Criterion) {
    let pool = threads();
    for batch in BATCHES {
        let [mut film, mut plain] =
            [true, false].map(|film| trainer(film, batch, Box::new(Cpu::<f32>::new())).expect("a trainer"));
        let mut group = c.benchmark_group("step");
        group.measurement_time(Duration::from_secs(3));
        for (name, trainer) in [("film", &mut film), ("plain", &mut plain)] {
            group.bench_function(BenchmarkId::new(name, batch), |b| {
                measure(b, &pool, || trainer.step(0, batch).expect("a step"));
            });
        }
        group.finish();
        let Pair { medians, ratio } = pool.install(|| alternate([&mut film, &mut plain], batch));
        let ([film, plain], threads) = (medians.map(|s| 1e3 * s), pool.current_num_threads());
        println!("step/{batch}, {threads} threads: FiLM {film:.2} ms, plain {plain:.2} ms, ratio {ratio:.3} (medians)");
    }
}

/// The two models' steps, taken in turns.
fn alternate(mut trainers: [&mut Trainer; 2], batch: usize) -> Pair {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ALTERNATIONS {
        for (trainer, times) in trainers.iter_mut().zip(&mut times) {
            times.push(seconds(|| trainer.step(0, batch).expect("a step")));
        }
    }
    pair(times)
}

criterion_group! { name = benches; config = quick(); targets = step }
criterion_main!(benches);
