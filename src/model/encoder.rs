//! `concat(signal, condition)` through Linear, ReLU, Dropout levels to the posterior's mean and log-variance.

use crate::config::ModelConfig;
use crate::error::Result;
use crate::nn::layers::{LinearInit, Pass, Sequential};
use crate::nn::params::Parameters;
use crate::ops::{Clamp, Concat};
use crate::tape::Var;

/// Beyond these a posterior mean says nothing a unit normal prior could generate.
const MU: Clamp = Clamp { lo: -10.0, hi: 10.0 };
/// Keeps `exp(logvar)` between 2e-9 and 7.4.
const LOGVAR: Clamp = Clamp { lo: -20.0, hi: 2.0 };

#[derive(Debug)]
pub struct Encoder {
    layers: Sequential,
    mu: Sequential,
    logvar: Sequential,
}

impl Encoder {
    pub fn new(c: &ModelConfig, p: &mut Parameters) -> Self {
        let mut width = c.signal_length + c.static_dim;
        let mut layers = Sequential::new("encoder.encoder_layers");
        for (&next, &rate) in c.encoder_dims.iter().zip(&c.encoder_dropout) {
            layers = layers.linear(p, width, next, LinearInit::Xavier).relu().dropout(p, rate);
            width = next;
        }
        let mut head = |name| Sequential::single(p, name, width, c.latent_dim, LinearInit::Xavier);
        Encoder { layers, mu: head("encoder.mu_layer"), logvar: head("encoder.logvar_layer") }
    }

    /// signal `[B, L]`, condition `[B, S]` to mu, logvar `[B, Z]`.
    pub fn forward(&self, pass: &mut Pass, signal: Var, condition: Var) -> Result<(Var, Var)> {
        let joined = pass.tape.apply(Concat, &[signal, condition])?;
        let h = self.layers.forward(pass, joined)?;
        let (mu, logvar) = (self.mu.forward(pass, h)?, self.logvar.forward(pass, h)?);
        Ok((pass.tape.apply(MU, &[mu])?, pass.tape.apply(LOGVAR, &[logvar])?))
    }
}
