//! From z (and the condition) to the signal, the condition as it can be read off, and the peaks.
//!
//! The joint decoder's levels are modulated by FiLM, or by nothing (`use_film: false`); the legacy concat decoder sees the
//! condition beside z at its input.

use super::Decoded;
use crate::config::{FilmConfig, ModelConfig};
use crate::error::Result;
use crate::nn::layers::{LinearInit, Pass, Sequential};
use crate::nn::params::Parameters;
use crate::ops::{Concat, Film};
use crate::tape::Var;

/// The slope of every LeakyReLU.
const SLOPE: f64 = 0.2;

#[derive(Debug)]
pub enum Decoder {
    Joint { levels: Vec<Level>, signal: Sequential, condition: Sequential, peaks: Option<Sequential> },
    Concat { layers: Sequential, signal: Sequential, peaks: Option<Sequential> },
}

/// One level of the joint decoder.
#[derive(Debug)]
pub struct Level {
    block: Sequential,
    film: Option<FilmBlock>,
}

/// gamma and beta, each from its own MLP on the condition.
#[derive(Debug)]
struct FilmBlock {
    gamma: Sequential,
    beta: Sequential,
}

impl FilmBlock {
    /// Starts as the identity whatever the condition: the last layers' weights are 0, gamma's bias 1, beta's 0.
    fn new(p: &mut Parameters, scope: &str, condition: usize, hidden: usize, width: usize) -> Self {
        let mut mlp =
            |name, bias| {
                Sequential::new(format!("{scope}.{name}"))
                    .linear(p, condition, hidden, LinearInit::Default)
                    .relu()
                    .linear(p, hidden, width, LinearInit::Constant(bias))
            };
        FilmBlock { gamma: mlp("gamma_mlp", 1), beta: mlp("beta_mlp", 0) }
    }
}

/// Linear, LeakyReLU, BatchNorm, Dropout.
fn dense(chain: Sequential, p: &mut Parameters, inputs: usize, outputs: usize, rate: f64) -> Sequential {
    chain.linear(p, inputs, outputs, LinearInit::Default).leaky_relu(SLOPE).batch_norm(p, outputs).dropout(p, rate)
}

/// Dense blocks of these widths, then a Linear to `outputs`.
fn head(p: &mut Parameters, scope: &str, mut width: usize, hidden: &[usize], rate: f64, outputs: usize) -> Sequential {
    let mut chain = Sequential::new(scope);
    for &next in hidden {
        chain = dense(chain, p, width, next, rate);
        width = next;
    }
    chain.linear(p, width, outputs, LinearInit::Default)
}

impl Decoder {
    pub fn new(c: &ModelConfig, film: &FilmConfig, p: &mut Parameters) -> Self {
        if c.joint_generation { Self::joint(c, film, p) } else { Self::concat(c, p) }
    }

    fn joint(c: &ModelConfig, film: &FilmConfig, p: &mut Parameters) -> Self {
        let (mut width, mut levels) = (c.latent_dim, Vec::new());
        for (i, &next) in c.decoder_dims.iter().enumerate() {
            let scope = format!("decoder.layer{}", i + 1);
            let block = dense(Sequential::new(scope), p, width, next, c.decoder_dropout);
            let scope = format!("decoder.film{}", i + 1);
            let film = c.use_film.then(|| FilmBlock::new(p, &scope, c.static_dim, film.hidden_dim, next));
            levels.push(Level { block, film });
            width = next;
        }
        let rate = c.head_dropout;
        Decoder::Joint {
            levels,
            signal: head(p, "decoder.signal_head", width, &[c.signal_head_dim], rate, c.signal_length),
            condition: head(p, "decoder.static_head", width, &c.static_head_dims, rate, c.static_dim),
            peaks: c.predict_peaks.then(|| head(p, "decoder.peak_head", width, &[c.peak_head_dim], rate, c.num_peaks)),
        }
    }

    fn concat(c: &ModelConfig, p: &mut Parameters) -> Self {
        let mut width = c.latent_dim + c.static_dim;
        let mut layers = Sequential::new("decoder.decoder_layers");
        for (&next, &rate) in c.decoder_dims.iter().zip(&c.concat_dropout) {
            layers = layers.linear(p, width, next, LinearInit::Default).relu().dropout(p, rate);
            width = next;
        }
        let mut single = |name, outputs| Sequential::single(p, name, width, outputs, LinearInit::Default);
        Decoder::Concat {
            layers,
            signal: single("decoder.output_layer", c.signal_length),
            peaks: c.predict_peaks.then(|| single("decoder.peak_head", c.num_peaks)),
        }
    }

    /// z `[B, Z]` and, unless FiLM is to be the identity, condition `[B, S]` with a strength a row `[B, 1]`.
    ///
    /// # Panics
    /// A concat decoder without a condition.
    pub fn forward(&self, pass: &mut Pass, z: Var, condition: Option<(Var, Var)>) -> Result<Decoded> {
        match self {
            Decoder::Joint { levels, signal, condition: read, peaks } => {
                let h = levels.iter().try_fold(z, |h, level| level.forward(pass, h, condition))?;
                Ok(Decoded {
                    signal: signal.forward(pass, h)?,
                    condition: Some(read.forward(pass, h)?),
                    peaks: peaks.as_ref().map(|head| head.forward(pass, h)).transpose()?,
                })
            }
            Decoder::Concat { layers, signal, peaks } => {
                let (condition, _) = condition.expect("a concat decoder needs a condition");
                let joined = pass.tape.apply(Concat, &[z, condition])?;
                let h = layers.forward(pass, joined)?;
                Ok(Decoded {
                    signal: signal.forward(pass, h)?,
                    condition: None,
                    peaks: peaks.as_ref().map(|head| head.forward(pass, h)).transpose()?,
                })
            }
        }
    }

    /// The number of FiLM blocks.
    pub fn film_blocks(&self) -> usize {
        match self {
            Decoder::Joint { levels, .. } => levels.iter().filter(|l| l.film.is_some()).count(),
            Decoder::Concat { .. } => 0,
        }
    }
}

impl Level {
    fn forward(&self, pass: &mut Pass, h: Var, condition: Option<(Var, Var)>) -> Result<Var> {
        let h = self.block.forward(pass, h)?;
        let (Some(film), Some((condition, strength))) = (&self.film, condition) else { return Ok(h) };
        let (gamma, beta) = (film.gamma.forward(pass, condition)?, film.beta.forward(pass, condition)?);
        pass.tape.apply(Film, &[h, gamma, beta, strength])
    }
}
