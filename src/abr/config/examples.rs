//! How a training example is made from a recording: from itself or other recordings of its cell, unchanged or augmented
//! as if from other listeners.

use serde::{Deserialize, Serialize};

/// The target of a reconstruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReconstructionTarget {
    /// The recording itself, with its noise.
    Same,
    /// Another recording of its cell (the same subject under the same condition), whose noise the input cannot predict
    /// (Lehtinen et al. 2018, "Noise2Noise", arXiv:1803.04189); the recording itself if it is alone.
    Sibling,
}

/// Where the latents of generated traces come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// A standard normal distribution.
    Standard,
    /// A normal distribution with variance 1, whose mean a network predicts from the condition, trained with the model
    /// (Sohn, Lee and Yan 2015, "Learning Structured Output Representation using Deep Conditional Generative Models").
    Learned,
    /// The posteriors of training rows with similar conditions, which the checkpoint keeps.
    Aggregated,
}

/// What is added to the network's reconstruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResidualKind {
    /// Nothing.
    None,
    /// A smooth residual as large as the differences between listeners, if repeated recordings of a subject under one
    /// condition show the noise.
    ///
    /// See [`crate::residual`].
    Gaussian,
}

/// Data augmentation: random changes of the training rows, redrawn in each step and equal for input and target. Off by
/// default. Traces are never inverted: their sign is information.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Amplitudes are multiplied by `exp(g)`: the standard deviation of g, from 0 to 1.
    pub gain: f64,
    /// Time is stretched by a factor that varies slowly along the trace: its relative standard deviation,
    /// from 0 to 0.5.
    pub stretch: f64,
    /// Traces are shifted in time: the standard deviation in ms, 0 or more.
    pub shift_ms: f64,
}

impl AugmentConfig {
    /// Whether rows stay unchanged.
    pub fn is_off(&self) -> bool {
        *self == AugmentConfig::default()
    }
}
