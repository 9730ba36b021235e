//! The ways in which a condition enters the decoder, and the options of FiLM.

#![cfg(feature = "abr")]

use abr_film::config::{Conditioning, FilmConfig, FilmLevelConfig, ModelConfig, TrainingConfig};
use abr_film::engine::device::Cpu;
use abr_film::engine::nn::layers::Mode;
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::model::{Batch, Cvae, LossWeights};
use abr_film::train;

const ROWS: usize = 9;
const CONDITIONING: [Conditioning; 4] =
    [Conditioning::None, Conditioning::Concat, Conditioning::Film, Conditioning::CrossAttention];

fn config(conditioning: Conditioning) -> ModelConfig {
    ModelConfig {
        signal_length: 20,
        static_dim: 3,
        latent_dim: 5,
        encoder_dims: vec![12, 10],
        encoder_dropout: vec![0.1, 0.1],
        decoder_dims: vec![16, 24],
        signal_head_dim: 16,
        static_head_dims: vec![10, 8],
        attention_dim: 8,
        attention_heads: 2,
        conditioning,
        ..ModelConfig::default()
    }
}

fn level(inputs: &[usize]) -> FilmLevelConfig {
    FilmLevelConfig { inputs: Some(inputs.to_vec()), ..FilmLevelConfig::default() }
}

/// Each option of FiLM alone, and all together.
fn options() -> Vec<(&'static str, FilmConfig)> {
    let film = FilmConfig::default;
    let levels = vec![level(&[0, 2]), level(&[1])];
    vec![
        ("plain", film()),
        ("gate", FilmConfig { gate: true, ..film() }),
        ("mixing", FilmConfig { mixing: true, ..film() }),
        ("encoder", FilmConfig { encoder: true, ..film() }),
        ("rank", FilmConfig { rank: Some(2), ..film() }),
        ("levels", FilmConfig { levels: levels.clone(), ..film() }),
        ("all", FilmConfig { gate: true, mixing: true, encoder: true, rank: Some(2), levels, ..film() }),
    ]
}

fn model(config: &ModelConfig, film: &FilmConfig) -> Cvae {
    Cvae::new(config, film, 1, Box::new(Cpu::<f32>::new())).expect("memory for it")
}

/// Standard normal values. Each `layer` gives other values.
fn normals(columns: usize, layer: u32) -> Vec<f32> {
    let mut values = vec![0.0; ROWS * columns];
    Stream::new(1, Purpose::TEST, layer).normals(0, &mut values);
    values
}

/// The decoded signals of the same z.
fn decode(model: &mut Cvae, condition: Option<&[f32]>) -> Vec<f32> {
    let decoded = model.decode(ROWS, &normals(5, 0), condition).expect("a joint decoder");
    model.read(decoded.signal).expect("values")
}

/// The posteriors of the same signals.
fn encode(model: &mut Cvae, condition: &[f32]) -> Vec<f32> {
    let batch = Batch { rows: ROWS, signal: &normals(20, 10), condition, ..Batch::default() };
    let posterior = model.encode(&batch).expect("a pass");
    model.read(posterior).expect("values")
}

fn train(model: &mut Cvae, steps: u32) {
    let (signal, condition, eps) = (normals(20, 10), normals(3, 11), normals(5, 12));
    let batch = Batch { rows: ROWS, signal: &signal, condition: &condition, eps: Some(&eps), ..Batch::default() };
    let optimizer = train::optimizer(&Default::default(), &FilmConfig::default(), 1e-2, model.parts());
    let mut optimizer = optimizer.expect("memory for the moments");
    for step in 0..steps {
        let output = model.forward(&batch, Mode::Train { seed: 1, step }).expect("a forward pass");
        let losses = model.losses(&output, &batch, &LossWeights::new(&TrainingConfig::default(), None));
        model.backward(losses.expect("losses").total).expect("a backward pass");
        optimizer.step(model.tape(), None).expect("a step");
    }
}

#[test]
fn every_option_of_film_starts_as_the_identity() {
    let conditions = [1, 2].map(|layer| normals(3, layer));
    for (name, film) in options() {
        let mut model = model(&config(Conditioning::Film), &film);
        let without = decode(&mut model, None);
        for strength in [0.5, 1.0, 2.0] {
            model.conditioning_strength = strength;
            for condition in &conditions {
                assert_eq!(decode(&mut model, Some(condition)), without, "{name}: to the bit, at strength {strength}");
            }
        }
    }
}

#[test]
fn film_in_the_encoder_starts_as_the_identity_too() {
    let film = FilmConfig { encoder: true, ..FilmConfig::default() };
    let mut with = model(&config(Conditioning::Film), &film);
    let mut without = model(&config(Conditioning::Film), &FilmConfig::default());
    // FiLM's parameters come after the others of the encoder, so these are drawn alike but for the heads
    let state = without.state().expect("values");
    let find = |name: &str| {
        state.iter().find(|(own, ..)| own == name).map(|(_, shape, values)| (shape.as_slice(), values.as_slice()))
    };
    let own = with.state().expect("values");
    let mine = |name: &str| {
        own.iter().find(|(of, ..)| of == name).map(|(_, shape, values)| (shape.as_slice(), values.as_slice()))
    };
    with.load_state("without", |name| find(name).or_else(|| mine(name))).expect("the same shapes");
    let condition = normals(3, 1);
    assert_eq!(encode(&mut with, &condition), encode(&mut without, &condition), "to the bit");
    train(&mut with, 3);
    let trained = encode(&mut with, &condition);
    with.conditioning_strength = 0.0;
    assert_ne!(encode(&mut with, &condition), trained, "FiLM acts after training");
}

#[test]
fn strength_0_is_a_decoder_without_a_condition() {
    let film = options().into_iter().map(|(name, film)| (name, Conditioning::Film, film));
    let others = CONDITIONING.map(|conditioning| (conditioning.name(), conditioning, FilmConfig::default()));
    for (name, conditioning, film) in film.chain(others) {
        let mut model = model(&config(conditioning), &film);
        train(&mut model, 5);
        let [one, other] = [1, 2].map(|layer| decode(&mut model, Some(&normals(3, layer))));
        let without = decode(&mut model, None);
        assert_eq!(one == other, conditioning == Conditioning::None, "{name}: the condition matters");
        assert_eq!(one == without, conditioning == Conditioning::None, "{name}: the condition matters");
        model.conditioning_strength = 0.0;
        assert_eq!(decode(&mut model, Some(&normals(3, 1))), without, "{name}: to the bit");
    }
}

#[test]
fn dropped_conditions_are_those_of_strength_0() {
    for conditioning in CONDITIONING {
        let film = FilmConfig { condition_dropout: 1.0, ..FilmConfig::default() };
        let mut model = model(&config(conditioning), &film);
        let condition = normals(3, 1);
        let signal = normals(20, 10);
        let pass = |model: &mut Cvae| {
            let batch = Batch { rows: ROWS, signal: &signal, condition: &condition, ..Batch::default() };
            let output = model.forward(&batch, Mode::Train { seed: 1, step: 0 }).expect("a pass");
            model.read(output.decoded.signal).expect("values")
        };
        let dropped = pass(&mut model);
        model.conditioning_strength = 0.0;
        assert_eq!(pass(&mut model), dropped, "{conditioning:?}: to the bit");
    }
}

#[test]
fn a_level_sees_its_own_columns_alone() {
    // the first level sees column 0, the second none
    let film = FilmConfig { levels: vec![level(&[0]), level(&[])], ..FilmConfig::default() };
    let mut model = model(&config(Conditioning::Film), &film);
    let names: Vec<String> = model.parameters().iter().map(|(p, _)| p.name.clone()).collect();
    assert!(names.iter().any(|name| name.starts_with("decoder.film1.")));
    assert!(names.iter().all(|name| !name.starts_with("decoder.film2.")), "{names:?}");
    train(&mut model, 5);
    let with = |column: usize, value: f32| {
        let mut condition = normals(3, 1);
        condition.chunks_exact_mut(3).for_each(|row| row[column] = value);
        condition
    };
    let same = decode(&mut model, Some(&with(1, 0.0))) == decode(&mut model, Some(&with(1, 2.0)));
    assert!(same, "no level sees column 1");
    assert_ne!(decode(&mut model, Some(&with(0, 0.0))), decode(&mut model, Some(&with(0, 2.0))));
    let modulation = model.modulation(ROWS, &normals(3, 1)).expect("values");
    assert_eq!(modulation.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn attention_is_a_distribution_over_the_tokens() {
    let mut model = model(&config(Conditioning::CrossAttention), &FilmConfig::default());
    train(&mut model, 5);
    let maps = model.decisions(ROWS, &normals(5, 0), &normals(3, 1)).expect("values");
    assert_eq!(maps.iter().map(|(level, _)| *level).collect::<Vec<_>>(), [1, 2]);
    for (_, map) in maps {
        assert_eq!(map.dim(), (ROWS, 2 * 3), "heads times tokens");
        for head in map.exact_chunks((1, 3)) {
            // three numbers, each rounded to 2^-24
            assert!((head.sum() - 1.0).abs() < 1e-6 && head.iter().all(|weight| *weight > 0.0), "{head}");
        }
    }
}

#[test]
fn gates_and_mixing_weights_are_between_0_and_1_and_learned() {
    let film = FilmConfig { gate: true, mixing: true, ..FilmConfig::default() };
    let mut gated = model(&config(Conditioning::Film), &film);
    train(&mut gated, 5);
    let gates = gated.decisions(ROWS, &normals(5, 0), &normals(3, 1)).expect("values");
    assert_eq!(
        gates.iter().map(|(level, gate)| (*level, gate.dim())).collect::<Vec<_>>(),
        [(1, (ROWS, 1)), (2, (ROWS, 1))]
    );
    for (_, gate) in gates {
        assert!(gate.iter().all(|gate| *gate > 0.0 && *gate < 1.0), "{gate}");
        assert!(gate.iter().any(|one| *one != gate[[0, 0]]), "it depends on the row");
    }
    let mixing = gated.mixing().expect("values");
    assert_eq!(mixing.iter().map(|(level, weights)| (*level, weights.len())).collect::<Vec<_>>(), [(1, 16), (2, 24)]);
    let start = 1.0 / (1.0 + (-2.0_f32).exp());
    assert!(mixing.iter().all(|(_, weights)| weights.iter().any(|weight| (weight - start).abs() > 1e-3)), "learned");
    let mut plain = model(&config(Conditioning::Film), &FilmConfig::default());
    assert!(plain.decisions(ROWS, &normals(5, 0), &normals(3, 1)).expect("values").is_empty());
    assert!(plain.mixing().expect("values").is_empty());
}
