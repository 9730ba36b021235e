//! The decoder: from z and the condition to the signal, the predicted condition and the peaks.
//!
//! FiLM modulates the levels of the joint decoder, unless `use_film` is false. The input of the legacy concat decoder
//! is z beside the condition.

use super::Decoded;
use super::film::{FilmGenerator, FilmGenerators};
use super::levels::{NormLayer, ReluLayer};
use crate::config::{FilmConfig, ModelConfig};
use crate::engine::nn::layers::{ForwardContext, Layer, LinearInit, LinearLayer};
use crate::engine::nn::params::Parameters;
use crate::engine::ops::Concat;
use crate::engine::tape::Var;
use crate::error::Result;

/// The slope of every LeakyReLU.
const SLOPE: f64 = 0.2;

#[derive(Debug)]
pub enum Decoder {
    Joint {
        levels: Vec<NormLayer>,
        film: Option<FilmGenerators>,
        signal: Head,
        condition: Head,
        peaks: Option<Head>,
        /// Whether z is also an input of the last Linear of the signal head.
        linear_path: bool,
    },
    Concat {
        layers: Vec<ReluLayer>,
        signal: LinearLayer,
        peaks: Option<LinearLayer>,
    },
}

/// Levels with batch norm, then a Linear.
#[derive(Debug)]
pub struct Head {
    levels: Vec<NormLayer>,
    output: LinearLayer,
}

/// Widths of a head: from `width` through levels of `hidden` units to `outputs`.
struct HeadShape<'a> {
    width: usize,
    hidden: &'a [usize],
    /// The width of the extra input of the last Linear.
    beside: usize,
    outputs: usize,
}

impl Head {
    fn new(parameters: &mut Parameters, scope: &str, shape: HeadShape, p: f64) -> Self {
        let HeadShape { mut width, hidden, beside, outputs } = shape;
        let mut levels = Vec::new();
        for &next in hidden {
            levels.push(NormLayer::new(
                parameters,
                (scope, levels.len() * NormLayer::INDICES),
                [width, next],
                SLOPE,
                p,
            ));
            width = next;
        }
        let name = format!("{scope}.{}", levels.len() * NormLayer::INDICES);
        Head { levels, output: LinearLayer::new(parameters, &name, width + beside, outputs, LinearInit::Default) }
    }

    fn forward(&self, context: &mut ForwardContext, h: Var, beside: Option<Var>) -> Result<Var> {
        let mut h = self.levels.iter().try_fold(h, |h, level| level.forward(context, h, None))?;
        if let Some(beside) = beside {
            h = context.tape.apply(Concat, &[h, beside])?;
        }
        self.output.forward(context, h)
    }
}

impl Decoder {
    pub fn new(c: &ModelConfig, film: &FilmConfig, parameters: &mut Parameters) -> Self {
        if c.joint_generation { Self::joint(c, film, parameters) } else { Self::concat(c, parameters) }
    }

    fn joint(c: &ModelConfig, film: &FilmConfig, parameters: &mut Parameters) -> Self {
        let (mut width, mut levels, mut generators) = (c.latent_dim, Vec::new(), Vec::new());
        for (i, &next) in c.decoder_dims.iter().enumerate() {
            let scope = format!("decoder.layer{}", i + 1);
            levels.push(NormLayer::new(parameters, (&scope, 0), [width, next], SLOPE, c.decoder_dropout));
            if c.use_film {
                generators.push(FilmGenerator::new(parameters, &format!("decoder.film{}", i + 1), c, film, next));
            }
            width = next;
        }
        let mut head = |name: &str, hidden: &[usize], beside, outputs| {
            let shape = HeadShape { width, hidden, beside, outputs };
            Head::new(parameters, &format!("decoder.{name}_head"), shape, c.head_dropout)
        };
        let latent = if c.linear_path { c.latent_dim } else { 0 };
        let signal = head("signal", &[c.signal_head_dim], latent, c.signal_length);
        let condition = head("static", &c.static_head_dims, 0, c.static_dim);
        let peaks = c.predict_peaks.then(|| head("peak", &[c.peak_head_dim], 0, c.num_peaks));
        let film = (!generators.is_empty()).then(|| FilmGenerators::new(parameters, &generators));
        Decoder::Joint { levels, film, signal, condition, peaks, linear_path: c.linear_path }
    }

    fn concat(c: &ModelConfig, parameters: &mut Parameters) -> Self {
        let (mut width, mut layers) = (c.latent_dim + c.static_dim, Vec::new());
        for (&next, &p) in c.decoder_dims.iter().zip(&c.concat_dropout) {
            let scope_and_index = ("decoder.decoder_layers", layers.len() * ReluLayer::INDICES);
            layers.push(ReluLayer::new(parameters, scope_and_index, [width, next], p, LinearInit::Default));
            width = next;
        }
        let mut single = |name, outputs| LinearLayer::new(parameters, name, width, outputs, LinearInit::Default);
        Decoder::Concat {
            layers,
            signal: single("decoder.output_layer", c.signal_length),
            peaks: c.predict_peaks.then(|| single("decoder.peak_head", c.num_peaks)),
        }
    }

    /// Decodes z `[B, Z]` under the condition `[B, S]` with strengths `[B, 1]`. Without a condition FiLM is the
    /// identity.
    ///
    /// # Panics
    /// When a concat decoder gets no condition.
    pub fn forward(&self, context: &mut ForwardContext, z: Var, condition: Option<(Var, Var)>) -> Result<Decoded> {
        match self {
            Decoder::Joint { levels, film, signal, condition: condition_head, peaks, linear_path } => {
                let modulation = match (film, condition) {
                    (Some(film), Some((condition, strength))) => {
                        Some((film, film.forward(context, condition)?, strength))
                    }
                    _ => None,
                };
                let mut h = z;
                for (i, level) in levels.iter().enumerate() {
                    let film = modulation.map(|(film, values, strength)| film.level(i, values, strength));
                    h = level.forward(context, h, film)?;
                }
                Ok(Decoded {
                    signal: signal.forward(context, h, linear_path.then_some(z))?,
                    condition: Some(condition_head.forward(context, h, None)?),
                    peaks: peaks.as_ref().map(|head| head.forward(context, h, None)).transpose()?,
                })
            }
            Decoder::Concat { layers, signal, peaks } => {
                let (condition, _) = condition.expect("a concat decoder needs a condition");
                let joined = context.tape.apply(Concat, &[z, condition])?;
                let h = layers.iter().try_fold(joined, |h, layer| layer.forward(context, h))?;
                Ok(Decoded {
                    signal: signal.forward(context, h)?,
                    condition: None,
                    peaks: peaks.as_ref().map(|head| head.forward(context, h)).transpose()?,
                })
            }
        }
    }

    /// The FiLM generators, if there are any.
    pub fn film(&self) -> Option<&FilmGenerators> {
        match self {
            Decoder::Joint { film, .. } => film.as_ref(),
            Decoder::Concat { .. } => None,
        }
    }
}
