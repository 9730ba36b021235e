//! The GPU: what a dispatch costs, products, training steps and generation: `cargo bench --bench gpu`, on the adapter that
//! `ABR_FILM_ADAPTER` names, or else the first real GPU. The least time of some tries, each long enough to drown the wait at its end; what
//! would take too long is left out, and said.

use abr_film::config::Config;
use abr_film::data::synth;
use abr_film::device::gpu::{Checks, Context, Gpu, open};
use abr_film::device::{ADAPTER, Buffer, Device, Role};
use abr_film::error::Result;
use abr_film::model::Cvae;
use abr_film::ops::{Add, AnyOp, Linear};
use abr_film::rng::{Purpose, Stream};
use abr_film::tensor::Shape;
use abr_film::train::Trainer;
use std::sync::Arc;
use std::time::Instant;

const TRIES: usize = 5;
/// Seconds that a try should take, and that one may.
const WANTED: f64 = 0.2;
const LONGEST: f64 = 5.0;

/// The model's own products at a batch of 32, a large batch, and what shows the card: `[rows, inner, outputs]`.
const PRODUCTS: [Shape3; 8] = [
    [32, 207, 512],
    [32, 512, 1024],
    [32, 1024, 2048],
    [32, 2048, 200],
    [1024, 1024, 2048],
    [4096, 1024, 2048],
    [2048, 2048, 2048],
    [4096, 4096, 4096],
];
const BATCHES: [usize; 4] = [32, 256, 1024, 4096];

type Shape3 = [usize; 3];

fn main() -> Result<()> {
    let wanted = std::env::var(ADAPTER).ok();
    let context = match open(wanted.as_deref(), Checks::Off) {
        Ok(context) => context,
        Err(error) => {
            println!("{error}");
            return Ok(());
        }
    };
    println!("{}", context.name());
    dispatch(&context)?;
    products(&context)?;
    steps(&context)?;
    generation(&context)
}

/// The least seconds of one of `work`, which is given how often to repeat itself before it waits; None where it takes too long.
fn measure(mut work: impl FnMut(usize) -> Result<()>) -> Result<Option<f64>> {
    work(1)?;
    let start = Instant::now();
    work(1)?;
    let once = start.elapsed().as_secs_f64();
    if once > LONGEST {
        return Ok(None);
    }
    let times = ((WANTED / once) as usize).clamp(1, 10_000);
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        let start = Instant::now();
        work(times)?;
        least = least.min(start.elapsed().as_secs_f64() / times as f64);
    }
    Ok(Some(least))
}

/// An activation with random values.
fn random(gpu: &mut Gpu, shape: Shape) -> Result<Buffer> {
    let buffer = gpu.alloc(Role::Activation, &[shape])?[0];
    let mut values = vec![0.0; shape[0] * shape[1]];
    Stream::new(1, Purpose::Test, 1).normals(0, &mut values);
    gpu.write(buffer, &values);
    Ok(buffer)
}

fn dispatch(context: &Arc<Context>) -> Result<()> {
    let mut gpu = Gpu::new(context.clone());
    let [a, b, c] = [(); 3].map(|()| random(&mut gpu, [1, 64]));
    let (a, b, c, op) = (a?, b?, c?, AnyOp::from(Add));
    let seconds = measure(|times| {
        for _ in 0..times {
            gpu.forward(&op, &[a, b], &[c]);
        }
        {
            gpu.ask(&[c])?;
            gpu.answer(true, &mut [0.0]).map(drop)
        }
    })?;
    println!("dispatch: {:.2} us", 1e6 * seconds.unwrap_or(f64::INFINITY));
    Ok(())
}

fn products(context: &Arc<Context>) -> Result<()> {
    let op = AnyOp::from(Linear);
    // of the product before, to tell beforehand what would take too long
    let mut rate = f64::INFINITY;
    for [rows, inner, outputs] in PRODUCTS {
        let flop = 2.0 * (rows * inner * outputs) as f64;
        if flop / rate > LONGEST {
            println!("product {rows} x {inner} x {outputs}: left out, longer than {LONGEST} s");
            continue;
        }
        let mut gpu = Gpu::new(context.clone());
        let shapes = [[rows, inner], [outputs, inner], [1, outputs], [rows, outputs]];
        let mut buffers = Vec::new();
        for shape in shapes {
            buffers.push(random(&mut gpu, shape)?);
        }
        let seconds = measure(|times| {
            for _ in 0..times {
                gpu.forward(&op, &buffers[..3], &buffers[3..]);
            }
            {
                gpu.ask(&buffers[3..])?;
                gpu.answer(true, &mut [0.0]).map(drop)
            }
        })?;
        rate = seconds.map_or(rate, |s| flop / s);
        match seconds {
            Some(s) => {
                println!("product {rows} x {inner} x {outputs}: {:.1} us, {:.1} GFLOP/s", 1e6 * s, flop / s / 1e9)
            }
            None => println!("product {rows} x {inner} x {outputs}: left out, longer than {LONGEST} s"),
        }
    }
    Ok(())
}

fn steps(context: &Arc<Context>) -> Result<()> {
    for batch in BATCHES {
        let settings = [
            format!("training.batch_size={batch}"),
            "data.synth.subjects=700".to_string(),
            "data.synth.rows_per_subject=10".to_string(),
        ];
        let config = Config::from_json("step", include_str!("../configs/film_config.json"), &settings)?;
        let data = synth::generate(&config.data.synth, config.model.signal_length, config.data.seed)?;
        let data = data.with_columns(&config.data.static_columns)?;
        let (mut trainer, _) = Trainer::new(&config, &data, Box::new(Gpu::new(context.clone())))?;
        trainer.shuffle();
        let before = trainer.model().tape().dispatches();
        trainer.step(0, batch)?;
        let dispatches = trainer.model().tape().dispatches() - before;
        match measure(|times| (0..times).try_for_each(|_| trainer.step(0, batch)))? {
            Some(s) => println!("step of {batch} rows: {:.3} ms, {dispatches} dispatches", 1e3 * s),
            None => {
                println!("step of {batch} rows and more: left out, longer than {LONGEST} s");
                break;
            }
        }
    }
    Ok(())
}

fn generation(context: &Arc<Context>) -> Result<()> {
    const ROWS: usize = 1024;
    let config = Config::from_json("generation", include_str!("../configs/film_config.json"), &[])?;
    let mut model = Cvae::new(&config.model, &config.film, 1, Box::new(Gpu::new(context.clone())))?;
    let draw = |width: usize, layer| {
        let mut values = vec![0.0; ROWS * width];
        Stream::new(1, Purpose::Test, layer).normals(0, &mut values);
        values
    };
    let (z, condition) = (draw(config.model.latent_dim, 1), draw(config.model.static_dim, 2));
    let seconds = measure(|times| {
        (0..times).try_for_each(|_| {
            let decoded = model.decode(ROWS, &z, Some(&condition))?;
            model.read(decoded.signal).map(drop)
        })
    })?;
    match seconds {
        Some(s) => println!("generation: {:.0} traces a second, {ROWS} at a time", ROWS as f64 / s),
        None => println!("generation: left out, longer than {LONGEST} s"),
    }
    Ok(())
}
