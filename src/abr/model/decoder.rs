//! The decoder: from z and the condition to the signal, the predicted condition and the peaks.

use super::Decoded;
use super::attention::AttentionLayers;
use super::film::{ConditionVars, FilmLayer, FilmLayers};
use super::levels::{NormLayer, ReluLayer};
use crate::config::{Conditioning, FilmConfig, FilmLevelConfig, ModelConfig};
use crate::engine::nn::layers::{ForwardContext, Layer, LinearInit, LinearLayer};
use crate::engine::nn::params::Parameters;
use crate::engine::ops::{Concat, Scale};
use crate::engine::tape::Var;
use crate::error::Result;

/// The slope of every LeakyReLU.
const SLOPE: f64 = 0.2;

#[derive(Debug)]
pub enum Decoder {
    Joint {
        levels: Vec<NormLayer>,
        conditioner: Conditioner,
        signal: Head,
        condition: Head,
        peaks: Option<Head>,
        /// Whether z is also an input of the last Linear of the signal head.
        linear_path: bool,
    },
    /// The decoder of earlier versions, whose input is z beside the condition.
    LegacyConcat { layers: Vec<ReluLayer>, signal: LinearLayer, peaks: Option<LinearLayer> },
}

/// How the condition enters the levels of the joint decoder.
#[derive(Debug)]
pub enum Conditioner {
    None,
    /// Beside z. It has this many values.
    Concat(usize),
    Film(FilmLayers),
    CrossAttention(AttentionLayers),
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

impl Conditioner {
    /// Runs the levels on z `[B, Z]`. The strength 0, or no condition, is the decoder that knows no condition. `see`
    /// gets what each level (counted from 1) decides by the condition: its gate `[B, 1]`, or its attention `[B, H S]`.
    fn forward(
        &self,
        context: &mut ForwardContext,
        levels: &[NormLayer],
        z: Var,
        condition: Option<ConditionVars>,
        mut see: impl FnMut(usize, Var),
    ) -> Result<Var> {
        let mut h = z;
        match (self, condition) {
            (Conditioner::None, _) | (Conditioner::Film(_), None) => {
                h = levels.iter().try_fold(h, |h, level| level.forward(context, h, None))?;
            }
            (Conditioner::Concat(width), condition) => {
                let beside = match condition {
                    Some(ConditionVars { values, strength }) => context.tape.apply(Scale, &[values, strength])?,
                    None => {
                        let shape = [context.tape.shape(z)[0], *width];
                        context.tape.input(shape, &vec![0.0; shape[0] * shape[1]])?
                    }
                };
                let input = context.tape.apply(Concat, &[z, beside])?;
                h = levels.iter().try_fold(input, |h, level| level.forward(context, h, None))?;
            }
            (Conditioner::Film(film), Some(condition)) => {
                let modulations = film.modulations(context, condition)?;
                for (i, level) in levels.iter().enumerate() {
                    h = modulations.decoder_level(context, level, i, h, |gate| see(i + 1, gate))?;
                }
            }
            (Conditioner::CrossAttention(attention), condition) => {
                let tokens = condition.map(|condition| attention.tokens(context, condition)).transpose()?;
                for (i, level) in levels.iter().enumerate() {
                    let x = level.forward(context, h, None)?;
                    let (next, map) = attention.attend(context, i, x, tokens)?;
                    h = next;
                    map.into_iter().for_each(|map| see(i + 1, map));
                }
            }
        }
        Ok(h)
    }
}

impl Decoder {
    pub fn new(c: &ModelConfig, film: &FilmConfig, parameters: &mut Parameters) -> Self {
        let conditioning = c.conditioned_by();
        match conditioning.is_joint() {
            true => Self::joint(c, conditioning, film, parameters),
            false => Self::legacy_concat(c, parameters),
        }
    }

    fn joint(c: &ModelConfig, conditioning: Conditioning, film: &FilmConfig, parameters: &mut Parameters) -> Self {
        let beside = if conditioning == Conditioning::Concat { c.static_dim } else { 0 };
        let (mut width, mut levels, mut modulated) = (c.latent_dim + beside, Vec::new(), Vec::new());
        let everything = FilmLevelConfig::default();
        for (i, &next) in c.decoder_dims.iter().enumerate() {
            let scope = format!("decoder.layer{}", i + 1);
            levels.push(NormLayer::new(parameters, (&scope, 0), [width, next], SLOPE, c.decoder_dropout));
            if conditioning == Conditioning::Film {
                let level = (film.levels.get(i).unwrap_or(&everything), next);
                let scope = format!("decoder.film{}", i + 1);
                modulated.push(FilmLayer::new(parameters, &scope, c.static_dim, film, level));
            }
            width = next;
        }
        let attention = (conditioning == Conditioning::CrossAttention)
            .then(|| AttentionLayers::new(parameters, c, &c.decoder_dims));
        let mut head = |name: &str, hidden: &[usize], beside, outputs| {
            let shape = HeadShape { width, hidden, beside, outputs };
            Head::new(parameters, &format!("decoder.{name}_head"), shape, c.head_dropout)
        };
        let latent = if c.linear_path { c.latent_dim } else { 0 };
        let signal = head("signal", &[c.signal_head_dim], latent, c.signal_length);
        let condition = head("static", &c.static_head_dims, 0, c.static_dim);
        let peaks = c.predict_peaks.then(|| head("peak", &[c.peak_head_dim], 0, c.num_peaks));
        let conditioner = match (FilmLayers::new(parameters, modulated), attention, conditioning) {
            (Some(film), ..) => Conditioner::Film(film),
            (_, Some(attention), _) => Conditioner::CrossAttention(attention),
            (.., Conditioning::Concat) => Conditioner::Concat(c.static_dim),
            _ => Conditioner::None,
        };
        Decoder::Joint { levels, conditioner, signal, condition, peaks, linear_path: c.linear_path }
    }

    fn legacy_concat(c: &ModelConfig, parameters: &mut Parameters) -> Self {
        let (mut width, mut layers) = (c.latent_dim + c.static_dim, Vec::new());
        for (&next, &p) in c.decoder_dims.iter().zip(&c.concat_dropout) {
            let scope_and_index = ("decoder.decoder_layers", layers.len() * ReluLayer::INDICES);
            layers.push(ReluLayer::new(parameters, scope_and_index, [width, next], p, LinearInit::Default));
            width = next;
        }
        let mut single = |name, outputs| LinearLayer::new(parameters, name, width, outputs, LinearInit::Default);
        Decoder::LegacyConcat {
            layers,
            signal: single("decoder.output_layer", c.signal_length),
            peaks: c.predict_peaks.then(|| single("decoder.peak_head", c.num_peaks)),
        }
    }

    /// Decodes z `[B, Z]` under a condition. Without one the decoder gets no condition, as with strength 0.
    ///
    /// # Panics
    /// When the decoder of earlier versions gets no condition.
    pub fn forward(&self, context: &mut ForwardContext, z: Var, condition: Option<ConditionVars>) -> Result<Decoded> {
        match self {
            Decoder::Joint { levels, conditioner, signal, condition: condition_head, peaks, linear_path } => {
                let h = conditioner.forward(context, levels, z, condition, |_, _| {})?;
                Ok(Decoded {
                    signal: signal.forward(context, h, linear_path.then_some(z))?,
                    condition: Some(condition_head.forward(context, h, None)?),
                    peaks: peaks.as_ref().map(|head| head.forward(context, h, None)).transpose()?,
                })
            }
            Decoder::LegacyConcat { layers, signal, peaks } => {
                let condition = condition.expect("the decoder of earlier versions needs a condition");
                let joined = context.tape.apply(Concat, &[z, condition.values])?;
                let h = layers.iter().try_fold(joined, |h, layer| layer.forward(context, h))?;
                Ok(Decoded {
                    signal: signal.forward(context, h)?,
                    condition: None,
                    peaks: peaks.as_ref().map(|head| head.forward(context, h)).transpose()?,
                })
            }
        }
    }

    /// What levels (counted from 1) decide by the condition: the gate `[B, 1]` of FiLM, or the attention `[B, H S]`.
    /// Empty where nothing is decided.
    pub fn decisions(
        &self,
        context: &mut ForwardContext,
        z: Var,
        condition: ConditionVars,
    ) -> Result<Vec<(usize, Var)>> {
        let Decoder::Joint { levels, conditioner, .. } = self else { return Ok(Vec::new()) };
        let mut seen = Vec::new();
        conditioner.forward(context, levels, z, Some(condition), |level, var| seen.push((level, var)))?;
        Ok(seen)
    }

    /// FiLM, if there is any.
    pub fn film(&self) -> Option<&FilmLayers> {
        match self {
            Decoder::Joint { conditioner: Conditioner::Film(film), .. } => Some(film),
            _ => None,
        }
    }
}
