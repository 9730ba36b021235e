//! The whole model on the GPU against the CPU: losses, gradients, a training's loss curve, and errors.

use super::U;
use abr_film::config::{Conditioning, FilmConfig, FilmLevelConfig, Likelihood, ModelConfig, TrainingConfig};
use abr_film::engine::device::gpu::{Checks, Context, Gpu, open, shader_module};
use abr_film::engine::device::{ADAPTER, Cpu, Device, ScalarValues};
use abr_film::engine::nn::layers::Mode;
use abr_film::engine::nn::optim::Optimizer;
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::engine::tape::Var;
use abr_film::model::{Batch, Cvae, LossWeights};
use abr_film::train;
use common::gpu::context;
use std::sync::Arc;

pub const ROWS: usize = 33;
pub const SEED: u64 = 5;
/// The margin above sqrt(n) U for a chain of sums of n terms, as in the comparison with PyTorch.
const SPREAD: f64 = 16.0;

pub fn config(predict_peaks: bool, conditioning: Conditioning) -> ModelConfig {
    ModelConfig {
        signal_length: 37,
        static_dim: 3,
        latent_dim: 5,
        encoder_dims: vec![40, 17],
        encoder_dropout: vec![0.2, 0.1],
        decoder_dims: vec![16, 33],
        concat_dropout: vec![0.1, 0.2],
        signal_head_dim: 65,
        static_head_dims: vec![31, 8],
        peak_head_dim: 20,
        predict_peaks,
        conditioning,
        attention_dim: 12,
        attention_heads: 3,
        ..ModelConfig::default()
    }
}

/// The terms on the longest path through the forward pass of [`config`]'s model.
const TERMS: f64 = (40 + 40 + 17 + 5 + 16 + 33 + 65) as f64;

fn normals(rows: usize, per_row: usize, layer: u32) -> Vec<f32> {
    let mut values = vec![0.0; rows * per_row];
    let stream = Stream::new(1, Purpose::TEST, layer);
    values.chunks_exact_mut(per_row).enumerate().for_each(|(row, out)| stream.normals(row as u32, out));
    values
}

pub struct Rows {
    count: usize,
    pub signal: Vec<f32>,
    pub condition: Vec<f32>,
    pub peaks: Vec<f32>,
    pub mask: Vec<f32>,
    pub eps: Vec<f32>,
}

impl Rows {
    pub fn new(c: &ModelConfig, count: usize) -> Self {
        let normals = |per_row, layer| normals(count, per_row, layer);
        let peaks = normals(c.num_peaks, 3);
        let mask = peaks.iter().map(|p| f32::from(u8::from(*p > -0.5))).collect();
        Rows {
            count,
            signal: normals(c.signal_length, 1),
            condition: normals(c.static_dim, 2),
            peaks,
            mask,
            eps: normals(c.latent_dim, 4),
        }
    }

    pub fn batch(&self) -> Batch<'_> {
        let Rows { count, signal, condition, peaks, mask, eps } = self;
        Batch {
            rows: *count,
            signal,
            condition,
            peaks,
            peak_mask: mask,
            eps: Some(eps),
            target: None,
            root_weights: None,
        }
    }
}

pub fn film() -> FilmConfig {
    FilmConfig { hidden_dim: 9, condition_dropout: 0.2, ..FilmConfig::default() }
}

pub fn model(config: &ModelConfig, film: &FilmConfig, device: Box<dyn Device>) -> Cvae {
    let mut model = Cvae::new(config, film, SEED, device).expect("a device with memory");
    // FiLM starts as the identity, where half of its gradients are 0: change its weights
    for (name, _, mut values) in model.state().expect("values") {
        if name.contains("film") {
            let stream = Stream::new(9, Purpose::TEST, values.len() as u32);
            let mut draws = stream.rng(0);
            values.iter_mut().for_each(|v| *v += 0.3 * draws.normal() as f32);
            let var = named(&model, &name);
            model.tape().write(var, &values);
        }
    }
    model
}

pub fn named(model: &Cvae, name: &str) -> Var {
    model.parameters().iter().find(|(p, _)| p.name == name).expect("a parameter").1
}

pub fn weights(likelihood: Likelihood) -> LossWeights {
    LossWeights::new(&TrainingConfig { likelihood, kl_weight: 0.1, ..TrainingConfig::default() }, None)
}

/// The terms of the loss and all gradients, after a forward and a backward pass.
fn pass(model: &mut Cvae, rows: &Rows, likelihood: Likelihood) -> (Vec<f64>, Vec<(String, Vec<f32>)>) {
    let output = model.forward(&rows.batch(), Mode::Train { seed: SEED, step: 3 }).expect("a forward pass");
    let losses = model.losses(&output, &rows.batch(), &weights(likelihood)).expect("losses");
    model.backward(losses.total).expect("a backward pass");
    let (terms, total) = losses.read(model.tape()).expect("values");
    let trainable: Vec<(String, Var)> =
        model.parameters().iter().filter(|(p, _)| p.requires_grad).map(|(p, var)| (p.name.clone(), var)).collect();
    let gradient = |(name, var)| (name, model.tape().read_gradient(var).expect("values"));
    (vec![terms.signal, terms.condition, terms.kl, terms.peaks, total], trainable.into_iter().map(gradient).collect())
}

/// The largest difference in parts of a tolerance of `SPREAD sqrt(terms) U` of the tensor's largest value.
fn apart(got: &[f32], want: &[f32], terms: f64, factor: f64) -> f64 {
    let largest = want.iter().fold(0.0, |m: f64, v| m.max(f64::from(v.abs())));
    let tolerance = SPREAD * terms.sqrt() * U * largest;
    let part = |(got, want): (&f32, &f32)| match (f64::from(*got) * factor - f64::from(*want)).abs() {
        0.0 => 0.0,
        error if error.is_finite() => error / tolerance,
        _ => f64::INFINITY,
    };
    got.iter().zip(want).map(part).fold(0.0, f64::max)
}

#[test]
fn losses_and_gradients() {
    for checks in [Checks::On, Checks::Off] {
        let Some(context) = context(checks) else { return };
        let options = FilmConfig { gate: true, mixing: true, encoder: true, rank: Some(4), ..film() };
        let level = |inputs: &[usize], hidden_dim| FilmLevelConfig {
            inputs: Some(inputs.to_vec()),
            hidden_dim: Some(hidden_dim),
            ..FilmLevelConfig::default()
        };
        let levels = FilmConfig { levels: vec![level(&[2, 0], 5), level(&[1], 7)], ..film() };
        for (peaks, conditioning, film, likelihood, strength, rows) in [
            (true, Conditioning::Film, film(), Likelihood::Mse, 1.0, ROWS),
            // more than one tile of rows, and more than the 64 that lanes sum in one round
            (true, Conditioning::Film, film(), Likelihood::Mse, 1.0, 130),
            (true, Conditioning::Film, film(), Likelihood::Calibrated, 0.5, ROWS),
            (false, Conditioning::Film, film(), Likelihood::Calibrated, 1.0, ROWS),
            (true, Conditioning::Film, options.clone(), Likelihood::Mse, 0.7, ROWS),
            (false, Conditioning::Film, levels.clone(), Likelihood::Mse, 1.0, ROWS),
            (true, Conditioning::None, film(), Likelihood::Mse, 1.0, ROWS),
            (false, Conditioning::None, film(), Likelihood::Calibrated, 1.0, 130),
            (false, Conditioning::Concat, film(), Likelihood::Mse, 0.7, ROWS),
            (false, Conditioning::CrossAttention, film(), Likelihood::Mse, 0.7, ROWS),
            (true, Conditioning::LegacyConcat, film(), Likelihood::Mse, 1.0, ROWS),
            (false, Conditioning::LegacyConcat, film(), Likelihood::Calibrated, 1.0, 130),
        ] {
            let what = format!("{conditioning:?}, {likelihood:?}, strength {strength}, {rows} rows");
            let config = config(peaks, conditioning);
            let model = |device: Box<dyn Device>| {
                let mut model = model(&config, &film, device);
                model.conditioning_strength = strength;
                model
            };
            let rows = Rows::new(&config, rows);
            let (want, gradients) = pass(&mut model(Box::new(Cpu::<f64>::new())), &rows, likelihood);
            let mut on_gpu = model(Box::new(Gpu::new(context.clone())));
            // the second pass reuses the memory of the first
            let first = pass(&mut on_gpu, &rows, likelihood);
            let mut again = pass(&mut on_gpu, &rows, likelihood);
            assert_eq!(first.0, again.0, "the same bits");
            assert!(first.1 == again.1, "the same bits");
            for (got, want) in again.0.iter().zip(&want) {
                let part = (got - want).abs() / (SPREAD * TERMS.sqrt() * U * want.abs()).max(f64::MIN_POSITIVE);
                assert!(part <= 1.0, "{what}: a loss of {got} and not {want}: {part:.2} tolerances");
            }
            let mut worst = (0.0, String::new());
            for ((name, got), (_, want)) in again.1.iter_mut().zip(&gradients) {
                let terms = 2.0 * TERMS + rows.count as f64;
                let part = apart(got, want, terms, 1.0);
                assert!(part <= 1.0, "{what}: {name}: {part:.2} tolerances off");
                assert!(apart(got, want, terms, 1.001) > 1.0, "{what}: {name}: perturbed, and not noticed");
                if part > worst.0 {
                    worst = (part, name.clone());
                }
            }
            println!("{what}: gradients at most {:.3} of the tolerance, {}", worst.0, worst.1);
        }
    }
}

/// An optimizer whose learning rate for FiLM is half of the others'.
pub fn optimizer(model: &mut Cvae) -> Optimizer {
    let film = FilmConfig { learning_rate_scale: 0.5, ..FilmConfig::default() };
    train::optimizer(&Default::default(), &film, 1e-3, model.parts()).expect("memory for the moments")
}

/// The losses of a training, and the largest norm of a gradient.
fn curve(device: Box<dyn Device>, steps: u32) -> Vec<f64> {
    let config = config(true, Conditioning::Film);
    let (rows, mut model) = (Rows::new(&config, ROWS), model(&config, &film(), device));
    let mut optimizer = optimizer(&mut model);
    let mut losses = Vec::new();
    for step in 0..steps {
        let output = model.forward(&rows.batch(), Mode::Train { seed: SEED, step }).expect("a forward pass");
        let terms = model.losses(&output, &rows.batch(), &weights(Likelihood::Mse)).expect("losses");
        model.backward(terms.total).expect("a backward pass");
        let norm = optimizer.step(model.tape(), Some(1.0)).expect("a step").expect("clipped");
        let (tape, mut values) = (model.tape(), ScalarValues::default());
        let scalars = [tape.scalar(terms.total), norm];
        let ticket = tape.readback(&scalars).expect("a readback");
        tape.wait(ticket, &mut values).expect("values");
        losses.extend(scalars.map(|scalar| values.get(scalar)));
    }
    losses
}

#[test]
fn a_loss_curve() {
    let Some(context) = context(Checks::Off) else { return };
    let (want, cpu) = (curve(Box::new(Cpu::<f64>::new()), 100), curve(Box::new(Cpu::<f32>::new()), 100));
    let got = curve(Box::new(Gpu::new(context)), 100);
    let off = |got: &[f64]| got.iter().zip(&want).map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f64::max);
    // a training amplifies roundings. The CPU's f32 shows by how much; the GPU's roundings differ from it
    let tolerance = 8.0 * off(&cpu);
    println!("100 steps: the GPU is off by {:.1e}, the CPU in f32 by {:.1e}", off(&got), off(&cpu));
    assert!(off(&got) <= tolerance, "off by {:.1e}, allowed {tolerance:.1e}", off(&got));
    assert!(tolerance < 0.01, "the CPU in f32 is itself off by {:.1e}", off(&cpu));
    assert!(want[198] < 0.9 * want[0], "nothing was learned: {} to {}", want[0], want[198]);
}

/// A new GPU context, for tests that break it or count its pipelines. The common one must stay intact.
pub fn own() -> Option<Arc<Context>> {
    let wanted = std::env::var(ADAPTER).unwrap_or_default();
    context(Checks::Off).map(|_| open(Some(&wanted), Checks::Off).expect("opened before"))
}

#[test]
fn a_shader_that_does_not_compile_is_an_error() {
    let Some(context) = own() else { return };
    shader_module(&context, "sound", "@compute @workgroup_size(1) fn forward() {}").expect("a shader");
    let error = shader_module(&context, "broken", "@compute @workgroup_size(1) fn forward() { let x = y; }");
    let error = error.expect_err("there is no y");
    assert!(error.exit_code() == 1 && error.to_string().contains("broken"), "{error}");
    // after the fault all results of this device are errors
    let gpu: Box<dyn Device> = Box::new(Gpu::new(context));
    assert!(
        Cvae::new(&config(true, Conditioning::Film), &FilmConfig::default(), SEED, gpu)
            .and_then(|model| model.state())
            .is_err()
    );
}

#[test]
fn a_lost_device_is_an_error() {
    let Some(context) = own() else { return };
    let config = config(true, Conditioning::Film);
    let rows = Rows::new(&config, ROWS);
    let mut model = model(&config, &film(), Box::new(Gpu::new(context.clone())));
    pass(&mut model, &rows, Likelihood::Mse);
    context.device.destroy();
    let result = model.forward(&rows.batch(), Mode::Eval).and_then(|output| model.read(output.z));
    let error = result.expect_err("nothing can be computed any more");
    println!("{error}");
    assert_eq!(error.exit_code(), 1);
}
