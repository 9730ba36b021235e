//! `mse(signal) + w_s mse(condition) + w_kl KL + w_p L1(peaks)`, or the same under a calibrated likelihood.
//!
//! Mind the scale: mean squared error against a KL that is summed over the latent is a Gaussian decoder of variance
//! `kl_weight L / 2`; whatever varies less than that is not worth encoding. `calibrated` sets that variance to the
//! current error (sigma-VAE, see [`crate::ops::calibrated`]).

use super::{Batch, Output};
use crate::config::{Likelihood, ModelConfig, TrainingConfig};
use crate::error::Result;
use crate::ops::{Calibrated, Kl, MAX_INPUTS, MaskedL1, Mse, Mul, WeightedSum};
use crate::tape::{Tape, Var};
use serde::{Deserialize, Serialize};

/// How the terms are joined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossWeights {
    pub likelihood: Likelihood,
    /// Weight of the KL term, warm-up included.
    pub kl: f64,
    pub condition: f64,
    pub peaks: f64,
}

impl LossWeights {
    /// The weights in an epoch (counted from 0), or the final ones.
    pub fn new(training: &TrainingConfig, epoch: Option<usize>) -> Self {
        let warmup = match epoch {
            Some(epoch) if epoch < training.kl_warmup_epochs => epoch as f64 / training.kl_warmup_epochs as f64,
            _ => 1.0,
        };
        let kl = match training.likelihood {
            Likelihood::Mse => training.kl_weight,
            Likelihood::Calibrated => 1.0,
        };
        LossWeights {
            likelihood: training.likelihood,
            kl: kl * warmup,
            condition: training.static_loss_weight,
            peaks: training.peak_loss_weight,
        }
    }

    /// One number to compare models by, from mean terms: the loss, or under `calibrated` `L/2 ln(error) + KL`, where
    /// the error holds all reconstruction terms at their weights. NaN if a term is.
    pub fn objective(&self, terms: &Terms, signal_length: usize) -> f64 {
        let error = terms.signal + self.condition * terms.condition + self.peaks * terms.peaks;
        match self.likelihood {
            Likelihood::Mse => error + self.kl * terms.kl,
            Likelihood::Calibrated => {
                // not `max`, which makes a number of NaN
                let error = if error < Calibrated::FLOOR { Calibrated::FLOOR } else { error };
                0.5 * signal_length as f64 * error.ln() + self.kl * terms.kl
            }
        }
    }
}

/// The terms of the loss, each a scalar on the tape.
#[derive(Debug, Clone, Copy)]
pub struct Losses {
    pub signal: Var,
    /// `None` for a decoder without a static head.
    pub condition: Option<Var>,
    pub kl: Var,
    pub peaks: Option<Var>,
    /// What is minimised: its gradient is the training's.
    pub total: Var,
}

/// The terms as numbers; 0 for a head that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    pub signal: f64,
    pub condition: f64,
    pub kl: f64,
    pub peaks: f64,
}

impl Losses {
    /// Asks for the values of all, [`Losses::COUNT`] of them, which [`Losses::terms`] reads; see [`Tape::ask`].
    pub fn ask(&self, tape: &mut Tape) -> Result<()> {
        // a head that is not there costs one more look at the signal's term
        let there = |var: Option<Var>| var.unwrap_or(self.signal);
        tape.ask(&[self.signal, there(self.condition), self.kl, there(self.peaks), self.total])
    }

    /// Values that an answer begins with.
    pub const COUNT: usize = 5;

    /// The terms, and what is minimised, as an answer tells them.
    ///
    /// # Panics
    /// When there are too few values.
    pub fn terms(&self, answer: &[f64]) -> (Terms, f64) {
        let [signal, condition, kl, peaks, total, ..] = *answer else { panic!("a value each") };
        let there = |var: Option<Var>, value: f64| if var.is_some() { value } else { 0.0 };
        let terms = Terms { signal, condition: there(self.condition, condition), kl, peaks: there(self.peaks, peaks) };
        (terms, total)
    }

    /// The terms, and what is minimised; waits for the device. No question may be open.
    pub fn read(&self, tape: &mut Tape) -> Result<(Terms, f64)> {
        let mut values = [0.0; Self::COUNT];
        self.ask(tape)?;
        assert!(tape.answer(true, &mut values)?, "a question was asked");
        Ok(self.terms(&values))
    }
}

pub(super) fn losses(
    tape: &mut Tape,
    config: &ModelConfig,
    output: &Output,
    batch: &Batch,
    weights: &LossWeights,
) -> Result<Losses> {
    let (mut decoded, mut target) = (output.decoded.signal, output.target);
    if let Some(roots) = batch.root_weights {
        let roots = tape.input([batch.rows, config.signal_length], roots)?;
        [decoded, target] = [tape.apply(Mul, &[decoded, roots])?, tape.apply(Mul, &[target, roots])?];
    }
    let signal = tape.apply(Mse, &[decoded, target])?;
    let kl = tape.apply(Kl, &[output.about_prior])?;
    let condition = match output.decoded.condition {
        Some(read) => Some(tape.apply(Mse, &[read, output.input_condition])?),
        None => None,
    };
    let peaks = match output.decoded.peaks {
        Some(predicted) => {
            let shape = [batch.rows, config.num_peaks];
            let (target, mask) = (tape.input(shape, batch.peaks)?, tape.input(shape, batch.peak_mask)?);
            Some(tape.apply(MaskedL1, &[predicted, target, mask])?)
        }
        None => None,
    };
    let reconstruction =
        [Some((signal, 1.0)), condition.map(|v| (v, weights.condition)), peaks.map(|v| (v, weights.peaks))];
    let reconstruction = reconstruction.into_iter().flatten();
    let total = match weights.likelihood {
        Likelihood::Mse => weighted_sum(tape, reconstruction.chain([(kl, weights.kl)]))?,
        Likelihood::Calibrated => {
            let error = weighted_sum(tape, reconstruction)?;
            let error = tape.apply(Calibrated { length: config.signal_length }, &[error, signal])?;
            weighted_sum(tape, [(error, 1.0), (kl, weights.kl)].into_iter())?
        }
    };
    Ok(Losses { signal, condition, kl, peaks, total })
}

fn weighted_sum(tape: &mut Tape, terms: impl Iterator<Item = (Var, f64)>) -> Result<Var> {
    let (vars, weights): (arrayvec::ArrayVec<_, MAX_INPUTS>, _) = terms.unzip();
    tape.apply(WeightedSum { weights }, &vars)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_that_is_no_number_makes_no_objective() {
        for likelihood in [Likelihood::Mse, Likelihood::Calibrated] {
            let weights = LossWeights { likelihood, kl: 1.0, condition: 1.0, peaks: 1.0 };
            let objective = |signal, kl| weights.objective(&Terms { signal, kl, ..Terms::default() }, 200);
            assert!(objective(f64::NAN, 0.0).is_nan() && objective(0.5, f64::NAN).is_nan(), "{likelihood:?}");
            assert!(objective(0.0, 0.0).is_finite() && objective(0.5, 1.0).is_finite());
            assert_eq!(objective(f64::INFINITY, 0.0), f64::INFINITY);
        }
    }
}
