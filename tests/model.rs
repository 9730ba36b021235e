//! The model before and after its first steps: initial weights, FiLM's strength, optimizer steps in the backward pass,
//! and the names of parameters in PyTorch.

#![cfg(feature = "abr")]

use abr_film::config::{
    Conditioning, Config, FilmConfig, ModelConfig, OptimizerConfig, OptimizerKind, Prior, TrainingConfig,
};
use abr_film::data::load;
use abr_film::engine::device::Cpu;
use abr_film::engine::nn::layers::Mode;
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::model::{Batch, Cvae, LossWeights, Terms};
use abr_film::train::{self, Trainer};
use common::recording::{Recording, own};
use common::shared::shared;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Shape and values by name.
type State = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

const ROWS: usize = 9;

fn small() -> ModelConfig {
    ModelConfig {
        signal_length: 20,
        static_dim: 3,
        latent_dim: 5,
        encoder_dims: vec![12, 10],
        encoder_dropout: vec![0.1, 0.1],
        decoder_dims: vec![16, 24],
        signal_head_dim: 16,
        static_head_dims: vec![10, 8],
        ..ModelConfig::default()
    }
}

fn model(config: &ModelConfig, seed: u64) -> Cvae {
    Cvae::new(config, &FilmConfig::default(), seed, Box::new(Cpu::<f32>::new())).expect("memory for it")
}

fn state(model: &Cvae) -> State {
    model.state().expect("values").into_iter().map(|(name, shape, values)| (name, (shape, values))).collect()
}

/// Standard normal values. Each `layer` gives other values.
fn normals(columns: usize, layer: u32) -> Vec<f32> {
    let mut values = vec![0.0; ROWS * columns];
    Stream::new(1, Purpose::TEST, layer).normals(0, &mut values);
    values
}

/// The decoded signals and conditions of the same z.
fn decode(model: &mut Cvae, condition: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
    let z = normals(model.config.latent_dim, 0);
    let decoded = model.decode(ROWS, &z, condition).expect("a joint decoder");
    (model.read(decoded.signal).expect("values"), model.read(decoded.condition.expect("a head")).expect("values"))
}

fn train(model: &mut Cvae, steps: u32) {
    train_with(model, steps, &Default::default(), false);
}

/// `in_backward`: optimizer steps run in the backward pass where possible.
fn train_with(model: &mut Cvae, steps: u32, optimizer: &OptimizerConfig, in_backward: bool) {
    let config = model.config.clone();
    let (signal, condition) = (normals(config.signal_length, 10), normals(config.static_dim, 11));
    let eps = normals(config.latent_dim, 12);
    let batch = Batch { rows: ROWS, signal: &signal, condition: &condition, eps: Some(&eps), ..Batch::default() };
    let film = FilmConfig { learning_rate_scale: 0.5, weight_decay: Some(0.3), ..FilmConfig::default() };
    let optimizer = train::optimizer(optimizer, &film, 1e-2, model.parts());
    let mut optimizer = optimizer.expect("memory for the moments");
    for step in 0..steps {
        let output = model.forward(&batch, Mode::Train { seed: 1, step }).expect("a forward pass");
        let weights = LossWeights::new(&TrainingConfig::default(), None);
        let losses = model.losses(&output, &batch, &weights).expect("losses");
        if in_backward {
            optimizer.step_in_backward(model.tape());
        }
        model.backward(losses.total).expect("a backward pass");
        optimizer.step(model.tape(), None).expect("a step");
    }
}

#[test]
fn film_is_the_identity_until_it_is_trained() {
    let mut model = model(&small(), 1);
    let conditions = [1, 2].map(|layer| normals(3, layer));
    let without = decode(&mut model, None);
    for strength in [0.5, 1.0, 2.0] {
        model.conditioning_strength = strength;
        for condition in &conditions {
            assert_eq!(decode(&mut model, Some(condition)), without, "to the bit, at strength {strength}");
        }
    }
    model.conditioning_strength = 1.0;
    train(&mut model, 3);
    let [one, other] = conditions.map(|condition| decode(&mut model, Some(&condition)).0);
    assert_ne!(one, other);
    assert_ne!(one, decode(&mut model, None).0);
}

#[test]
fn strength_0_is_film_off_and_one_half_is_half_the_departure_from_the_identity() {
    let mut model = model(&small(), 1);
    train(&mut model, 20);
    let condition = normals(3, 1);
    let (without, full) = (decode(&mut model, None).0, decode(&mut model, Some(&condition)).0);
    model.conditioning_strength = 0.0;
    assert_eq!(decode(&mut model, Some(&condition)).0, without, "to the bit");
    model.conditioning_strength = 0.5;
    let half = decode(&mut model, Some(&condition)).0;

    // the same by the MLPs' last layers: gamma -> 1 + (gamma - 1) / 2, beta -> beta / 2
    let mut halved = state(&model);
    for (name, (_, values)) in halved.iter_mut().filter(|(name, _)| name.contains("_mlp.2.")) {
        let rest = if name.ends_with("gamma_mlp.2.bias") { 0.5 } else { 0.0 };
        values.iter_mut().for_each(|v| *v = rest + 0.5 * *v);
    }
    let find = |name: &str| halved.get(name).map(|(shape, values)| (shape.as_slice(), values.as_slice()));
    model.load_state("halved", find).expect("the same names");
    model.conditioning_strength = 1.0;
    let by_weights = decode(&mut model, Some(&condition)).0;

    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    let largest = full.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    // eight roundings an element of two levels (the halved bias, FiLM's five), then 24 + 16 terms of the head: sqrt(56)
    // with the same margin as in the comparison with PyTorch, 16
    let tolerance = 16.0 * 56.0_f32.sqrt() * f32::EPSILON / 2.0 * largest;
    println!("strength one half: off by {:.2} of the tolerance", apart(&half, &by_weights) / tolerance);
    assert!(apart(&half, &by_weights) <= tolerance);
    for end in [&without, &full] {
        assert!(apart(&half, end) > 100.0 * tolerance, "strength one half is an end");
    }
}

#[test]
fn a_step_in_the_backward_pass_is_the_same_step() {
    let adamw = OptimizerConfig { kind: OptimizerKind::AdamW, weight_decay: 0.1, ..OptimizerConfig::default() };
    let l2 = OptimizerConfig { weight_decay: 0.1, ..OptimizerConfig::default() };
    for (config, optimizer) in [(small(), adamw), (small(), l2), (ModelConfig::default(), Default::default())] {
        let [mut after, mut within] = [model(&config, 1), model(&config, 1)];
        train_with(&mut after, 3, &optimizer, false);
        train_with(&mut within, 3, &optimizer, true);
        assert_eq!(state(&after), state(&within), "to the bit");
        // a step in the backward pass does not store the gradient of a weight; those of FiLM are stored
        let stored = |model: &mut Cvae, name: &str| {
            let (parameters, tape) = model.parts();
            let (_, var) = parameters.iter().find(|(p, _)| p.name == name).expect("a parameter");
            tape.read_gradient(var).expect("values").iter().any(|v| *v != 0.0)
        };
        assert!(stored(&mut after, "decoder.layer2.0.weight") && !stored(&mut within, "decoder.layer2.0.weight"));
        assert!(stored(&mut within, "decoder.film1.gamma_mlp.2.weight"));
    }
}

#[test]
fn parameter_counts_at_the_default_sizes() {
    let count = |config: &ModelConfig| model(config, 1).parameters().count();
    assert_eq!(count(&ModelConfig::default()), 4_415_567);
    assert_eq!(count(&ModelConfig { conditioning: Conditioning::None, ..ModelConfig::default() }), 4_161_871);
}

/// Checks values against U(-bound, bound): none outside, and the variance if there are enough values.
fn assert_uniform(name: &str, values: &[f32], bound: f64) {
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(f64::from(v.abs())));
    assert!(largest <= bound * (1.0 + f64::from(f32::EPSILON)), "{name}: {largest} is outside of ±{bound}");
    assert!(largest > 0.0, "{name}: all 0");
    if values.len() >= 1000 {
        let count = values.len() as f64;
        let variance = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / count;
        // the square of a uniform value has the variance 4/45 of the bound's fourth power: five standard errors, as a
        // fraction
        let error = 5.0 * (4.0 / 45.0 / count).sqrt() * 3.0;
        assert!((variance / (bound * bound / 3.0) - 1.0).abs() < error, "{name}: variance {variance}, bound {bound}");
    }
}

/// Checks every parameter against the initializer for its name. Returns the number of parameters of each kind.
fn check_initial(state: &State) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for (name, (_, values)) in state {
        let all = |value: f32| assert!(values.iter().all(|v| *v == value), "{name}: not {value} everywhere");
        let (layer, part) = name.rsplit_once('.').expect("a layer and a part");
        let batch_norm = state.contains_key(&format!("{layer}.running_mean"));
        let [fan_out, fan_in] = state[&format!("{layer}.weight")].0[..] else {
            assert!(batch_norm, "{name}: of no known layer");
            all(if part == "weight" || part == "running_var" { 1.0 } else { 0.0 });
            *kinds.entry("batch norm").or_insert(0) += 1;
            continue;
        };
        let kind = if layer.starts_with("encoder.") {
            match part {
                "weight" => assert_uniform(name, values, (6.0 / (fan_in + fan_out) as f64).sqrt()),
                _ => all(0.0),
            }
            "encoder"
        } else if layer.ends_with("_mlp.2") {
            all(if name.ends_with("gamma_mlp.2.bias") { 1.0 } else { 0.0 });
            "the last of FiLM's"
        } else {
            assert_uniform(name, values, 1.0 / (fan_in as f64).sqrt());
            "default"
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    kinds
}

#[test]
fn initial_weights_follow_their_distributions() {
    let config = ModelConfig { predict_peaks: true, ..ModelConfig::default() };
    // five encoder layers; at four levels a gamma and a beta MLP of two layers each; four levels, two heads of two
    // layers and one of three. All levels and all layers of heads but the last have a batch norm
    let kinds = check_initial(&state(&model(&config, 1)));
    let expected =
        [("batch norm", 4 * 8), ("default", 2 * (8 + 4 + 7)), ("encoder", 2 * 5), ("the last of FiLM's", 2 * 8)];
    assert_eq!(kinds, BTreeMap::from(expected));
    let kinds = check_initial(&state(&model(&ModelConfig { conditioning: Conditioning::LegacyConcat, ..config }, 1)));
    assert_eq!(kinds, BTreeMap::from([("default", 2 * 6), ("encoder", 2 * 5)]));
}

#[test]
fn weights_are_a_function_of_the_seed() {
    let of_seed = |seed| state(&model(&small(), seed));
    assert_eq!(of_seed(1), of_seed(1));
    let (one, other) = (of_seed(1), of_seed(2));
    let drawn = |name: &str| name == "encoder.mu_layer.weight" || name == "decoder.signal_head.4.bias";
    for (name, values) in one.iter().filter(|(name, _)| drawn(name)) {
        assert_ne!(*values, other[name], "{name}");
    }
}

fn names<'a>(of: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    of.map(str::to_string).collect()
}

#[test]
fn names_are_those_of_the_state_dict() {
    let full = ModelConfig::default();
    for (recorded, config) in [
        ("film", full.clone()),
        ("film_peaks", ModelConfig { predict_peaks: true, ..full.clone() }),
        ("plain", ModelConfig { conditioning: Conditioning::None, ..full.clone() }),
        ("concat_peaks", ModelConfig { conditioning: Conditioning::LegacyConcat, predict_peaks: true, ..full.clone() }),
    ] {
        let recording = Recording::open(&own().join(format!("{recorded}.safetensors")), "case");
        let state = state(&model(&config, 1));
        assert_eq!(names(state.keys().map(String::as_str)), names(recording.under("param/")), "{recorded}");
    }
}

#[test]
fn shapes_are_those_of_the_recorded_model_at_full_size() {
    let Some(folder) = shared("reference") else { return };
    let recording = Recording::open(&folder.join("film_full.safetensors"), "case");
    let model = model(&ModelConfig::default(), 1);
    assert_eq!(model.parameters().count() as u64, recording.about["parameters"].as_u64().expect("a count"));
    for (name, (shape, values)) in state(&model) {
        let recorded = recording.tensor(&format!("param/{name}"));
        assert_eq!((shape, values.len()), (recorded.shape.clone(), recorded.values.len()), "{name}");
    }
}

#[test]
fn a_saved_model_has_all_tensors_of_a_strict_load() {
    let config = Config::from_json("smoke", include_str!("../configs/smoke.json"), &[]).expect("a configuration");
    let data = load(&config.data, config.model.signal_length, |_, _| {}).expect("data").0;
    let (mut trainer, _) = Trainer::new(&config, &data, Box::new(Cpu::<f32>::new())).expect("a trainer");
    trainer.epoch(|step| if step == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).expect("steps");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    trainer.checkpoint().expect("weights").save(&path).expect("a file");
    let saved = Recording::open(&path, "abr_film");

    // a recording of the same depths
    let recording = Recording::open(&own().join("adam_l2.safetensors"), "case");
    let mut wanted = names(recording.under("param/"));
    let counters: Vec<String> = recording
        .under("param/")
        .filter_map(|name| Some(format!("{}.num_batches_tracked", name.strip_suffix(".running_mean")?)))
        .collect();
    for counter in &counters {
        let tensor = saved.tensor(counter);
        assert_eq!((tensor.shape.as_slice(), tensor.values.as_slice()), ([].as_slice(), [2.0].as_slice()), "{counter}");
    }
    wanted.extend(counters);
    // the other tensors are those of the training rows
    let (of_rows, of_model): (Vec<_>, Vec<_>) =
        names(saved.under("")).into_iter().partition(|n| n.starts_with("train."));
    assert_eq!(of_model.into_iter().collect::<BTreeSet<_>>(), wanted);
    assert_eq!(of_rows.len(), 1 + config.data.static_columns.len());
    assert_eq!(saved.about["trained"]["step"], 2);
}

#[test]
fn a_linear_path_bypasses_both_networks() {
    let config = ModelConfig { linear_path: true, ..small() };
    let mut model = model(&config, 3);
    let shapes: BTreeMap<String, Vec<usize>> = state(&model).into_iter().map(|(name, (s, _))| (name, s)).collect();
    assert_eq!(shapes["encoder.mu_layer.weight"], [5, 10 + 20]);
    assert_eq!(shapes["encoder.logvar_layer.weight"], [5, 10 + 20]);
    assert_eq!(shapes["decoder.signal_head.4.weight"], [20, 16 + 5]);
    assert_eq!(shapes["decoder.static_head.8.weight"][1], 8);
    // with the weights of the networks' outputs at 0, only an affine map is left
    let mut values = state(&model);
    for (name, network) in [("encoder.mu_layer.weight", 10), ("decoder.signal_head.4.weight", 16)] {
        let (shape, weights) = values.get_mut(name).expect("a weight");
        weights.chunks_exact_mut(shape[1]).for_each(|row| row[..network].fill(0.0));
    }
    let find = |name: &str| values.get(name).map(|(shape, values)| (shape.as_slice(), values.as_slice()));
    model.load_state("changed", find).expect("the same names");
    let (signal, condition) = (normals(20, 10), normals(3, 11));
    let batch = Batch { rows: ROWS, signal: &signal, condition: &condition, ..Batch::default() };
    let output = model.forward(&batch, Mode::Eval).expect("a pass");
    let (z, decoded) = (model.read(output.z).expect("values"), model.read(output.decoded.signal).expect("values"));
    let affine = |name: &str, network: usize, input: &[f32], row: usize| {
        let (shape, weights) = &values[&format!("{name}.weight")];
        let weights = &weights[row * shape[1] + network..(row + 1) * shape[1]];
        let product: f64 = weights.iter().zip(input).map(|(w, x)| f64::from(w * x)).sum();
        product + f64::from(values[&format!("{name}.bias")].1[row])
    };
    // sums of at most 20 f32 products of size about 1: 20 roundings of sums below 8 leave at most 20 * 8 * 2^-24 = 1e-5
    for row in 0..ROWS {
        for unit in 0..5 {
            let wanted = affine("encoder.mu_layer", 10, &signal[20 * row..20 * (row + 1)], unit);
            assert!((f64::from(z[5 * row + unit]) - wanted).abs() < 1e-5, "row {row}, unit {unit}");
        }
        for i in 0..20 {
            let wanted = affine("decoder.signal_head.4", 16, &z[5 * row..5 * (row + 1)], i);
            assert!((f64::from(decoded[20 * row + i]) - wanted).abs() < 1e-5, "row {row}, sample {i}");
        }
    }
}

/// The terms of the loss in evaluation mode.
fn terms(model: &mut Cvae, batch: &Batch) -> Terms {
    let output = model.forward(batch, Mode::Eval).expect("a pass");
    let weights = LossWeights::new(&TrainingConfig::default(), None);
    let losses = model.losses(&output, batch, &weights).expect("losses");
    losses.read(model.tape()).expect("values").0
}

#[test]
fn root_weights_weigh_the_errors() {
    let mut model = model(&small(), 3);
    let (signal, condition) = (normals(20, 10), normals(3, 11));
    let batch = Batch { rows: ROWS, signal: &signal, condition: &condition, ..Batch::default() };
    let output = model.forward(&batch, Mode::Eval).expect("a pass");
    let decoded = model.read(output.decoded.signal).expect("values");
    let roots: Vec<f32> = (0..ROWS * 20).map(|i| 0.5 + (i / 20) as f32).collect();
    let errors = decoded.iter().zip(&signal).zip(&roots).map(|((a, b), root)| f64::from(root * (a - b)).powi(2));
    let wanted = errors.sum::<f64>() / (ROWS * 20) as f64;
    let plain = terms(&mut model, &batch);
    let weighted = terms(&mut model, &Batch { root_weights: Some(&roots), ..batch });
    // a mean of 180 squares in f32, in 16 interleaved sums: about 30 roundings in a row, 30 * 2^-24 = 2e-6 of the mean,
    // and a few more in each square
    assert!((weighted.signal / wanted - 1.0).abs() < 1e-5, "{} {wanted}", weighted.signal);
    assert!((weighted.signal / plain.signal - 1.0).abs() > 0.1);
    assert_eq!((weighted.kl, weighted.condition), (plain.kl, plain.condition));
}

#[test]
fn the_kl_pulls_to_a_learned_prior() {
    let config = ModelConfig { prior: Prior::Learned, ..small() };
    let mut model = model(&config, 3);
    let (signal, condition) = (normals(20, 10), normals(3, 11));
    let batch = Batch { rows: ROWS, signal: &signal, condition: &condition, ..Batch::default() };
    let output = model.forward(&batch, Mode::Eval).expect("a pass");
    let (mu, logvar) = model.read_posterior(output.posterior).expect("values");
    let prior = model.prior_mean(ROWS, &condition).expect("a pass").expect("a learned prior");
    let prior = model.read(prior).expect("values");
    assert!(prior.iter().any(|mean| mean.abs() > 0.1));
    // Kullback and Leibler's divergence of two normal distributions, the second of variance 1
    let kl = mu.iter().zip(&logvar).zip(&prior).map(|((mu, logvar), mean)| {
        let (about, logvar) = (f64::from(mu - mean), f64::from(*logvar));
        0.5 * (about * about + logvar.exp() - 1.0 - logvar)
    });
    let wanted = kl.sum::<f64>() / ROWS as f64;
    let found = terms(&mut model, &batch).kl;
    // a mean of 45 terms in f32: at most some 50 roundings in a row, 50 * 2^-24 = 3e-6 of the mean, and a few per term
    assert!((found / wanted - 1.0).abs() < 1e-5, "{found} {wanted}");
    train(&mut model, 20);
    assert!(terms(&mut model, &batch).kl < found);
    let moved = model.prior_mean(ROWS, &condition).expect("a pass").expect("a learned prior");
    assert_ne!(model.read(moved).expect("values"), prior);
}
