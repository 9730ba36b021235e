//! A NaN in any tensor reaches the loss.

use super::model::{ROWS, Rows, SEED, config, film, model, named, optimizer, weights};
use super::read;
use abr_film::config::{Conditioning, Likelihood};
use abr_film::engine::device::gpu::{Checks, Context, Gpu};
use abr_film::engine::device::{AdamBuffers, AdamSettings, Clip, Cpu, Device, Role};
use abr_film::engine::nn::layers::Mode;
use abr_film::model::{Cvae, Losses};
use common::gpu::context;
use std::sync::Arc;

/// A model on the GPU with its training rows.
struct Fixture {
    model: Cvae,
    clean: Rows,
    likelihood: Likelihood,
}

const TRAIN: Mode = Mode::Train { seed: SEED, step: 0 };

type State = Vec<(String, Vec<usize>, Vec<f32>)>;

impl Fixture {
    fn new(context: Arc<Context>, kind: Conditioning, likelihood: Likelihood) -> Self {
        let config = config(true, kind);
        let model = model(&config, &film(), Box::new(Gpu::new(context)));
        Fixture { model, clean: Rows::new(&config, ROWS), likelihood }
    }

    /// The loss of these rows, or of the clean ones.
    fn loss(&mut self, rows: Option<&Rows>, mode: Mode) -> (Losses, f64) {
        let batch = rows.unwrap_or(&self.clean).batch();
        let output = self.model.forward(&batch, mode).expect("a forward pass");
        let losses = self.model.losses(&output, &batch, &weights(self.likelihood)).expect("losses");
        (losses, losses.read(self.model.tape()).expect("values").1)
    }

    fn restore(&mut self, state: &State) {
        for (name, _, values) in state {
            let var = named(&self.model, name);
            self.model.tape().write(var, values);
        }
    }
}

/// The values with a NaN as the last element, after all whole vec4s and tiles.
fn with_nan_at_end(values: &[f32]) -> Vec<f32> {
    let mut values = values.to_vec();
    *values.last_mut().expect("an element") = f32::NAN;
    values
}

#[test]
fn a_nan_anywhere_reaches_the_loss() {
    let Some(context) = context(Checks::Off) else { return };
    for (kind, likelihood, tensors) in [
        (Conditioning::Film, Likelihood::Mse, 50),
        (Conditioning::Film, Likelihood::Calibrated, 50),
        (Conditioning::LegacyConcat, Likelihood::Mse, 15),
        (Conditioning::CrossAttention, Likelihood::Mse, 45),
    ] {
        let mut fixture = Fixture::new(context.clone(), kind, likelihood);
        let sound = |fixture: &mut Fixture| [TRAIN, Mode::Eval].map(|mode| fixture.loss(None, mode).1.is_finite());
        assert_eq!(sound(&mut fixture), [true; 2]);
        let state = fixture.model.state().expect("values");
        for (name, _, values) in &state {
            let var = named(&fixture.model, name);
            fixture.model.tape().write(var, &with_nan_at_end(values));
            let mode = if name.contains("running") { Mode::Eval } else { TRAIN };
            let (_, loss) = fixture.loss(None, mode);
            assert!(!loss.is_finite(), "{kind:?}, {likelihood:?}: a NaN in {name} is lost: {loss}");
            fixture.restore(&state);
        }
        type Input = fn(&mut Rows) -> &mut Vec<f32>;
        let inputs: [Input; 5] =
            [|r| &mut r.signal, |r| &mut r.condition, |r| &mut r.eps, |r| &mut r.peaks, |r| &mut r.mask];
        for (i, input) in inputs.into_iter().enumerate() {
            let mut rows = Rows::new(&fixture.model.config, ROWS);
            let values = input(&mut rows);
            *values = with_nan_at_end(values);
            let (_, loss) = fixture.loss(Some(&rows), TRAIN);
            assert!(!loss.is_finite(), "{kind:?}, {likelihood:?}: a NaN in input {i} is lost: {loss}");
        }
        fixture.restore(&state);
        assert!(state.len() > tensors, "only {} tensors", state.len());
        assert_eq!(sound(&mut fixture), [true; 2], "the NaN stayed");
    }
}

/// The input of an optimizer step that contains the NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Planted {
    Nowhere,
    Gradient,
    First,
    Second,
}

#[test]
fn a_nan_in_a_step_reaches_the_next_loss() {
    let Some(context) = context(Checks::Off) else { return };
    let mut fixture = Fixture::new(context, Conditioning::Film, Likelihood::Mse);
    let mut optimizer = optimizer(&mut fixture.model);
    let (losses, _) = fixture.loss(None, TRAIN);
    fixture.model.backward(losses.total).expect("a backward pass");
    let (state, moments) =
        (fixture.model.state().expect("values"), optimizer.moments(fixture.model.tape()).expect("values"));
    assert!(moments.len() > 30, "only {} parameters", moments.len());
    for (name, ..) in &moments {
        let var = named(&fixture.model, name);
        let gradient = fixture.model.tape().read_gradient(var).expect("values");
        for planted in [Planted::Gradient, Planted::First, Planted::Second, Planted::Nowhere] {
            let tape = fixture.model.tape();
            let buffer = tape.buffers(var).1;
            let spoil = |here, values: &[f32]| if planted == here { with_nan_at_end(values) } else { values.to_vec() };
            tape.device_mut().write(buffer, &spoil(Planted::Gradient, &gradient));
            let with_nan: Vec<_> = moments
                .iter()
                .map(|(of, m, v)| match of == name {
                    true => (of, spoil(Planted::First, m), spoil(Planted::Second, v)),
                    false => (of, m.clone(), v.clone()),
                })
                .collect();
            let find = |of: &str, _| {
                let (_, m, v) = with_nan.iter().find(|(name, ..)| *name == of).expect("a parameter");
                Ok((&m[..], &v[..]))
            };
            optimizer.load_moments(tape, find).expect("moments");
            optimizer.step(tape, None).expect("a step");
            let (_, loss) = fixture.loss(None, TRAIN);
            assert_eq!(loss.is_finite(), planted == Planted::Nowhere, "{name}, {planted:?}: {loss}");
            fixture.restore(&state);
        }
    }
}

#[test]
fn a_norm_that_is_nan_makes_all_nan_when_clipped() {
    let Some(context) = context(Checks::Off) else { return };
    let devices: [Box<dyn Device>; 2] = [Box::new(Cpu::<f32>::new()), Box::new(Gpu::new(context))];
    for mut device in devices {
        for (last, nan) in [(3.0, false), (f32::NAN, true)] {
            let [values, gradients, first, second] =
                [Role::Parameter, Role::Gradient, Role::Moment, Role::Moment].map(|role| {
                    let buffers = device.alloc(role, &[[1, 3], [2, 2]]).expect("memory");
                    [buffers[0], buffers[1]]
                });
            device.write(gradients[0], &[1.0, -2.0, 0.5]);
            device.write(gradients[1], &[0.1, 0.2, 0.3, last]);
            let norm = device.norms(&[gradients.to_vec()]).expect("a norm").get(0);
            let parameters = [0, 1].map(|i| AdamBuffers {
                value: values[i],
                gradient: gradients[i],
                m: first[i],
                v: second[i],
                learning_rate: 0.1,
                weight_decay: 0.0,
            });
            device.adam(1, &AdamSettings::DEFAULT, Some(Clip { max_norm: 1.0, norm }), &parameters);
            let all = [read(&*device, values[0], 3), read(&*device, values[1], 4)].concat();
            assert!(all.iter().all(|v| v.is_nan() == nan && *v != 0.0), "{}: {all:?}", device.name());
        }
    }
}
