//! The learning rate schedule.

use crate::config::{SchedulerConfig, SchedulerKind};
use serde::{Deserialize, Serialize};

/// A schedule, with its state for `plateau`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    config: SchedulerConfig,
    base: f64,
    epochs: usize,
    pub state: PlateauState,
}

/// The state of `plateau` between epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// The product of all reductions.
    pub factor: f64,
    /// Epochs since the loss was last the lowest, or the learning rate was last reduced.
    pub bad_epochs: usize,
}

impl Schedule {
    /// A schedule from learning rate `base` over `epochs` epochs (the default of `T_max`).
    pub fn new(config: &SchedulerConfig, base: f64, epochs: usize) -> Self {
        Schedule { config: config.clone(), base, epochs, state: PlateauState { factor: 1.0, bad_epochs: 0 } }
    }

    /// The learning rate of an epoch, counted from 0.
    ///
    /// Warm-up rises linearly and reaches the full learning rate at epoch `warmup_epochs`. Cosine then falls to
    /// `eta_min` at epoch `T_max` (Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5) and stays there.
    pub fn learning_rate(&self, epoch: usize) -> f64 {
        let (config, warmup) = (&self.config, self.config.warmup_epochs);
        if epoch < warmup {
            return self.base * (epoch + 1) as f64 / (warmup + 1) as f64;
        }
        match config.kind {
            SchedulerKind::Constant => self.base,
            SchedulerKind::Plateau => (self.base * self.state.factor).max(config.eta_min),
            SchedulerKind::Cosine => {
                let t_max = config.t_max.unwrap_or(self.epochs);
                let progress = (epoch - warmup) as f64 / t_max.saturating_sub(warmup).max(1) as f64;
                let cosine = (std::f64::consts::PI * progress.min(1.0)).cos();
                config.eta_min + 0.5 * (self.base - config.eta_min) * (1.0 + cosine)
            }
        }
    }

    /// Updates `plateau` after an epoch; `improved`: its validation loss is the lowest so far. After more than
    /// `patience` epochs in a row without improvement, multiplies the learning rate by `factor` (PyTorch's
    /// `ReduceLROnPlateau` with threshold 0).
    pub fn observe(&mut self, improved: bool) {
        self.state.bad_epochs = if improved { 0 } else { self.state.bad_epochs + 1 };
        if self.config.kind == SchedulerKind::Plateau && self.state.bad_epochs > self.config.patience {
            self.state.factor *= self.config.factor;
            self.state.bad_epochs = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: SchedulerKind, warmup_epochs: usize) -> Schedule {
        let config = SchedulerConfig { kind, warmup_epochs, eta_min: 0.1, patience: 1, ..Default::default() };
        Schedule::new(&config, 1.0, 10)
    }

    #[test]
    fn cosine_goes_from_the_full_rate_to_the_lowest_and_stays() {
        let s = schedule(SchedulerKind::Cosine, 0);
        assert_eq!(s.learning_rate(0), 1.0);
        assert!((s.learning_rate(5) - 0.55).abs() < 1e-12);
        assert!((s.learning_rate(10) - 0.1).abs() < 1e-12);
        assert_eq!(s.learning_rate(10), s.learning_rate(15));
    }

    #[test]
    fn warmup_rises_and_meets_the_schedule() {
        let s = schedule(SchedulerKind::Cosine, 4);
        let learning_rates: Vec<f64> = (0..5).map(|e| s.learning_rate(e)).collect();
        assert_eq!(learning_rates, [0.2, 0.4, 0.6, 0.8, 1.0]);
        assert!((s.learning_rate(10) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn plateau_waits_for_its_patience() {
        let mut s = schedule(SchedulerKind::Plateau, 0);
        let mut learning_rates = vec![];
        for improved in [true, false, false, false, false] {
            s.observe(improved);
            learning_rates.push(s.learning_rate(1));
        }
        assert_eq!(learning_rates, [1.0, 1.0, 0.5, 0.5, 0.25]);
    }
}
