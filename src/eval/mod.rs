//! How good a model is: errors in physical units, what the latent does, baselines on the same rows, and the waves of a trace.

pub mod baselines;
pub mod metrics;
pub mod peaks;
