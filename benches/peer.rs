//! Our side of `benches/peers.py` and `benches/gpu_peers.py`: the training step of the documented model, decoding, one
//! product, or next to nothing (the cost of a dispatch), measured for these scripts. Without them it does nothing.
//!
//! A step is the program's own, whole: it gathers rows, draws noise, and runs forward, loss, backward, the norms of
//! FiLM's gradients and Adam.

use abr_film::config::Config;
use abr_film::data::{Column, Dataset, Values};
use abr_film::engine::check::draw;
use abr_film::engine::device::{Device, Kind, with};
use abr_film::engine::op::{AnyOp, Case, Fill};
use abr_film::error::Result;
use abr_film::model::Cvae;
use abr_film::train::Trainer;
use common::bench::on::{Placed, layer, nothing};
use ndarray::Array2;
use peer_protocol::{argument, median, serve_blocks};
use std::time::Instant;

/// Parameters of the documented model.
const PARAMETERS: usize = 4_415_567;

/// The documented model, its decoder and heads `width` times as wide.
fn config() -> Result<Config> {
    let (film, width) = (argument("film", true), argument("width", 1.0));
    let wide = |columns: &[usize]| columns.iter().map(|&c| (c as f64 * width) as usize).collect::<Vec<_>>();
    let settings = [
        format!("model.conditioning={}", if film { "film" } else { "none" }),
        format!("model.decoder_dims={:?}", wide(&[128, 256, 512, 1024])),
        format!("model.signal_head_dim={}", wide(&[2048])[0]),
        format!("model.static_head_dims={:?}", wide(&[512, 256])),
        "data.split=\"row\"".to_string(),
        "data.validation_split=0.01".to_string(),
        "data.test_split=0".to_string(),
    ];
    Config::from_json("configs/film_config.json", include_str!("../configs/film_config.json"), &settings)
}

fn noise(config: &Config, rows: usize) -> Dataset {
    let conditions = config.data.static_columns.iter().enumerate().map(|(i, column)| {
        // above 0, as is required of a column that enters as its logarithm
        let values =
            draw::<f32>([rows, 1], Fill::Uniform(1.0, 2.0), i as u32 + 1).iter().map(|v| f64::from(*v)).collect();
        Column { name: column.name().into(), values: Values::Number(values) }
    });
    Dataset {
        source: "noise".into(),
        signals: draw([rows, config.model.signal_length], Fill::Normal, 0),
        sample_rate_hz: 20_000.0,
        t0_ms: 0.0,
        conditions: conditions.collect(),
        peaks: Array2::from_elem((rows, 6), f32::NAN),
        subjects: vec!["noise".into(); rows],
        averages: vec![f32::NAN; rows],
        ground_truth: None,
    }
}

fn threads() -> usize {
    std::env::var("ABR_FILM_THREADS").ok().and_then(|text| text.parse().ok()).expect("ABR_FILM_THREADS: a number")
}

/// `device=cpu` or `device=gpu`: the GPU that `ABR_FILM_ADAPTER` names, by default the first hardware GPU.
fn on_device(work: impl FnOnce(Box<dyn Device>) -> Result<()> + Send) -> Result<()> {
    let kind = if is_gpu() { Kind::Gpu } else { Kind::Cpu };
    with(kind, Some(threads()), work)
}

fn is_gpu() -> bool {
    match argument("device", "cpu".to_string()).as_str() {
        "cpu" => false,
        "gpu" => true,
        other => panic!("device={other}: cpu or gpu"),
    }
}

/// Milliseconds of runs in a row before one wait; on the CPU each run is waited for.
fn block_ms() -> f64 {
    if is_gpu() { 20.0 } else { 0.0 }
}

/// The version and, on a GPU, the name of the device.
fn version(device: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    if is_gpu() { format!("{version} on {device}") } else { version.to_string() }
}

fn step() -> Result<()> {
    let (config, batch) = (config()?, argument("batch", 32));
    // more rows than a batch, so that a step gathers other rows each time
    let data = noise(&config, 1000 + batch * 5 / 4);
    on_device(|device| {
        let name = device.name();
        let (mut trainer, _) = Trainer::new(&config, &data, device)?;
        trainer.shuffle();
        let parameters = trainer.model().parameters().count();
        serve_blocks(&version(&name), parameters, block_ms(), |times| {
            (0..times).for_each(|_| trainer.step(0, batch).expect("a step"));
            trainer.settle().expect("losses");
        });
        Ok(())
    })
}

fn generate() -> Result<()> {
    let (config, rows) = (config()?, argument("batch", 1));
    let [z, condition] = [(config.model.latent_dim, 0), (config.model.static_dim, 1)]
        .map(|(columns, layer)| draw([rows, columns], Fill::Normal, layer).into_raw_vec_and_offset().0);
    on_device(|device| {
        let name = device.name();
        let mut model = Cvae::new(&config.model, &config.film, 1, device)?;
        let parameters = model.parameters().count();
        serve_blocks(&version(&name), parameters, block_ms(), |times| {
            for _ in 0..times {
                let decoded = model.decode(rows, &z, Some(&condition)).expect("traces");
                std::hint::black_box(model.read(decoded.signal).expect("traces"));
            }
        });
        Ok(())
    })
}

/// An op's forward pass on random operands.
fn op(case: Case<AnyOp>) -> Result<()> {
    on_device(|device| {
        let name = device.name();
        let mut placed = Placed::new(&case, device)?;
        serve_blocks(&version(&name), 0, block_ms(), |times| {
            (0..times).for_each(|_| placed.forward());
            placed.wait().expect("an end");
        });
        Ok(())
    })
}

/// `y = x W^T + b`
fn product() -> Result<()> {
    let [rows, inputs, outputs] = ["rows", "inputs", "outputs"].map(|name| argument(name, 32));
    op(layer(rows, [inputs, outputs]))
}

/// 64 sums.
fn dispatch() -> Result<()> {
    op(nothing())
}

/// The device's work in a step: dispatches, compute passes, and how often the CPU waited with nothing left to do.
fn counts() -> Result<()> {
    const STEPS: u64 = 4;
    let (config, batch) = (config()?, argument("batch", 32));
    on_device(|device| {
        let (mut trainer, _) = Trainer::new(&config, &noise(&config, 1000 + batch * 5 / 4), device)?;
        trainer.shuffle();
        let tape = trainer.model().tape();
        let before = tape.counts();
        (0..STEPS).try_for_each(|_| trainer.step(0, batch))?;
        let tape = trainer.model().tape();
        let after = tape.counts();
        println!(
            r#"{{"dispatches": {}, "compute_passes": {}, "waits": {}, "steps": {STEPS}, "device": "{}"}}"#,
            (after.dispatches - before.dispatches) / STEPS,
            (after.compute_passes - before.compute_passes) / STEPS,
            after.waits - before.waits,
            tape.device_name()
        );
        trainer.settle()
    })
}

/// The limits of this machine: multiply-adds in GFLOP/s, and the time of an Adam pass's memory traffic over all
/// parameters.
fn limits() {
    let (name, rate) = common::bench::peak::all().first().copied().unwrap_or(("unknown", || 0.0));
    let (each, count) = (PARAMETERS / threads(), threads());
    let together = |work: &(dyn Fn() -> f64 + Sync)| -> Vec<f64> {
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
            running.into_iter().map(|thread| thread.join().expect("a rate")).collect()
        })
    };
    let gflops: f64 = together(&rate).iter().sum();
    let pass_ms = together(&|| adam_traffic(each)).into_iter().fold(0.0, f64::max);
    println!(r#"{{"set": "{name}", "gflops": {gflops}, "adam_ms": {pass_ms}}}"#);
}

/// The median time in ms to read four arrays and write three of them.
fn adam_traffic(count: usize) -> f64 {
    let [mut value, gradient, mut m, mut v] = [1.0, 2.0, 3.0, 4.0].map(|fill: f32| vec![fill; count]);
    let times = (0..20)
        .map(|_| {
            let start = Instant::now();
            for (((value, gradient), m), v) in value.iter_mut().zip(&gradient).zip(&mut m).zip(&mut v) {
                *m += gradient;
                *v += gradient;
                *value += *m;
            }
            std::hint::black_box((&mut value, &mut m, &mut v));
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    median(times)
}

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("step") => step()?,
        Some("generate") => generate()?,
        Some("product") => product()?,
        Some("dispatch") => dispatch()?,
        Some("counts") => counts()?,
        Some("limits") => limits(),
        _ => println!("measured by python3 benches/peers.py"),
    }
    Ok(())
}
