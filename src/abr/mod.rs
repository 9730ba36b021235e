//! The product: recordings, the model, training, evaluation and report. It knows no command line.

pub mod baselines;
pub mod checkpoint;
pub mod compare;
pub mod config;
pub mod data;
pub mod doctor;
pub mod eval;
pub mod files;
pub mod generate;
pub mod infer;
pub mod model;
pub mod purpose;
pub mod report;
pub mod residual;
pub mod text;
pub mod train;
