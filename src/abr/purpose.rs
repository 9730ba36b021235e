//! The purposes of the product's random numbers; see [`Purpose`].

use crate::engine::rng::Purpose;

/// The order of the training rows; step: the epoch.
pub const ORDER: Purpose = Purpose(1);
/// The latent noise of training; step: the training step, sample: the row in the batch.
pub const LATENT: Purpose = Purpose(2);
/// Which rows lose their condition in a training step.
pub const CONDITION: Purpose = Purpose(4);
/// Which subjects go to which split.
pub const SPLIT: Purpose = Purpose(5);
/// The built-in data set.
pub const SYNTH: Purpose = Purpose(6);
/// The latent draws of generation; sample: the row.
pub const GENERATE: Purpose = Purpose(7);
/// The augmentation of the rows of a training step; sample: the row in the batch.
pub const EXAMPLE: Purpose = Purpose(9);
/// How an evaluation divides rows.
pub const EVALUATE: Purpose = Purpose(10);
/// The random effects of the linear mixed model; sample: the group.
pub const EFFECT: Purpose = Purpose(11);
