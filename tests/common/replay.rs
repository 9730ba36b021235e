//! Replaying a recorded model case on the engine: whatever the recording holds, by the same names.

use crate::case::Case;
use crate::recording::Recording;
use crate::spy::{Noise, Spy};
use abr_film::config::FilmConfig;
use abr_film::engine::device::{Role, ScalarValues};
use abr_film::engine::nn::layers::Mode;
use abr_film::engine::op::{AnyOp, Precision};
use abr_film::engine::ops::{Add, Mul};
use abr_film::engine::tape::{Tape, Var};
use abr_film::model::{Batch, Cvae, Decoded, Losses, Output};
use abr_film::train::optimizer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The results of the engine, by the names of the recording.
pub type Found = BTreeMap<String, Vec<f64>>;

/// A deliberate error, which the comparison must notice.
#[derive(Clone, Copy, PartialEq)]
pub enum Perturbation {
    None,
    /// Scales the gradients of the first step: every other tensor by 1 plus this fraction, the rest by 1 plus twice the
    /// fraction. Clipping would undo one factor for all.
    Gradients(f64),
    /// Scales the learning rate by 1 plus this fraction.
    LearningRate(f64),
}

/// Runs everything a model case records: evaluation, decoding, and three training steps.
pub fn replay<T: Precision>(recording: &Recording, perturbation: Perturbation) -> Found {
    let case = Case::of(recording);
    let noise = Arc::new(Mutex::new(Noise::default()));
    let device = Box::new(Spy::<T>::new(noise.clone()));
    let mut model = Cvae::new(&case.model(), &case.film(), 0, device).expect("memory for it");
    load(&mut model, recording);
    let mut dropouts: Vec<usize> = recording.under("mask/").filter_map(|layer| layer.parse().ok()).collect();
    dropouts.sort_unstable();
    let mut run = Run { model, inputs: Inputs::of(recording), dropouts, found: Found::new(), noise };
    run.evaluate(case.batch);
    run.decode(case.batch);
    run.train(&case, perturbation);
    run.found
}

/// Loads the initial parameters. The recording and the model must have the same names.
fn load(model: &mut Cvae, recording: &Recording) {
    let start: BTreeMap<&str, (&[usize], Vec<f32>)> = recording
        .under("param/")
        .map(|name| {
            let tensor = recording.tensor(&format!("param/{name}"));
            (name, (tensor.shape.as_slice(), narrow(&tensor.values)))
        })
        .collect();
    model
        .load_state("the recording", |name| start.get(name).map(|(shape, v)| (*shape, v.as_slice())))
        .expect("weights");
    let mut names: Vec<&str> = model.parameters().iter().map(|(p, _)| p.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, start.keys().copied().collect::<Vec<_>>(), "names of the state_dict");
}

/// Values that were widened from f32, as f32.
fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// `input/…`; empty where the recording has none.
struct Inputs {
    signal: Vec<f32>,
    condition: Vec<f32>,
    eps: Vec<f32>,
    peaks: Vec<f32>,
    peak_mask: Vec<f32>,
    z: Vec<f32>,
}

impl Inputs {
    fn of(recording: &Recording) -> Self {
        let known = ["signal", "static", "eps", "peaks", "peak_mask", "z"];
        assert!(recording.under("input/").all(|name| known.contains(&name)), "an unknown input");
        let input = |name| recording.tensors.get(&format!("input/{name}")).map_or(vec![], |t| narrow(&t.values));
        let (mut peaks, mut peak_mask) = (input("peaks"), input("peak_mask"));
        // as the data module does: 0 and unset for a missing label
        for (peak, mask) in peaks.iter_mut().zip(&mut peak_mask).filter(|(peak, mask)| peak.is_nan() || **mask == 0.0) {
            (*peak, *mask) = (0.0, 0.0);
        }
        Inputs {
            signal: input("signal"),
            condition: input("static"),
            eps: input("eps"),
            peaks,
            peak_mask,
            z: input("z"),
        }
    }

    fn batch(&self, rows: usize) -> Batch<'_> {
        let Inputs { signal, condition, eps, peaks, peak_mask, z: _ } = self;
        Batch { rows, signal, condition, peaks, peak_mask, eps: Some(eps), target: None, root_weights: None }
    }
}

struct Run {
    model: Cvae,
    inputs: Inputs,
    /// The numbers of the active dropout layers.
    dropouts: Vec<usize>,
    found: Found,
    noise: Arc<Mutex<Noise>>,
}

impl Run {
    fn evaluate(&mut self, rows: usize) {
        let batch = Batch { eps: None, ..self.inputs.batch(rows) };
        let output = self.model.forward(&batch, Mode::Eval).expect("a forward pass");
        self.put_output("eval", &output);
    }

    fn decode(&mut self, rows: usize) {
        if self.inputs.z.is_empty() {
            return;
        }
        for (prefix, condition) in [("decode", Some(self.inputs.condition.as_slice())), ("decode_no_static", None)] {
            let decoded = self.model.decode(rows, &self.inputs.z, condition).expect("a joint decoder");
            put_decoded(&mut self.model, &mut self.found, prefix, &decoded);
        }
    }

    fn train(&mut self, case: &Case, perturbation: Perturbation) {
        let film = FilmConfig { learning_rate_scale: case.film_learning_rate_scale, ..FilmConfig::default() };
        let learning_rate =
            case.learning_rate * if let Perturbation::LearningRate(part) = perturbation { 1.0 + part } else { 1.0 };
        let optimizer = optimizer(&case.optimizer(), &film, learning_rate, self.model.parts());
        let mut optimizer = optimizer.expect("memory for the moments");
        for step in 0..3 {
            *self.noise.lock().expect("one thread") = Noise::default();
            let batch = self.inputs.batch(case.batch);
            let output =
                self.model.forward(&batch, Mode::Train { seed: case.noise_seed, step }).expect("a forward pass");
            let losses = self.model.losses(&output, &batch, &case.loss_weights()).expect("losses");
            self.model.backward(losses.total).expect("a backward pass");
            if step == 0 {
                if let Perturbation::Gradients(part) = perturbation {
                    self.perturb_gradients(part);
                }
                self.put_output("train", &output);
                self.put_losses(&losses);
                self.put_noise();
                self.put_gradients();
            }
            let clip = case.clip_norm.unwrap_or(f64::INFINITY);
            let norm = optimizer.step(self.model.tape(), Some(clip)).expect("a step").expect("clipped");
            if step == 0 {
                let (tape, mut values) = (self.model.tape(), ScalarValues::default());
                let ticket = tape.readback(&[norm]).expect("a readback");
                tape.wait(ticket, &mut values).expect("a norm");
                self.found.insert("train/grad_norm".into(), vec![values.get(norm)]);
            }
        }
        self.put_state();
    }

    fn put_output(&mut self, prefix: &str, output: &Output) {
        let posterior = read(self.model.tape(), output.posterior);
        let latent = self.model.config.latent_dim;
        let half = |half: usize| posterior.chunks(latent).skip(half).step_by(2).flatten().copied().collect();
        self.found.insert(format!("{prefix}/mu"), half(0));
        self.found.insert(format!("{prefix}/logvar"), half(1));
        self.found.insert(format!("{prefix}/z"), read(self.model.tape(), output.z));
        put_decoded(&mut self.model, &mut self.found, prefix, &output.decoded);
    }

    /// The terms of the loss; 0 for a missing head.
    fn put_losses(&mut self, losses: &Losses) {
        let Losses { signal, condition, kl, peaks, total } = *losses;
        let terms = [
            ("signal", Some(signal)),
            ("static", condition),
            ("kl", Some(kl)),
            ("peak", peaks),
            ("total", Some(total)),
        ];
        for (name, var) in terms {
            let value = var.map_or(vec![0.0], |var| read(self.model.tape(), var));
            self.found.insert(format!("train/loss_{name}"), value);
        }
    }

    /// Active dropout layers run in the order of their numbers, and all levels of a step have the same strengths.
    fn put_noise(&mut self) {
        let noise = self.noise.lock().expect("one thread");
        let keeps = |values: &[f32]| values.iter().map(|v| if *v == 0.0 { 0.0 } else { 1.0 }).collect();
        assert_eq!(noise.dropouts.len(), self.dropouts.len(), "active dropout layers");
        for (layer, dropout) in self.dropouts.iter().zip(&noise.dropouts) {
            self.found.insert(format!("mask/{layer}"), keeps(dropout));
        }
        if let Some(first) = noise.strengths.first() {
            assert!(noise.strengths.iter().all(|s| s == first), "levels differ in which rows lose their condition");
            self.found.insert("mask/condition".into(), keeps(first));
        }
    }

    fn put_gradients(&mut self) {
        let (parameters, tape) = self.model.parts();
        for (parameter, var) in parameters.iter().filter(|(p, _)| p.requires_grad) {
            let gradient = read_gradient(tape, var);
            self.found.insert(format!("gradnorm/{}", parameter.name), vec![norm(&gradient)]);
            self.found.insert(format!("grad/{}", parameter.name), gradient);
        }
    }

    fn put_state(&mut self) {
        let (parameters, tape) = self.model.parts();
        for (parameter, var) in parameters.iter() {
            let value = read(tape, var);
            self.found.insert(format!("step3norm/{}", parameter.name), vec![norm(&value)]);
            self.found.insert(format!("step3/{}", parameter.name), value);
        }
    }

    fn perturb_gradients(&mut self, part: f64) {
        let (parameters, tape) = self.model.parts();
        for (i, (_, var)) in parameters.iter().filter(|(p, _)| p.requires_grad).enumerate() {
            let (shape, (_, gradient)) = (tape.shape(var), tape.buffers(var));
            let device = tape.device_mut();
            let [factor, perturbed] = device.alloc(Role::Activation, &[shape; 2]).expect("memory")[..] else {
                unreachable!()
            };
            device.write(factor, &vec![(1.0 + part * (1 + i % 2) as f64) as f32; shape[0] * shape[1]]);
            device.forward(&AnyOp::from(Mul), &[gradient, factor], &[perturbed]);
            device.copy(perturbed, gradient);
        }
    }
}

fn put_decoded(model: &mut Cvae, found: &mut Found, prefix: &str, decoded: &Decoded) {
    let heads = [("signal", Some(decoded.signal)), ("static", decoded.condition), ("peaks", decoded.peaks)];
    for (name, var) in heads.into_iter().filter_map(|(name, var)| Some((name, var?))) {
        found.insert(format!("{prefix}/{name}"), read(model.tape(), var));
    }
}

/// The Euclidean norm as torch's float32 computes it, in eight sums. Over millions of values, rounding loses small
/// squares, up to six parts in a hundred thousand.
fn norm(values: &[f64]) -> f64 {
    let mut sums = [0.0_f32; 8];
    for chunk in values.chunks(8) {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += (*value as f32) * (*value as f32);
        }
    }
    f64::from(sums.iter().sum::<f32>().sqrt())
}

/// A variable's values to 48 bits. A device returns f32, so this also reads the rounding error: the sum of the value
/// and its negated f32. That sum comes after the loss and does not affect gradients.
fn read(tape: &mut Tape, var: Var) -> Vec<f64> {
    let (shape, high) = (tape.shape(var), tape.read(var).expect("values"));
    let negated = tape.input(shape, &negated(&high)).expect("memory");
    let low = tape.apply(Add, &[var, negated]).expect("memory");
    joined(&high, &tape.read(low).expect("values"))
}

/// A parameter's gradient to 48 bits.
fn read_gradient(tape: &mut Tape, var: Var) -> Vec<f64> {
    let (shape, (_, gradient)) = (tape.shape(var), tape.buffers(var));
    let device = tape.device_mut();
    let (mut high, mut low) = (vec![0.0; shape[0] * shape[1]], vec![0.0; shape[0] * shape[1]]);
    device.read(gradient, &mut high).expect("values");
    let [rounded, rest] = device.alloc(Role::Activation, &[shape; 2]).expect("memory")[..] else { unreachable!() };
    device.write(rounded, &negated(&high));
    device.forward(&AnyOp::from(Add), &[gradient, rounded], &[rest]);
    device.read(rest, &mut low).expect("values");
    joined(&high, &low)
}

fn negated(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| -v).collect()
}

fn joined(high: &[f32], low: &[f32]) -> Vec<f64> {
    high.iter().zip(low).map(|(high, low)| f64::from(*high) + f64::from(*low)).collect()
}
