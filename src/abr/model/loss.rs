//! `mse(signal) + w_s mse(condition) + w_kl KL + w_p L1(peaks)`, or the same under a calibrated likelihood.
//!
//! Mind the scale: a mean squared error plus a KL that is summed over the latent units is a Gaussian decoder of
//! variance `kl_weight L / 2`. The optimal model does not encode what varies less than that. The calibrated likelihood
//! sets the variance to the current error (sigma-VAE, see [`crate::engine::ops::sigma_vae_nll`]).

use super::{Batch, Output};
use crate::config::{Likelihood, ModelConfig, TrainingConfig};
use crate::engine::device::{ScalarHandle, ScalarValues};
use crate::engine::op::MAX_INPUTS;
use crate::engine::ops::{Kl, MaskedL1, Mse, Mul, SigmaVaeNll, WeightedSum};
use crate::engine::tape::{Tape, Var};
use crate::error::Result;
use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

/// The weights of the terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossWeights {
    pub likelihood: Likelihood,
    /// Weight of the KL term, warm-up included.
    pub kl: f64,
    pub condition: f64,
    pub peaks: f64,
}

impl LossWeights {
    /// The weights of an epoch (counted from 0), or the final ones.
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

    /// A number to compare models by, from mean terms: the loss, or with the calibrated likelihood `L/2 ln(error) +
    /// KL`, where the error is the weighted sum of all reconstruction terms. NaN if a term is NaN.
    pub fn objective(&self, terms: &Terms, signal_length: usize) -> f64 {
        let error = terms.signal + self.condition * terms.condition + self.peaks * terms.peaks;
        match self.likelihood {
            Likelihood::Mse => error + self.kl * terms.kl,
            Likelihood::Calibrated => {
                // not `max`, which drops a NaN
                let error = if error < SigmaVaeNll::FLOOR { SigmaVaeNll::FLOOR } else { error };
                0.5 * signal_length as f64 * error.ln() + self.kl * terms.kl
            }
        }
    }
}

/// The terms of the loss: variables on the tape, or scalars to read back.
#[derive(Debug, Clone, Copy)]
pub struct Losses<T = Var> {
    pub signal: T,
    /// `None` for a decoder without a condition head.
    pub condition: Option<T>,
    pub kl: T,
    pub peaks: Option<T>,
    /// The weighted sum, which training minimizes.
    pub total: T,
}

/// The terms as numbers; 0 for a missing head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    pub signal: f64,
    pub condition: f64,
    pub kl: f64,
    pub peaks: f64,
}

impl Losses {
    /// The scalars of all terms, which stay valid after a rewind.
    pub fn scalars(&self, tape: &Tape) -> Losses<ScalarHandle> {
        let scalar = |var| tape.scalar(var);
        Losses {
            signal: scalar(self.signal),
            condition: self.condition.map(scalar),
            kl: scalar(self.kl),
            peaks: self.peaks.map(scalar),
            total: scalar(self.total),
        }
    }

    /// The terms and the total. Waits for the device.
    ///
    /// # Errors
    /// As [`Tape::read`].
    pub fn read(&self, tape: &mut Tape) -> Result<(Terms, f64)> {
        let (scalars, mut values) = (self.scalars(tape), ScalarValues::default());
        let all: ArrayVec<ScalarHandle, 5> = scalars.iter().collect();
        let ticket = tape.readback(&all)?;
        tape.wait(ticket, &mut values)?;
        Ok(scalars.terms(&values))
    }
}

impl Losses<ScalarHandle> {
    /// The scalars of the terms that exist.
    pub fn iter(&self) -> impl Iterator<Item = ScalarHandle> {
        let Losses { signal, condition, kl, peaks, total } = *self;
        [Some(signal), condition, Some(kl), peaks, Some(total)].into_iter().flatten()
    }

    /// The terms and the total.
    ///
    /// # Panics
    /// When a scalar is not among `values`.
    pub fn terms(&self, values: &ScalarValues) -> (Terms, f64) {
        let optional = |scalar: Option<ScalarHandle>| scalar.map_or(0.0, |scalar| values.get(scalar));
        let terms = Terms {
            signal: values.get(self.signal),
            condition: optional(self.condition),
            kl: values.get(self.kl),
            peaks: optional(self.peaks),
        };
        (terms, values.get(self.total))
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
    let kl = tape.apply(Kl, &[output.centred_posterior])?;
    let condition = match output.decoded.condition {
        Some(predicted) => Some(tape.apply(Mse, &[predicted, output.input_condition])?),
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
            let error = tape.apply(SigmaVaeNll { length: config.signal_length }, &[error, signal])?;
            weighted_sum(tape, [(error, 1.0), (kl, weights.kl)].into_iter())?
        }
    };
    Ok(Losses { signal, condition, kl, peaks, total })
}

fn weighted_sum(tape: &mut Tape, terms: impl Iterator<Item = (Var, f64)>) -> Result<Var> {
    let (vars, weights): (ArrayVec<_, MAX_INPUTS>, _) = terms.unzip();
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
