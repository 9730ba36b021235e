//! The conditional variational autoencoder: an encoder from the signal to a posterior over z, and a decoder from z and
//! the condition to the signal.
//!
//! All values here are in the model's own units: signals, conditions and labels are already scaled.

mod attention;
mod decoder;
mod encoder;
mod film;
mod learned_prior;
mod levels;
mod loss;
mod prior;
mod size;

use crate::purpose;
pub use film::FilmLevel;
pub use loss::{LossWeights, Losses, Terms};
pub use prior::{AggregatedPosterior, Near, SubjectDraw};
pub use size::{check_tensors, sized};

use crate::config::{FilmConfig, ModelConfig};
use crate::engine::device::{Buffer, Device};
use crate::engine::nn::layers::{ForwardContext, Mode};
use crate::engine::nn::params::{Parameter, Parameters};
use crate::engine::ops::{Reparameterize, dropout::threshold};
use crate::engine::rng::Stream;
use crate::engine::tape::{Tape, Var};
use crate::error::{Error, Result};
use decoder::Decoder;
use encoder::Encoder;
use film::{ConditionVars, FilmLayers};
use learned_prior::LearnedPrior;
use ndarray::Array2;
use size::Parts;

/// The model with its parameters, on a device.
pub struct Cvae {
    /// With the widths that it has; see [`sized`].
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
    /// `[B, S]`: the condition predicted from the decoder's state; `None` for the legacy concat decoder.
    pub condition: Option<Var>,
    /// `[B, P]`: the peaks; `None` without a peak head.
    pub peaks: Option<Var>,
}

impl Cvae {
    /// A model with the initial weights of this seed.
    ///
    /// # Errors
    /// As [`sized`]; when the device is out of memory.
    pub fn new(config: &ModelConfig, film: &FilmConfig, seed: u64, device: Box<dyn Device>) -> Result<Self> {
        let (config, mut parameters) = (sized(config, film)?, Parameters::default());
        let Parts { encoder, decoder, prior } = Parts::new(&config, film, &mut parameters);
        let mut tape = Tape::new(device);
        parameters.allocate(&mut tape, seed)?;
        Ok(Cvae {
            config,
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
        let conditioned = ConditionVars { values: condition, strength };
        let posterior = self.encoder.forward(&mut context, signal, conditioned)?;
        let z = context.tape.apply(Reparameterize, &[posterior, eps])?;
        let decoded = self.decoder.forward(&mut context, z, Some(conditioned))?;
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
        let condition = self.condition(batch.rows, batch.condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        self.encoder.forward(&mut context, signal, condition)
    }

    /// Decodes z `[B, Z]` under conditions `[B, S]` in evaluation mode. Without a condition FiLM is the identity, and
    /// another decoder gets none. Ends the previous pass.
    ///
    /// # Errors
    /// When the decoder of earlier versions gets no condition, or the device is out of memory or lost.
    pub fn decode(&mut self, rows: usize, z: &[f32], condition: Option<&[f32]>) -> Result<Decoded> {
        if condition.is_none() && !self.config.conditioned_by().is_joint() {
            return Err(Error::usage(
                "the legacy concat decoder cannot generate without a condition",
                "give a condition, or train a model with another model.conditioning",
            ));
        }
        self.tape.rewind();
        let z = self.tape.input([rows, self.config.latent_dim], z)?;
        let condition = condition.map(|values| self.condition(rows, values)).transpose()?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        self.decoder.forward(&mut context, z, condition)
    }

    /// Conditions `[B, S]` in evaluation mode.
    fn condition(&mut self, rows: usize, values: &[f32]) -> Result<ConditionVars> {
        let values = self.tape.input([rows, self.config.static_dim], values)?;
        Ok(ConditionVars { values, strength: self.strength(rows, Mode::Eval)? })
    }

    /// Gamma and beta, each `[B, F]`, of each decoder level for conditions `[B, S]`, at strength 1; `None` for a level
    /// without FiLM. Empty without FiLM. Ends the previous pass.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn modulation(&mut self, rows: usize, condition: &[f32]) -> Result<Vec<Option<[Array2<f32>; 2]>>> {
        self.tape.rewind();
        let condition = self.condition(rows, condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        let Some(film) = self.decoder.film() else { return Ok(Vec::new()) };
        let modulations = film.modulations(&mut context, condition)?;
        let levels = (0..film.len()).map(|level| modulations.gamma_beta(&mut context, level));
        let levels: Vec<Option<[Var; 2]>> = levels.collect::<Result<_>>()?;
        let read = |[gamma, beta]: [Var; 2]| Ok([self.matrix(gamma)?, self.matrix(beta)?]);
        levels.into_iter().map(|level| level.map(read).transpose()).collect()
    }

    /// The values of a variable.
    fn matrix(&self, var: Var) -> Result<Array2<f32>> {
        let [rows, columns] = self.tape.shape(var);
        Ok(Array2::from_shape_vec((rows, columns), self.tape.read(var)?).expect("one value per element"))
    }

    /// What decoder levels (counted from 1) decide by the condition, for latents `[B, Z]` and conditions `[B, S]` in
    /// evaluation mode: the gate of FiLM `[B, 1]`, or the attention to each value of the condition, head by head, `[B,
    /// H S]`. Empty where nothing is decided. Ends the previous pass.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    pub fn decisions(&mut self, rows: usize, z: &[f32], condition: &[f32]) -> Result<Vec<(usize, Array2<f32>)>> {
        self.tape.rewind();
        let z = self.tape.input([rows, self.config.latent_dim], z)?;
        let condition = self.condition(rows, condition)?;
        let mut context = ForwardContext { tape: &mut self.tape, parameters: &self.parameters, mode: Mode::Eval };
        let seen = self.decoder.decisions(&mut context, z, condition)?;
        seen.into_iter().map(|(level, var)| Ok((level, self.matrix(var)?))).collect()
    }

    /// The weights of each decoder level's units between modulated and plain features, with `film.mixing`.
    ///
    /// # Errors
    /// As [`Tape::read`].
    pub fn mixing(&self) -> Result<Vec<(usize, Vec<f32>)>> {
        let of = |(parameter, var): (&Parameter, Var)| match FilmLevel::of(&parameter.name) {
            Some(FilmLevel::Decoder(level)) if parameter.name.ends_with(".mixing") => Some((level, var)),
            _ => None,
        };
        let sigmoid = |logit: f32| 1.0 / (1.0 + (-logit).exp());
        let weights = |(level, var)| Ok((level, self.read(var)?.into_iter().map(sigmoid).collect()));
        self.parameters.iter().filter_map(of).map(weights).collect()
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

    /// The levels with FiLM: those of the decoder, then those of the encoder.
    pub fn film_levels(&self) -> Vec<FilmLevel> {
        let levels = |film: Option<&FilmLayers>| film.map_or(Vec::new(), |film| film.modulated().collect());
        let (decoder, encoder) = (levels(self.decoder.film()), levels(self.encoder.film()));
        decoder.into_iter().map(FilmLevel::Decoder).chain(encoder.into_iter().map(FilmLevel::Encoder)).collect()
    }

    /// The gradient buffers of FiLM in each level of [`Cvae::film_levels`].
    pub fn film_gradients(&self) -> Vec<Vec<Buffer>> {
        let of_level = |level| {
            let own = self.parameters.iter().filter(|(p, _)| FilmLevel::of(&p.name) == Some(level));
            own.map(|(_, var)| self.tape.buffers(var).1).collect()
        };
        self.film_levels().into_iter().map(of_level).collect()
    }
}
