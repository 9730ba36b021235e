//! The conditional variational autoencoder: an encoder from the signal to a posterior over z, and a decoder from z and
//! the condition to the signal.
//!
//! All values here are in the model's own units: signals, conditions and labels are already scaled.

mod decoder;
mod encoder;
mod film;
mod learned_prior;
mod levels;
mod loss;
mod prior;

use crate::purpose;
pub use film::film_level;
pub use loss::{LossWeights, Losses, Terms};
pub use prior::{AggregatedPosterior, Near, SubjectDraw};

use crate::config::{FilmConfig, ModelConfig, Prior};
use crate::engine::device::{Buffer, Device};
use crate::engine::nn::layers::{ForwardContext, Mode};
use crate::engine::nn::params::Parameters;
use crate::engine::ops::{Reparameterize, dropout::threshold};
use crate::engine::rng::Stream;
use crate::engine::tape::{Tape, Var};
use crate::error::{Error, Result};
use decoder::Decoder;
use encoder::Encoder;
use film::FilmGenerators;
use learned_prior::LearnedPrior;

/// The model with its parameters, on a device.
pub struct Cvae {
    pub config: ModelConfig,
    /// c in `gamma = 1 + c (gamma_mlp(s) - 1)`, `beta = c beta_mlp(s)`. It may change at any time.
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

/// Rows to run the model on. Slices are row-major.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batch<'a> {
    /// The number of rows, B.
    pub rows: usize,
    /// `[B, L]`
    pub signal: &'a [f32],
    /// `[B, L]`: the target of the decoded signal; `None`: the signal itself.
    pub target: Option<&'a [f32]>,
    /// `[B, L]`: the square roots of the weights of the signal's errors; `None`: 1.
    pub root_weights: Option<&'a [f32]>,
    /// `[B, S]`
    pub condition: &'a [f32],
    /// `[B, P]`; 0 if unlabelled. Needed for the loss of a model with a peak head.
    pub peaks: &'a [f32],
    /// `[B, P]`; 1 if labelled, else 0.
    pub peak_mask: &'a [f32],
    /// `[B, Z]` standard normal, or `None` for `z = mu`.
    pub eps: Option<&'a [f32]>,
}

/// The variables of a forward pass, valid until the next pass.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// `[B, 2 Z]`: mu beside logvar; see [`Cvae::read_posterior`].
    pub posterior: Var,
    /// `[B, 2 Z]`: the same, with the prior's mean subtracted from mu.
    centred_posterior: Var,
    /// `[B, Z]`
    pub z: Var,
    pub decoded: Decoded,
    target: Var,
    input_condition: Var,
}

/// The outputs of the decoder.
#[derive(Debug, Clone, Copy)]
pub struct Decoded {
    /// `[B, L]`
    pub signal: Var,
    /// `[B, S]`: the condition predicted from the decoder's state; `None` for the concat decoder.
    pub condition: Option<Var>,
    /// `[B, P]`: the peaks; `None` without a peak head.
    pub peaks: Option<Var>,
}

impl Cvae {
    /// A model with the initial weights of this seed.
    ///
    /// # Errors
    /// When the device is out of memory.
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

    /// Encodes, draws z and decodes. Ends the previous pass.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    ///
    /// # Panics
    /// When a slice does not fit the number of rows.
    pub fn forward(&mut self, batch: &Batch, mode: Mode) -> Result<Output> {
        let (rows, c) = (batch.rows, &self.config);
        self.tape.rewind();
        let signal = self.tape.input([rows, c.signal_length], batch.signal)?;
        let target = match batch.target {
            Some(target) => self.tape.input([rows, c.signal_length], target)?,
            None => signal,
        };
        let condition = self.tape.input([rows, c.static_dim], batch.condition)?;
        // without eps z = mu + 0 exp(logvar / 2)
        self.zeros.resize(rows * c.latent_dim, 0.0);
        let eps = self.tape.input([rows, c.latent_dim], batch.eps.unwrap_or(&self.zeros))?;
        let strength = self.strength(rows, mode)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode };
        let posterior = self.encoder.forward(&mut context, signal, condition)?;
        let z = context.tape.apply(Reparameterize, &[posterior, eps])?;
        let decoded = self.decoder.forward(&mut context, z, Some((condition, strength)))?;
        let centred_posterior = match &mut self.prior {
            Some(prior) => prior.centred_posterior(&mut context, posterior, condition)?,
            None => posterior,
        };
        Ok(Output { posterior, centred_posterior, z, decoded, target, input_condition: condition })
    }

    /// The mean of the learned prior `[B, Z]` for conditions `[B, S]`, in evaluation mode; `None` for another prior.
    /// Ends the previous pass.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn prior_mean(&mut self, rows: usize, condition: &[f32]) -> Result<Option<Var>> {
        let Some(prior) = &self.prior else { return Ok(None) };
        self.tape.rewind();
        let condition = self.tape.input([rows, self.config.static_dim], condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        prior.mean(&mut context, condition).map(Some)
    }

    /// The posterior in evaluation mode: mu beside logvar, `[B, 2 Z]`. Ends the previous pass.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn encode(&mut self, batch: &Batch) -> Result<Var> {
        self.tape.rewind();
        let signal = self.tape.input([batch.rows, self.config.signal_length], batch.signal)?;
        let condition = self.tape.input([batch.rows, self.config.static_dim], batch.condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        self.encoder.forward(&mut context, signal, condition)
    }

    /// Decodes z `[B, Z]` under conditions `[B, S]` in evaluation mode. Without a condition FiLM is the identity. Ends
    /// the previous pass.
    ///
    /// # Errors
    /// When a concat decoder gets no condition, or the device is out of memory or lost.
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

    /// Gamma and beta of all FiLM generators `[B, Σ 2 F]` for conditions `[B, S]`, at strength 1: gamma and beta of the
    /// first level, then those of the next. `None` without FiLM. Ends the previous pass.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn modulation(&mut self, rows: usize, condition: &[f32]) -> Result<Option<Var>> {
        let Some(film) = self.decoder.film() else { return Ok(None) };
        self.tape.rewind();
        let condition = self.tape.input([rows, self.config.static_dim], condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        film.forward(&mut context, condition).map(Some)
    }

    /// The strength of each row's condition, `[B, 1]`. In training it is 0 for a row whose condition is dropped.
    fn strength(&mut self, rows: usize, mode: Mode) -> Result<Var> {
        let strength = self.conditioning_strength as f32;
        self.strengths.clear();
        self.strengths.resize(rows, strength);
        if let (Mode::Train { seed, step }, true) = (mode, self.condition_dropout > 0.0) {
            let stream = Stream::new(seed, purpose::CONDITION, 0).at(step);
            for (row, s) in self.strengths.iter_mut().enumerate() {
                let dropped =
                    self.condition_dropout >= 1.0 || stream.bits(row as u32, 0)[0] < threshold(self.condition_dropout);
                *s = if dropped { 0.0 } else { strength };
            }
        }
        self.tape.input([rows, 1], &self.strengths)
    }

    /// The terms of the loss of the last forward pass, on the same batch.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn losses(&mut self, output: &Output, batch: &Batch, weights: &LossWeights) -> Result<Losses> {
        loss::losses(&mut self.tape, &self.config, output, batch, weights)
    }

    /// Sets the gradients of all parameters to those of `loss`.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    ///
    /// # Panics
    /// As [`Tape::backward`].
    pub fn backward(&mut self, loss: Var) -> Result<()> {
        self.tape.backward(loss)
    }

    /// The parameters: names, shapes and variables.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The tape, to read variables or to run an optimizer.
    pub fn tape(&mut self) -> &mut Tape {
        &mut self.tape
    }

    /// Parameters and tape together, for an optimizer.
    pub fn parts(&mut self) -> (&Parameters, &mut Tape) {
        (&self.parameters, &mut self.tape)
    }

    /// The row-major values of a variable of the last pass.
    ///
    /// # Errors
    /// As [`Tape::read`].
    pub fn read(&self, var: Var) -> Result<Vec<f32>> {
        self.tape.read(var)
    }

    /// mu and logvar `[B, Z]` of a posterior.
    ///
    /// # Errors
    /// As [`Tape::read`].
    pub fn read_posterior(&self, posterior: Var) -> Result<(Vec<f32>, Vec<f32>)> {
        let (values, latent) = (self.read(posterior)?, self.config.latent_dim);
        let rows = values.chunks_exact(2 * latent).map(|row| row.split_at(latent));
        let (mu, logvar): (Vec<&[f32]>, Vec<&[f32]>) = rows.unzip();
        Ok((mu.concat(), logvar.concat()))
    }

    /// Name, shape and values of every parameter and running statistic.
    ///
    /// # Errors
    /// As [`Tape::read`].
    pub fn state(&self) -> Result<Vec<(String, Vec<usize>, Vec<f32>)>> {
        self.parameters.iter().map(|(p, var)| Ok((p.name.clone(), p.shape.clone(), self.tape.read(var)?))).collect()
    }

    /// Overwrites every parameter and running statistic.
    ///
    /// # Errors
    /// As [`Parameters::load`].
    pub fn load_state<'a>(
        &mut self,
        source: &str,
        find: impl Fn(&str) -> Option<(&'a [usize], &'a [f32])>,
    ) -> Result<()> {
        self.parameters.load(&mut self.tape, source, find)
    }

    /// The gradient buffers of each FiLM generator, in order.
    pub fn film_gradients(&self) -> Vec<Vec<Buffer>> {
        let mut levels = vec![Vec::new(); self.decoder.film().map_or(0, FilmGenerators::levels)];
        for (parameter, var) in self.parameters.iter() {
            if let Some(level) = film_level(&parameter.name) {
                levels[level - 1].push(self.tape.buffers(var).1);
            }
        }
        levels
    }
}
