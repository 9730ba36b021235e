//! The conditional variational autoencoder: an encoder to a posterior over z, a decoder from z and the condition.
//!
//! Everything here is in the model's own units: signals, conditions and labels are scaled before they come in.

mod decoder;
mod encoder;
mod film;
mod learned_prior;
mod loss;
mod prior;

pub use loss::{LossWeights, Losses, Terms};
pub use prior::{AggregatedPosterior, Near, SubjectDraw};

use crate::config::{FilmConfig, ModelConfig, Prior};
use crate::device::{Buffer, Device};
use crate::error::{Error, Result};
use crate::nn::layers::{ForwardContext, Mode};
use crate::nn::params::Parameters;
use crate::ops::{Reparameterize, dropout::threshold};
use crate::rng::{Purpose, Stream};
use crate::tape::{Tape, Var};
use decoder::Decoder;
use encoder::Encoder;
use film::FilmGenerators;
use learned_prior::LearnedPrior;

/// The model with its parameters, on a device.
pub struct Cvae {
    pub config: ModelConfig,
    /// c in `gamma = 1 + c (gamma_mlp(s) - 1)`, `beta = c beta_mlp(s)`; may be changed at any time.
    pub conditioning_strength: f64,
    condition_dropout: f64,
    parameters: Parameters,
    encoder: Encoder,
    decoder: Decoder,
    /// With `model.prior: "learned"`.
    prior: Option<LearnedPrior>,
    tape: Tape,
    strengths: Vec<f32>,
    zeros: Vec<f32>,
}

/// Rows to run the model on; slices are row-major.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batch<'a> {
    /// B
    pub rows: usize,
    /// `[B, L]`
    pub signal: &'a [f32],
    /// `[B, L]`: what the signal is to be decoded to; `None`: itself.
    pub target: Option<&'a [f32]>,
    /// `[B, L]`: the root of the weight of each error of the signal; `None`: 1.
    pub root_weights: Option<&'a [f32]>,
    /// `[B, S]`
    pub condition: &'a [f32],
    /// `[B, P]`; 0 where unlabelled. Needed for the loss of a model with a peak head.
    pub peaks: &'a [f32],
    /// `[B, P]`; 1 where labelled.
    pub peak_mask: &'a [f32],
    /// `[B, Z]` standard normal, or `None` for `z = mu`.
    pub eps: Option<&'a [f32]>,
}

/// The variables of a forward pass; they live until the next one.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// `[B, 2 Z]`: mu beside logvar; see [`Cvae::read_posterior`].
    pub posterior: Var,
    /// `[B, 2 Z]`: the same, mu less the prior's mean.
    about_prior: Var,
    /// `[B, Z]`
    pub z: Var,
    pub decoded: Decoded,
    target: Var,
    input_condition: Var,
}

/// What the decoder says.
#[derive(Debug, Clone, Copy)]
pub struct Decoded {
    /// `[B, L]`
    pub signal: Var,
    /// `[B, S]`: the condition as read off the decoder's state; none in the concat decoder.
    pub condition: Option<Var>,
    /// `[B, P]`, with a peak head.
    pub peaks: Option<Var>,
}

impl Cvae {
    /// A model with initial weights of this seed.
    ///
    /// # Errors
    /// When the device has no memory for it.
    pub fn new(config: &ModelConfig, film: &FilmConfig, seed: u64, device: Box<dyn Device>) -> Result<Self> {
        let mut parameters = Parameters::default();
        let encoder = Encoder::new(config, &mut parameters);
        let decoder = Decoder::new(config, film, &mut parameters);
        let prior = (config.prior == Prior::Learned).then(|| LearnedPrior::new(config, &mut parameters));
        let mut tape = Tape::new(device);
        parameters.allocate(&mut tape, seed)?;
        Ok(Cvae {
            config: config.clone(),
            conditioning_strength: film.conditioning_strength,
            condition_dropout: film.condition_dropout,
            parameters,
            encoder,
            decoder,
            prior,
            tape,
            strengths: Vec::new(),
            zeros: Vec::new(),
        })
    }

    /// Encodes, draws z and decodes. Forgets the pass before.
    pub fn forward(&mut self, batch: &Batch, mode: Mode) -> Result<Output> {
        let (rows, c) = (batch.rows, &self.config);
        self.tape.rewind();
        let signal = self.tape.input([rows, c.signal_length], batch.signal)?;
        let target = match batch.target {
            Some(target) => self.tape.input([rows, c.signal_length], target)?,
            None => signal,
        };
        let condition = self.tape.input([rows, c.static_dim], batch.condition)?;
        // without noise z = mu + 0 exp(logvar / 2)
        self.zeros.resize(rows * c.latent_dim, 0.0);
        let eps = self.tape.input([rows, c.latent_dim], batch.eps.unwrap_or(&self.zeros))?;
        let strength = self.strength(rows, mode)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode };
        let posterior = self.encoder.forward(&mut context, signal, condition)?;
        let z = context.tape.apply(Reparameterize, &[posterior, eps])?;
        let decoded = self.decoder.forward(&mut context, z, Some((condition, strength)))?;
        let about_prior = match &mut self.prior {
            Some(prior) => prior.about(&mut context, posterior, condition)?,
            None => posterior,
        };
        Ok(Output { posterior, about_prior, z, decoded, target, input_condition: condition })
    }

    /// The mean of the learned prior `[B, Z]` under conditions `[B, S]`, in evaluation mode; `None` of another prior.
    /// Forgets the pass before.
    pub fn prior_mean(&mut self, rows: usize, condition: &[f32]) -> Result<Option<Var>> {
        let Some(prior) = &self.prior else { return Ok(None) };
        self.tape.rewind();
        let condition = self.tape.input([rows, self.config.static_dim], condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        prior.mean(&mut context, condition).map(Some)
    }

    /// The posterior in evaluation mode: mu beside logvar, `[B, 2 Z]`. Forgets the pass before.
    pub fn encode(&mut self, batch: &Batch) -> Result<Var> {
        self.tape.rewind();
        let signal = self.tape.input([batch.rows, self.config.signal_length], batch.signal)?;
        let condition = self.tape.input([batch.rows, self.config.static_dim], batch.condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        self.encoder.forward(&mut context, signal, condition)
    }

    /// Decodes given latents in evaluation mode; without a condition FiLM is the identity. Forgets the pass before.
    ///
    /// # Errors
    /// A concat decoder without a condition.
    pub fn decode(&mut self, rows: usize, z: &[f32], condition: Option<&[f32]>) -> Result<Decoded> {
        if condition.is_none() && !self.config.joint_generation {
            return Err(Error::usage(
                "a concat decoder (joint_generation: false) cannot generate without a condition",
                "give a condition, or train a model with joint_generation: true",
            ));
        }
        self.tape.rewind();
        let z = self.tape.input([rows, self.config.latent_dim], z)?;
        let mode = Mode::Eval;
        let condition = match condition {
            Some(values) => {
                Some((self.tape.input([rows, self.config.static_dim], values)?, self.strength(rows, mode)?))
            }
            None => None,
        };
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode };
        self.decoder.forward(&mut context, z, condition)
    }

    /// Gamma and beta of all FiLM blocks `[B, Σ 2 F]` under conditions `[B, S]`, at strength 1: a block's gamma, then
    /// its beta, the blocks in order; `None` without FiLM. Forgets the pass before.
    pub fn modulation(&mut self, rows: usize, condition: &[f32]) -> Result<Option<Var>> {
        let Some(film) = self.decoder.film() else { return Ok(None) };
        self.tape.rewind();
        let condition = self.tape.input([rows, self.config.static_dim], condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        film.forward(&mut context, condition).map(Some)
    }

    /// The strength of each row's condition, `[B, 1]`: in training, 0 for a row whose condition is dropped in this
    /// step.
    fn strength(&mut self, rows: usize, mode: Mode) -> Result<Var> {
        let strength = self.conditioning_strength as f32;
        self.strengths.clear();
        self.strengths.resize(rows, strength);
        if let (Mode::Train { seed, step }, true) = (mode, self.condition_dropout > 0.0) {
            let stream = Stream::new(seed, Purpose::Condition, 0).at(step);
            for (row, s) in self.strengths.iter_mut().enumerate() {
                let dropped =
                    self.condition_dropout >= 1.0 || stream.bits(row as u32, 0)[0] < threshold(self.condition_dropout);
                *s = if dropped { 0.0 } else { strength };
            }
        }
        self.tape.input([rows, 1], &self.strengths)
    }

    /// The terms of the loss of the last forward pass, on its own batch.
    pub fn losses(&mut self, output: &Output, batch: &Batch, weights: &LossWeights) -> Result<Losses> {
        loss::losses(&mut self.tape, &self.config, output, batch, weights)
    }

    /// Sets the gradients of all parameters to those of `loss`.
    pub fn backward(&mut self, loss: Var) -> Result<()> {
        self.tape.backward(loss)
    }

    /// The parameters' names, shapes and places.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The tape, to read variables and to step an optimizer.
    pub fn tape(&mut self) -> &mut Tape {
        &mut self.tape
    }

    /// Parameters and tape together, for an optimizer.
    pub fn parts(&mut self) -> (&Parameters, &mut Tape) {
        (&self.parameters, &mut self.tape)
    }

    /// The values of a variable of the last pass, row-major.
    pub fn read(&self, var: Var) -> Result<Vec<f32>> {
        self.tape.read(var)
    }

    /// mu and logvar `[B, Z]` of a posterior.
    pub fn read_posterior(&self, posterior: Var) -> Result<(Vec<f32>, Vec<f32>)> {
        let (values, latent) = (self.read(posterior)?, self.config.latent_dim);
        let rows = values.chunks_exact(2 * latent).map(|row| row.split_at(latent));
        let (mu, logvar): (Vec<&[f32]>, Vec<&[f32]>) = rows.unzip();
        Ok((mu.concat(), logvar.concat()))
    }

    /// Name, shape and values of every parameter and running statistic.
    pub fn state(&self) -> Result<Vec<(String, Vec<usize>, Vec<f32>)>> {
        self.parameters.iter().map(|(p, var)| Ok((p.name.clone(), p.shape.clone(), self.tape.read(var)?))).collect()
    }

    /// Overwrites every parameter and running statistic; see [`Parameters::load`].
    pub fn load_state<'a>(
        &mut self,
        source: &str,
        find: impl Fn(&str) -> Option<(&'a [usize], &'a [f32])>,
    ) -> Result<()> {
        self.parameters.load(&mut self.tape, source, find)
    }

    /// The gradient buffers of each FiLM block, in order.
    pub fn film_gradients(&self) -> Vec<Vec<Buffer>> {
        let mut blocks = vec![Vec::new(); self.decoder.film().map_or(0, FilmGenerators::levels)];
        for (parameter, var) in self.parameters.iter() {
            if let Some(block) = parameter.film_level() {
                blocks[block - 1].push(self.tape.buffers(var).1);
            }
        }
        blocks
    }
}
