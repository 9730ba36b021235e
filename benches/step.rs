//! The whole training step (batch gathered, noise drawn, forward, loss, backward, Adam) of the documented model with FiLM and
//! without, and what FiLM adds: `cargo bench --bench step`.
//!
//! With and without alternate step by step, so that what else the machine does meets both alike; the last line of each batch
//! is the ratio of their medians. `ABR_FILM_THREADS` sets the threads of every bench here.

mod common;

use abr_film::config::Config;
use abr_film::data::synth;
use abr_film::device::Cpu;
use abr_film::error::Result;
use abr_film::train::Trainer;
use common::{BATCHES, measure, threads};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::time::Instant;

/// Steps of either model behind a ratio.
const ALTERNATIONS: usize = 40;

fn config(film: bool, batch: usize) -> Config {
    let settings = [
        format!("model.use_film={film}"),
        format!("training.batch_size={batch}"),
        "data.synth.subjects=100".to_string(),
        "data.synth.rows_per_subject=10".to_string(),
    ];
    Config::from_json("step", "{}", &settings).expect("a configuration")
}

fn trainer(film: bool, batch: usize) -> Result<Trainer> {
    let config = config(film, batch);
    let data = synth::generate(&config.data.synth, config.model.signal_length, config.data.seed)?;
    let data = data.with_columns(&config.data.static_columns)?;
    let (mut trainer, _) = Trainer::new(&config, &data, Box::new(Cpu::<f32>::new()))?;
    trainer.shuffle();
    Ok(trainer)
}

fn step(c: &mut Criterion) {
    let pool = threads();
    for batch in BATCHES {
        let (mut film, mut plain) = (trainer(true, batch).expect("FiLM"), trainer(false, batch).expect("plain"));
        let mut group = c.benchmark_group("step");
        group.sample_size(20);
        for (name, trainer) in [("film", &mut film), ("plain", &mut plain)] {
            group.bench_function(BenchmarkId::new(name, batch), |b| {
                measure(b, &pool, || trainer.step(0, batch).expect("a step"));
            });
        }
        group.finish();
        let [film, plain] = pool.install(|| alternate(&mut film, &mut plain, batch)).expect("steps");
        let (ratio, threads) = (film / plain, pool.current_num_threads());
        println!("step/{batch}, {threads} threads: FiLM {film:.2} ms, plain {plain:.2} ms, ratio {ratio:.3} (medians)");
    }
}

/// Medians in ms of the two models' steps, taken in turns.
fn alternate(film: &mut Trainer, plain: &mut Trainer, batch: usize) -> Result<[f64; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ALTERNATIONS {
        for (trainer, times) in [&mut *film, &mut *plain].into_iter().zip(&mut times) {
            let start = Instant::now();
            trainer.step(0, batch)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}

criterion_group!(benches, step);
criterion_main!(benches);
