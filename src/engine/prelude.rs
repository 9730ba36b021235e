//! What most programs on the engine use: `use abr_film::engine::prelude::*;`.

pub use super::device::{Cpu, Device, Kind, with};
pub use super::nn::init::Init;
pub use super::nn::layers::{ForwardContext, Layer, Mode};
pub use super::nn::optim::Optimizer;
pub use super::nn::params::Parameters;
pub use super::nn::sequential::Sequential;
pub use super::op::Op;
pub use super::ops::*;
pub use super::rng::{Purpose, Stream};
pub use super::tape::{Tape, Var};
pub use crate::error::{Error, Result};
