//! What a training step sees of a recording: itself or others of its cell, as they are or as other listeners might have
//! them.

use serde::{Deserialize, Serialize};

/// What a recording is to be decoded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReconstructionTarget {
    /// The recording itself, with its noise.
    Same,
    /// Another recording of its cell (the same subject under the same condition), whose noise the input cannot tell
    /// (Lehtinen et al. 2018, "Noise2Noise", arXiv:1803.04189); itself where it is alone.
    Sibling,
}

/// Where the latents of generated traces come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// A standard normal distribution.
    Standard,
    /// A normal distribution of variance 1 whose mean a network tells from the condition, learned with the model (Sohn,
    /// Lee and Yan 2015, "Learning Structured Output Representation using Deep Conditional Generative Models").
    Learned,
    /// The posteriors of training rows with conditions near the given one.
    Aggregated,
}

/// What is added to what the network makes of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResidualKind {
    /// Nothing.
    None,
    /// Shapes of a wave's width, as large as listeners differ: see [`crate::residual`].
    Gaussian,
}

/// Random changes of the training rows, anew in each step, the same for input and target. None by default. Polarity is
/// never changed: its sign is information.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Amplitudes are multiplied by `exp(g)`: standard deviation of g.
    pub gain: f64,
    /// Time is stretched by a factor that changes slowly along the trace: its standard deviation, as a share.
    pub stretch: f64,
    /// Traces are shifted in time: standard deviation in ms.
    pub shift_ms: f64,
}

impl AugmentConfig {
    /// Whether rows stay as they are.
    pub fn is_off(&self) -> bool {
        *self == AugmentConfig::default()
    }
}
