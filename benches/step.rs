//! The whole training step (batch gathered, noise drawn, forward, loss, backward, Adam) of the documented model with
//! FiLM and without, and what FiLM adds: `cargo bench --bench step`. Where a step's time goes: `cargo bench --bench
//! profile`.
//!
//! Steps with and without FiLM alternate, so that other load on the machine affects both alike. The last line of each
//! batch has their medians and the median of the steps' ratios. `ABR_FILM_THREADS` sets the threads of every bench.
//!
//! With `ABR_FILM_DEVICE=gpu` it measures a GPU (`tests/common/bench/on.rs`) at other batch sizes; a turn there is a
//! few steps and one wait. Slow steps, as on an adapter that computes on the CPU, are timed a few times, and not at
//! all from five seconds on.

use abr_film::train::Trainer;
use common::bench::on::On;
use common::bench::trainer::trainer;
use common::bench::{BATCHES, Pair, inside, measure_on, pair, quick, seconds, threads};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::time::Duration;

/// Turns of either model in a ratio.
const ALTERNATIONS: usize = 40;
/// A step of more than `SLOW` seconds is timed a few times only, one of more than `LONGEST` not at all.
const SLOW: f64 = 0.5;
const LONGEST: f64 = 5.0;
/// Rows in a step on a GPU, and the steps of a turn there.
const GPU_BATCHES: [usize; 4] = [32, 256, 1024, 4096];
const GPU_TURN: usize = 20;

fn step(c: &mut Criterion) {
    let (on, pool) = (On::asked(), threads());
    let (batches, turn): (&[usize], _) = if on.is_gpu() { (&GPU_BATCHES, GPU_TURN) } else { (&BATCHES, 1) };
    for &batch in batches {
        let [mut film, mut plain] = [true, false].map(|film| trainer(film, batch, on.device()).expect("a trainer"));
        let run = move |trainer: &mut Trainer, steps: usize| {
            (0..steps).for_each(|_| trainer.step(0, batch).expect("a step"));
            trainer.settle().expect("losses");
        };
        // the second step: some drivers compile a pipeline when it first runs
        let once = inside(&pool, || [&mut film, &mut plain].map(|t| [1, 1].map(|n| seconds(|| run(t, n)))[1])[0]);
        if once > LONGEST {
            println!("step/{batch} and above: left out, {once:.1} s a step");
            break;
        }
        let slow = once > SLOW;
        if !slow {
            let mut group = c.benchmark_group("step");
            group.measurement_time(Duration::from_secs(3));
            for (name, trainer) in [("film", &mut film), ("plain", &mut plain)] {
                group.bench_function(BenchmarkId::new(name, batch), |b| {
                    let step = |trainer: &mut Trainer| trainer.step(0, batch).expect("a step");
                    measure_on(b, &pool, trainer, step, |trainer| trainer.settle().expect("losses"));
                });
            }
            group.finish();
        }
        let (turns, steps) = if slow { (5, 1) } else { (ALTERNATIONS, turn) };
        let Pair { medians, ratio } = inside(&pool, || {
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..turns {
                for (trainer, times) in [&mut film, &mut plain].into_iter().zip(&mut times) {
                    times.push(seconds(|| run(trainer, steps)) / steps as f64);
                }
            }
            pair(times)
        });
        let ([with, without], place) = (medians.map(|s| 1e3 * s), film.model().tape().device_name());
        println!("step/{batch}, {place}: FiLM {with:.2} ms, plain {without:.2} ms, ratio {ratio:.3} (medians)");
    }
}

criterion_group! { name = benches; config = quick(); targets = step }
criterion_main!(benches);
