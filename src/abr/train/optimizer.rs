//! The optimizer of a model, in which FiLM's weights and biases are parameter groups of their own, and the learning
//! rate.

use crate::config::{FilmConfig, OptimizerConfig, OptimizerKind, SchedulerKind, TrainingConfig};
use crate::engine::nn::optim::{AdamSettings, Optimizer, ParameterGroup};
use crate::engine::nn::params::{Parameter, ParameterId, Parameters};
use crate::engine::nn::schedule::{Schedule, ScheduleKind};
use crate::engine::tape::Tape;
use crate::error::Result;
use crate::model::FilmLevel;

/// The optimizer of a model, with this learning rate as [`set_learning_rate`] sets it.
///
/// # Errors
/// When the device is out of memory.
///
/// # Panics
/// As [`Optimizer::new`].
pub fn optimizer(
    config: &OptimizerConfig,
    film: &FilmConfig,
    learning_rate: f64,
    (parameters, tape): (&Parameters, &mut Tape),
) -> Result<Optimizer> {
    let OptimizerConfig { kind, betas, eps, weight_decay } = *config;
    let group = |belongs: fn(&Parameter) -> bool, weight_decay, step_in_backward| {
        let parameters: Vec<ParameterId> =
            parameters.trainable().filter(|(_, p)| belongs(p)).map(|(id, _)| id).collect();
        ParameterGroup { parameters, learning_rate, weight_decay, step_in_backward }
    };
    // no decay for biases: a bias of gamma is 1 if FiLM is the identity
    let of_biases = film.weight_decay.map_or(weight_decay, |_| 0.0);
    let groups = vec![
        group(|p| FilmLevel::of(&p.name).is_none(), weight_decay, true),
        // a training reports the norms of FiLM's gradients
        group(
            |p| FilmLevel::of(&p.name).is_some() && p.shape.len() > 1,
            film.weight_decay.unwrap_or(weight_decay),
            false,
        ),
        group(|p| FilmLevel::of(&p.name).is_some() && p.shape.len() == 1, of_biases, false),
    ];
    let settings = AdamSettings { betas, eps, decoupled: kind == OptimizerKind::AdamW };
    let mut optimizer = Optimizer::new(settings, groups, parameters, tape)?;
    set_learning_rate(&mut optimizer, film, learning_rate);
    Ok(optimizer)
}

/// Sets the learning rate of all groups of an [`optimizer`]. That of FiLM is `learning_rate_scale` times as high.
pub fn set_learning_rate(optimizer: &mut Optimizer, film: &FilmConfig, learning_rate: f64) {
    for (group, scale) in [1.0, film.learning_rate_scale, film.learning_rate_scale].into_iter().enumerate() {
        optimizer.set_learning_rate(group, learning_rate * scale);
    }
}

/// The learning rate over the epochs of a training.
pub(super) fn schedule(training: &TrainingConfig) -> Schedule {
    let config = &training.scheduler;
    let kind = match config.kind {
        SchedulerKind::Constant => ScheduleKind::Constant,
        SchedulerKind::Cosine => {
            ScheduleKind::Cosine { t_max: config.t_max.unwrap_or(training.num_epochs), eta_min: config.eta_min }
        }
        SchedulerKind::Plateau => {
            ScheduleKind::Plateau { factor: config.factor, patience: config.patience, min_lr: config.eta_min }
        }
    };
    Schedule::new(kind, training.learning_rate).warmup(config.warmup_epochs)
}
