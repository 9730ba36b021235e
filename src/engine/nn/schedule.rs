//! The learning rate over the epochs, as PyTorch's `torch.optim.lr_scheduler`.

/// How the learning rate changes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScheduleKind {
    Constant,
    /// Falls to `eta_min` at epoch `t_max`, warm-up included, and stays there (Loshchilov and Hutter 2017,
    /// arXiv:1608.03983, eq. 5; PyTorch's `CosineAnnealingLR`).
    Cosine {
        t_max: usize,
        eta_min: f64,
    },
    /// Is multiplied by `factor` after more than `patience` epochs in a row without improvement, down to `min_lr`
    /// (PyTorch's `ReduceLROnPlateau` with threshold 0).
    Plateau {
        factor: f64,
        patience: usize,
        min_lr: f64,
    },
}

/// A schedule, with its state for [`ScheduleKind::Plateau`].
///
/// ```
/// use abr_film::engine::nn::schedule::{Schedule, ScheduleKind};
///
/// let schedule = Schedule::new(ScheduleKind::Cosine { t_max: 10, eta_min: 0.0 }, 0.1).warmup(2);
/// let learning_rates = [0, 1, 2, 6, 10].map(|epoch| schedule.learning_rate(epoch));
/// assert!((learning_rates[0] - 0.1 / 3.0).abs() < 1e-15 && learning_rates[2] == 0.1);
/// assert!((learning_rates[3] - 0.05).abs() < 1e-15 && learning_rates[4] < 1e-15);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    base: f64,
    warmup: usize,
    pub state: PlateauState,
}

/// The state of a schedule between epochs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlateauState {
    /// The product of all reductions.
    pub factor: f64,
    /// Epochs since the loss was last the lowest, or the learning rate was last reduced.
    pub bad_epochs: usize,
}

impl Default for PlateauState {
    /// That before the first epoch.
    fn default() -> Self {
        PlateauState { factor: 1.0, bad_epochs: 0 }
    }
}

impl Schedule {
    /// A schedule from learning rate `base`, without warm-up.
    pub fn new(kind: ScheduleKind, base: f64) -> Self {
        Schedule { kind, base, warmup: 0, state: PlateauState::default() }
    }

    /// With a linear rise before, which reaches the full learning rate at epoch `epochs`.
    pub fn warmup(self, epochs: usize) -> Self {
        Schedule { warmup: epochs, ..self }
    }

    /// The learning rate of an epoch, counted from 0.
    pub fn learning_rate(&self, epoch: usize) -> f64 {
        let (base, warmup) = (self.base, self.warmup);
        if epoch < warmup {
            return base * (epoch + 1) as f64 / (warmup + 1) as f64;
        }
        match self.kind {
            ScheduleKind::Constant => base,
            ScheduleKind::Plateau { min_lr, .. } => (base * self.state.factor).max(min_lr),
            ScheduleKind::Cosine { t_max, eta_min } => {
                let progress = (epoch - warmup) as f64 / t_max.saturating_sub(warmup).max(1) as f64;
                let cosine = (std::f64::consts::PI * progress.min(1.0)).cos();
                eta_min + 0.5 * (base - eta_min) * (1.0 + cosine)
            }
        }
    }

    /// Updates the state after an epoch; `improved`: its validation loss is the lowest so far.
    pub fn observe(&mut self, improved: bool) {
        self.state.bad_epochs = if improved { 0 } else { self.state.bad_epochs + 1 };
        if let ScheduleKind::Plateau { factor, patience, .. } = self.kind
            && self.state.bad_epochs > patience
        {
            self.state.factor *= factor;
            self.state.bad_epochs = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSINE: ScheduleKind = ScheduleKind::Cosine { t_max: 10, eta_min: 0.1 };

    #[test]
    fn cosine_goes_from_the_full_rate_to_the_lowest_and_stays() {
        let s = Schedule::new(COSINE, 1.0);
        assert_eq!(s.learning_rate(0), 1.0);
        assert!((s.learning_rate(5) - 0.55).abs() < 1e-12);
        assert!((s.learning_rate(10) - 0.1).abs() < 1e-12);
        assert_eq!(s.learning_rate(10), s.learning_rate(15));
    }

    #[test]
    fn warmup_rises_and_meets_the_schedule() {
        let s = Schedule::new(COSINE, 1.0).warmup(4);
        let learning_rates: Vec<f64> = (0..5).map(|e| s.learning_rate(e)).collect();
        assert_eq!(learning_rates, [0.2, 0.4, 0.6, 0.8, 1.0]);
        assert!((s.learning_rate(10) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn plateau_waits_for_its_patience() {
        let mut s = Schedule::new(ScheduleKind::Plateau { factor: 0.5, patience: 1, min_lr: 0.1 }, 1.0);
        let mut learning_rates = vec![];
        for improved in [true, false, false, false, false] {
            s.observe(improved);
            learning_rates.push(s.learning_rate(1));
        }
        assert_eq!(learning_rates, [1.0, 1.0, 0.5, 0.5, 0.25]);
    }
}
