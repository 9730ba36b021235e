//! The FiLM generators: MLPs from the condition to gamma and beta for every unit of every decoder level (Perez et al.
//! 2018, arXiv:1709.07871, section 3.1). All hidden layers have the same input and form one matrix product. All output
//! layers form one op.

use super::levels::Modulation;
use crate::config::{FilmConfig, ModelConfig};
use crate::engine::nn::layers::{ForwardContext, LinearInit, LinearLayer};
use crate::engine::nn::params::Parameters;
use crate::engine::ops::{GroupedLinear, LinearRelu};
use crate::engine::tape::Var;
use crate::error::Result;

/// The decoder level whose FiLM generator the parameter of this name belongs to, counted from 1.
pub fn film_level(name: &str) -> Option<usize> {
    name.strip_prefix("decoder.film")?.split('.').next()?.parse().ok()
}

/// The generator of one level: one MLP for gamma and one for beta.
#[derive(Debug)]
pub struct FilmGenerator {
    hidden: [LinearLayer; 2],
    outputs: [LinearLayer; 2],
    width: usize,
}

impl FilmGenerator {
    /// Starts as the identity for any condition: the last layers have weights 0 and biases 1 (gamma) and 0 (beta).
    pub fn new(parameters: &mut Parameters, scope: &str, c: &ModelConfig, film: &FilmConfig, width: usize) -> Self {
        let mut mlp = |name, bias| {
            let mut linear = |index, inputs, outputs, init| {
                LinearLayer::new(parameters, &format!("{scope}.{name}.{index}"), inputs, outputs, init)
            };
            let hidden = linear(0, c.static_dim, film.hidden_dim, LinearInit::Default);
            (hidden, linear(2, film.hidden_dim, width, LinearInit::Constant(bias)))
        };
        let (gamma, beta) = (mlp("gamma_mlp", 1), mlp("beta_mlp", 0));
        FilmGenerator { hidden: [gamma.0, beta.0], outputs: [gamma.1, beta.1], width }
    }
}

/// The generators of all levels.
#[derive(Debug)]
pub struct FilmGenerators {
    hidden: LinearLayer,
    outputs: LinearLayer,
    op: GroupedLinear,
}

impl FilmGenerators {
    pub fn new(parameters: &mut Parameters, levels: &[FilmGenerator]) -> Self {
        let all = |part: fn(&FilmGenerator) -> [LinearLayer; 2]| levels.iter().flat_map(part).collect::<Vec<_>>();
        let (hidden, outputs) = (all(|b| b.hidden), all(|b| b.outputs));
        FilmGenerators {
            hidden: LinearLayer::stack(parameters, &hidden),
            outputs: LinearLayer::stack(parameters, &outputs),
            op: GroupedLinear { widths: levels.iter().flat_map(|b| [b.width; 2]).collect() },
        }
    }

    /// Condition `[B, S]` to gamma and beta of all levels `[B, Σ 2 F]`: gamma and beta of the first level, then those
    /// of the next.
    pub fn forward(&self, context: &mut ForwardContext, condition: Var) -> Result<Var> {
        let hidden = self.hidden.apply(context, LinearRelu { dropout: None }, condition)?;
        self.outputs.apply(context, self.op.clone(), hidden)
    }

    /// The number of levels.
    pub fn levels(&self) -> usize {
        self.op.widths.len() / 2
    }

    /// The modulation of a level (counted from 0), from the output of [`FilmGenerators::forward`].
    pub fn level(&self, level: usize, values: Var, strength: Var) -> Modulation {
        Modulation { values, strength, first: self.op.widths[..2 * level].iter().sum() }
    }
}
