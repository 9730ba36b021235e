//! `concat(signal, condition)` through Linear, ReLU, Dropout levels to the posterior's mean and log-variance.

use super::film::{ConditionVars, FilmLayer, FilmLayers};
use super::levels::ReluLayer;
use crate::config::{Conditioning, FilmConfig, FilmLevelConfig, ModelConfig};
use crate::engine::nn::layers::{ForwardContext, Layer, LinearInit, LinearLayer};
use crate::engine::nn::params::Parameters;
use crate::engine::ops::{Clamp, ClampPosterior, Concat};
use crate::engine::tape::Var;
use crate::error::Result;

const POSTERIOR: ClampPosterior = ClampPosterior {
    // a standard normal prior does not generate z beyond these
    mu: Clamp { lo: -10.0, hi: 10.0 },
    // keeps `exp(logvar)` between 2e-9 and 7.4
    logvar: Clamp { lo: -20.0, hi: 2.0 },
};

#[derive(Debug)]
pub struct Encoder {
    layers: Vec<ReluLayer>,
    /// With `film.encoder`.
    film: Option<FilmLayers>,
    /// Whether the signal is also an input of the layers of mu and logvar.
    linear_path: bool,
    /// The layers of mu and logvar, stacked.
    posterior: LinearLayer,
}

impl Encoder {
    pub fn new(c: &ModelConfig, film: &FilmConfig, parameters: &mut Parameters) -> Self {
        let widths = [c.signal_length + c.static_dim].into_iter().chain(c.encoder_dims.iter().copied());
        let widths: Vec<usize> = widths.collect();
        let layers = widths.windows(2).zip(&c.encoder_dropout).enumerate().map(|(i, (width, p))| {
            let scope_and_index = ("encoder.encoder_layers", i * ReluLayer::INDICES);
            ReluLayer::new(parameters, scope_and_index, [width[0], width[1]], *p, LinearInit::Xavier)
        });
        let layers = layers.collect();
        let width = widths[widths.len() - 1] + if c.linear_path { c.signal_length } else { 0 };
        let mut head = |name| LinearLayer::new(parameters, name, width, c.latent_dim, LinearInit::Xavier);
        let heads = [head("encoder.mu_layer"), head("encoder.logvar_layer")];
        let everything = FilmLevelConfig::default();
        let modulated = match film.encoder && c.conditioned_by() == Conditioning::Film {
            true => &c.encoder_dims[..],
            false => &[],
        };
        let modulated = modulated.iter().enumerate().map(|(i, width)| {
            let scope = format!("encoder.film{}", i + 1);
            FilmLayer::new(parameters, &scope, c.static_dim, film, (&everything, *width))
        });
        let modulated = modulated.collect();
        let film = FilmLayers::new(parameters, modulated);
        Encoder { layers, film, linear_path: c.linear_path, posterior: LinearLayer::stack(parameters, &heads) }
    }

    /// Signal `[B, L]` and a condition to the posterior `[B, 2 Z]`: mu beside logvar. The strength of the condition
    /// acts on FiLM alone.
    pub fn forward(&self, context: &mut ForwardContext, signal: Var, condition: ConditionVars) -> Result<Var> {
        let modulations = self.film.as_ref().map(|film| film.modulations(context, condition)).transpose()?;
        let mut h = context.tape.apply(Concat, &[signal, condition.values])?;
        for (i, layer) in self.layers.iter().enumerate() {
            h = layer.forward(context, h)?;
            if let Some(modulations) = &modulations {
                h = modulations.modulate(context, i, h)?;
            }
        }
        if self.linear_path {
            h = context.tape.apply(Concat, &[h, signal])?;
        }
        let posterior = self.posterior.forward(context, h)?;
        context.tape.apply(POSTERIOR, &[posterior])
    }
    /// FiLM, if there is any.
    pub fn film(&self) -> Option<&FilmLayers> {
        self.film.as_ref()
    }
}
