//! FiLM: generators of gamma and beta, and what the options do with them.
//!
//! The generators are MLPs from the condition to gamma and beta of every unit of every level (Perez et al. 2018,
//! arXiv:1709.07871, section 3.1). All hidden layers have the same input and form one matrix product, and all output
//! layers form one op, unless the levels have columns or widths of their own.

use super::levels::{Modulation, NormLayer};
use crate::config::{FilmConfig, FilmLevelConfig};
use crate::engine::nn::init::Init;
use crate::engine::nn::layers::{ForwardContext, Layer, LinearInit, LinearLayer};
use crate::engine::nn::params::{ParameterId, Parameters};
use crate::engine::ops::{Add, Concat, Film, GroupedLinear, LinearRelu, Mul, Scale, SelectColumns, Sigmoid, Sub};
use crate::engine::tape::Var;
use crate::error::Result;

/// The initial value of gates and mixing weights before the sigmoid: FiLM does most of what it can.
const OPEN: i8 = 2;

/// A level that FiLM modulates, of the encoder or of the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FilmLevel {
    /// Counted from 1.
    Decoder(usize),
    /// Counted from 1.
    Encoder(usize),
}

impl FilmLevel {
    /// The level whose FiLM the parameter of this name belongs to.
    pub fn of(name: &str) -> Option<Self> {
        let number = |rest: &str| rest.split('.').next()?.parse().ok();
        match (name.strip_prefix("decoder.film"), name.strip_prefix("encoder.film")) {
            (Some(rest), _) => number(rest).map(FilmLevel::Decoder),
            (_, Some(rest)) => number(rest).map(FilmLevel::Encoder),
            (None, None) => None,
        }
    }
}

/// The condition of a pass: its values `[B, S]` and the strength of each row `[B, 1]`.
#[derive(Debug, Clone, Copy)]
pub struct ConditionVars {
    pub values: Var,
    pub strength: Var,
}

/// FiLM of one level: its generator, one MLP for gamma and one for beta, and its options.
#[derive(Debug)]
pub struct FilmLayer {
    width: usize,
    /// The inputs that condition it; `None`: all.
    inputs: Option<Vec<usize>>,
    hidden_dim: usize,
    hidden: [LinearLayer; 2],
    /// With `film.rank`: the first of the two layers that replace the last one, and its outputs.
    low_rank: Option<[(LinearLayer, usize); 2]>,
    outputs: [LinearLayer; 2],
    gate: Option<LinearLayer>,
    mixing: Option<ParameterId>,
}

impl FilmLayer {
    /// Starts as the identity for any condition: the last layers have weights 0 and biases 1 (gamma) and 0 (beta).
    /// `None` if no column conditions the level.
    pub fn new(
        parameters: &mut Parameters,
        scope: &str,
        static_dim: usize,
        film: &FilmConfig,
        (level, width): (&FilmLevelConfig, usize),
    ) -> Option<Self> {
        let inputs = level.inputs.clone();
        let count = inputs.as_ref().map_or(static_dim, Vec::len);
        if count == 0 {
            return None;
        }
        let hidden_dim = level.hidden_dim.unwrap_or(film.hidden_dim);
        let mut mlp = |name, bias| {
            let mut linear = |index, inputs, outputs, init| {
                LinearLayer::new(parameters, &format!("{scope}.{name}.{index}"), inputs, outputs, init)
            };
            let hidden = linear(0, count, hidden_dim, LinearInit::Default);
            let low_rank = film.rank.map(|rank| (linear(2, hidden_dim, rank, LinearInit::Default), rank));
            let (index, inner) = film.rank.map_or((2, hidden_dim), |rank| (3, rank));
            (hidden, low_rank, linear(index, inner, width, LinearInit::Constant(bias)))
        };
        let (gamma, beta) = (mlp("gamma_mlp", 1), mlp("beta_mlp", 0));
        let of_gate = || {
            let (name, inputs) = (format!("{scope}.gate"), width + static_dim);
            LinearLayer::new(parameters, &name, inputs, 1, LinearInit::Constant(OPEN))
        };
        let gate = film.gate.then(of_gate);
        let mixing = film
            .mixing
            .then(|| parameters.declare(format!("{scope}.mixing"), &[width], true, Init::Constant(f32::from(OPEN))));
        Some(FilmLayer {
            width,
            inputs,
            hidden_dim,
            hidden: [gamma.0, beta.0],
            low_rank: gamma.1.zip(beta.1).map(|(gamma, beta)| [gamma, beta]),
            outputs: [gamma.2, beta.2],
            gate,
            mixing,
        })
    }

    /// Whether the features pass through FiLM alone, as the fused op of a decoder level does it.
    fn is_plain(&self) -> bool {
        self.gate.is_none() && self.mixing.is_none()
    }

    /// Modulates features `[B, F]`.
    fn apply(
        &self,
        context: &mut ForwardContext,
        x: Var,
        condition: ConditionVars,
        of_level: &OfLevel,
        see: impl FnOnce(Var),
    ) -> Result<Var> {
        let ConditionVars { values, mut strength } = condition;
        if let Some(gate) = &self.gate {
            let seen = context.tape.apply(Concat, &[x, values])?;
            let logit = gate.forward(context, seen)?;
            let gate = context.tape.apply(Sigmoid, &[logit])?;
            see(gate);
            strength = context.tape.apply(Mul, &[strength, gate])?;
        }
        let [gamma, beta] = of_level.gamma_beta(context)?;
        let modulated = context.tape.apply(Film, &[x, gamma, beta, strength])?;
        let Some(mixing) = self.mixing else { return Ok(modulated) };
        let weight = context.tape.apply(Sigmoid, &[context.parameters.var(mixing)])?;
        let change = context.tape.apply(Sub, &[modulated, x])?;
        let change = context.tape.apply(Scale, &[change, weight])?;
        context.tape.apply(Add, &[x, change])
    }
}

/// Generators with the same inputs and hidden width, which run as one.
#[derive(Debug)]
struct FilmGenerators {
    inputs: Option<SelectColumns>,
    hidden: LinearLayer,
    low_rank: Option<(LinearLayer, GroupedLinear)>,
    outputs: LinearLayer,
    op: GroupedLinear,
}

impl FilmGenerators {
    fn new(parameters: &mut Parameters, layers: &[&FilmLayer]) -> Self {
        let all = |part: fn(&FilmLayer) -> [LinearLayer; 2]| layers.iter().flat_map(|l| part(l)).collect::<Vec<_>>();
        let (hidden, outputs) = (all(|l| l.hidden), all(|l| l.outputs));
        let low_rank: Vec<(LinearLayer, usize)> = layers.iter().filter_map(|l| l.low_rank).flatten().collect();
        let hidden = LinearLayer::stack(parameters, &hidden);
        let low_rank = (!low_rank.is_empty()).then(|| {
            let (layers, widths): (Vec<LinearLayer>, Vec<usize>) = low_rank.into_iter().unzip();
            (LinearLayer::stack(parameters, &layers), GroupedLinear { widths: widths.into() })
        });
        let outputs = LinearLayer::stack(parameters, &outputs);
        FilmGenerators {
            inputs: layers[0].inputs.clone().map(SelectColumns::new),
            hidden,
            low_rank,
            outputs,
            op: GroupedLinear { widths: layers.iter().flat_map(|l| [l.width; 2]).collect() },
        }
    }

    /// Condition `[B, S]` to gamma and beta of all its levels `[B, Σ 2 F]`.
    fn forward(&self, context: &mut ForwardContext, condition: Var) -> Result<Var> {
        let seen = match &self.inputs {
            Some(op) => context.tape.apply(op.clone(), &[condition])?,
            None => condition,
        };
        let mut hidden = self.hidden.apply(context, LinearRelu { dropout: None }, seen)?;
        if let Some((layer, op)) = &self.low_rank {
            hidden = layer.apply(context, op.clone(), hidden)?;
        }
        self.outputs.apply(context, self.op.clone(), hidden)
    }
}

/// FiLM of all levels of a decoder or an encoder.
#[derive(Debug)]
pub struct FilmLayers {
    /// One for each level; `None` where no column conditions it.
    levels: Vec<Option<(FilmLayer, Place)>>,
    stacks: Vec<FilmGenerators>,
}

/// Where gamma and beta of a level are: the stack that makes them, and their columns in its result.
#[derive(Debug)]
struct Place {
    stack: usize,
    /// The first column of gamma. Those of beta follow those of gamma.
    first: usize,
    /// The columns of gamma, and those of beta.
    columns: [SelectColumns; 2],
}

/// FiLM in one pass.
#[derive(Debug, Clone, Copy)]
pub struct Modulations<'a> {
    layers: &'a FilmLayers,
    condition: ConditionVars,
    /// The result of the only stack, if there is one.
    shared: Option<Var>,
}

/// Gamma and beta of a level in one pass.
struct OfLevel<'a> {
    values: Var,
    place: &'a Place,
}

impl OfLevel<'_> {
    fn gamma_beta(&self, context: &mut ForwardContext) -> Result<[Var; 2]> {
        let [gamma, beta] = self.place.columns.each_ref().map(|op| context.tape.apply(op.clone(), &[self.values]));
        Ok([gamma?, beta?])
    }
}

impl FilmLayers {
    /// `None` if there is no level with FiLM.
    pub fn new(parameters: &mut Parameters, levels: Vec<Option<FilmLayer>>) -> Option<Self> {
        let modulated: Vec<&FilmLayer> = levels.iter().flatten().collect();
        let first = *modulated.first()?;
        let together = modulated.iter().all(|l| l.inputs == first.inputs && l.hidden_dim == first.hidden_dim);
        let groups: Vec<Vec<&FilmLayer>> = match together {
            true => vec![modulated],
            false => modulated.into_iter().map(|level| vec![level]).collect(),
        };
        let stacks = groups.iter().map(|layers| FilmGenerators::new(parameters, layers)).collect();
        let (mut next, mut column) = (0, 0);
        let mut place = |layer: FilmLayer| {
            let (stack, first) = if together { (0, column) } else { (next, 0) };
            (next, column) = (next + 1, column + 2 * layer.width);
            let middle = first + layer.width;
            let columns = [first..middle, middle..middle + layer.width].map(SelectColumns::new);
            (layer, Place { stack, first, columns })
        };
        let levels = levels.into_iter().map(|layer| layer.map(&mut place)).collect();
        Some(FilmLayers { stacks, levels })
    }

    /// FiLM under a condition.
    pub fn modulations(&self, context: &mut ForwardContext, condition: ConditionVars) -> Result<Modulations<'_>> {
        let shared = match &self.stacks[..] {
            [only] => Some(only.forward(context, condition.values)?),
            _ => None,
        };
        Ok(Modulations { layers: self, condition, shared })
    }

    /// The number of levels, those without FiLM included.
    pub fn len(&self) -> usize {
        self.levels.len()
    }

    /// The levels with FiLM, counted from 1.
    pub fn modulated(&self) -> impl Iterator<Item = usize> {
        self.levels.iter().zip(1..).filter(|(level, _)| level.is_some()).map(|(_, number)| number)
    }
}

impl<'a> Modulations<'a> {
    /// The layer of a level (counted from 0), and its gamma and beta; `None` if FiLM does not modulate it.
    fn of_level(&self, context: &mut ForwardContext, level: usize) -> Result<Option<(&'a FilmLayer, OfLevel<'a>)>> {
        let Some((layer, place)) = &self.layers.levels[level] else { return Ok(None) };
        let values = match self.shared {
            Some(shared) => shared,
            None => self.layers.stacks[place.stack].forward(context, self.condition.values)?,
        };
        Ok(Some((layer, OfLevel { values, place })))
    }

    /// Gamma and beta of a level, each `[B, F]`.
    pub fn gamma_beta(&self, context: &mut ForwardContext, level: usize) -> Result<Option<[Var; 2]>> {
        let Some((_, of_level)) = self.of_level(context, level)? else { return Ok(None) };
        of_level.gamma_beta(context).map(Some)
    }

    /// Runs a level of the decoder and modulates it. `see` gets its gate `[B, 1]`, if it has one.
    pub fn decoder_level(
        &self,
        context: &mut ForwardContext,
        level: &NormLayer,
        index: usize,
        x: Var,
        see: impl FnOnce(Var),
    ) -> Result<Var> {
        match self.of_level(context, index)? {
            Some((film, OfLevel { values, place })) if film.is_plain() => {
                let modulation = Modulation { values, strength: self.condition.strength, first: place.first };
                level.forward(context, x, Some(modulation))
            }
            Some((film, of_level)) => {
                let features = level.forward(context, x, None)?;
                film.apply(context, features, self.condition, &of_level, see)
            }
            None => level.forward(context, x, None),
        }
    }

    /// Modulates the features `[B, F]` of a level.
    pub fn modulate(&self, context: &mut ForwardContext, index: usize, features: Var) -> Result<Var> {
        match self.of_level(context, index)? {
            Some((film, of_level)) => film.apply(context, features, self.condition, &of_level, |_| {}),
            None => Ok(features),
        }
    }
}
