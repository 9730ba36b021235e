//! The state of a training that a resume needs in addition to weights and Adam's moments, and the record of an epoch.

use crate::engine::nn::schedule::PlateauState;
use crate::model::Terms;
use serde::{Deserialize, Serialize};

/// The state of a training between two steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingProgress {
    /// Epochs done.
    pub epoch: usize,
    /// Steps done in the current epoch.
    pub step_in_epoch: usize,
    /// Steps done in all.
    pub step: u64,
    pub best: Option<Best>,
    /// Counted from the end of the KL warm-up.
    pub epochs_since_best: usize,
    pub stopped_early: bool,
    #[serde(with = "StoredPlateau")]
    pub plateau: PlateauState,
    /// Over the current epoch.
    pub train: MeanTerms,
    /// Sums over the current epoch's steps. A norm may overflow.
    #[serde(deserialize_with = "null_as_infinity::list")]
    pub film_gradient_norms: Vec<f64>,
    #[serde(deserialize_with = "null_as_infinity::number")]
    pub gradient_norm: f64,
}

/// JSON has no infinity: what is written as `null` comes back.
mod null_as_infinity {
    use serde::{Deserialize, Deserializer};

    pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
    }

    pub fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.unwrap_or(f64::INFINITY)).collect())
    }
}

/// How a [`PlateauState`] is stored.
#[derive(Serialize, Deserialize)]
#[serde(remote = "PlateauState")]
struct StoredPlateau {
    factor: f64,
    bad_epochs: usize,
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Counted from 1.
    pub epoch: usize,
    pub objective: f64,
}

/// A running mean of loss terms: the peak term is weighted by labels, the others by rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MeanTerms {
    sums: Terms,
    rows: f64,
    labels: f64,
}

impl MeanTerms {
    /// Adds a batch's mean terms.
    pub fn add(&mut self, terms: &Terms, rows: usize, labels: f64) {
        let rows = rows as f64;
        self.sums.signal += terms.signal * rows;
        self.sums.condition += terms.condition * rows;
        self.sums.kl += terms.kl * rows;
        self.sums.peaks += terms.peaks * labels;
        self.rows += rows;
        self.labels += labels;
    }

    /// The mean so far.
    pub fn terms(&self) -> Terms {
        let (rows, labels) = (self.rows.max(1.0), self.labels.max(1.0));
        Terms {
            signal: self.sums.signal / rows,
            condition: self.sums.condition / rows,
            kl: self.sums.kl / rows,
            peaks: self.sums.peaks / labels,
        }
    }
}

/// A line of `metrics.jsonl`. Losses are in the model's own units, KL in nats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    pub step: u64,
    pub learning_rate: f64,
    /// The weight in training, with its warm-up; validation uses the final weight.
    pub kl_weight: f64,
    pub train: SplitLoss,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<SplitLoss>,
    /// Whether this is the best epoch so far.
    pub best: bool,
    /// The mean over the steps, before clipping; only if clipping is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// For each FiLM block, the mean over the steps.
    pub film_gradient_norms: Vec<f64>,
    /// Wall time since this process began the epoch.
    pub seconds: f64,
}

/// One split's loss and its terms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SplitLoss {
    pub loss: f64,
    pub signal: f64,
    #[serde(rename = "static")]
    pub condition: f64,
    pub kl: f64,
    pub peaks: f64,
}

impl SplitLoss {
    fn new((terms, loss): (Terms, f64)) -> Self {
        SplitLoss { loss, signal: terms.signal, condition: terms.condition, kl: terms.kl, peaks: terms.peaks }
    }
}

/// The results at the end of an epoch, except the sums over its steps. A loss is its terms and their weighted sum.
pub(super) struct EpochEnd {
    pub learning_rate: f64,
    pub kl_weight: f64,
    pub train: (Terms, f64),
    pub validation: Option<(Terms, f64)>,
    pub best: bool,
    /// Whether gradients are clipped, so that their norm is known.
    pub clipped: bool,
}

impl TrainingProgress {
    /// Nothing done yet.
    pub fn new(film_levels: usize) -> Self {
        TrainingProgress {
            epoch: 0,
            step_in_epoch: 0,
            step: 0,
            best: None,
            epochs_since_best: 0,
            stopped_early: false,
            plateau: PlateauState::default(),
            train: MeanTerms::default(),
            film_gradient_norms: vec![0.0; film_levels],
            gradient_norm: 0.0,
        }
    }

    /// The record of the epoch that ends now.
    pub(super) fn record(&self, end: EpochEnd) -> Epoch {
        let steps = self.step_in_epoch.max(1) as f64;
        Epoch {
            epoch: self.epoch + 1,
            step: self.step,
            learning_rate: end.learning_rate,
            kl_weight: end.kl_weight,
            train: SplitLoss::new(end.train),
            validation: end.validation.map(SplitLoss::new),
            best: end.best,
            gradient_norm: end.clipped.then_some(self.gradient_norm / steps),
            film_gradient_norms: self.film_gradient_norms.iter().map(|sum| sum / steps).collect(),
            seconds: 0.0,
        }
    }

    pub(super) fn next_epoch(&mut self, plateau: PlateauState) {
        self.epoch += 1;
        self.step_in_epoch = 0;
        self.plateau = plateau;
        self.train = MeanTerms::default();
        self.film_gradient_norms.fill(0.0);
        self.gradient_norm = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_that_overflowed_survives_a_resume() {
        let mut progress = TrainingProgress::new(2);
        (progress.gradient_norm, progress.film_gradient_norms[1]) = (f64::INFINITY, f64::INFINITY);
        let stored = serde_json::to_value(&progress).unwrap();
        assert_eq!(serde_json::from_value::<TrainingProgress>(stored).unwrap(), progress);
    }
}
