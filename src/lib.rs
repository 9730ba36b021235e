//! `abr-film` learns to generate auditory brainstem responses (ABRs): traces of, for example, 200 samples, conditioned
//! on variables such as stimulus level, rate and age. The model is a conditional variational autoencoder. FiLM,
//! `gamma(s) * x + beta(s)`, modulates its decoder. The tensor engine is part of this crate and is meant to be read.
//!
//! # Modules
//!
//! | module | content |
//! | --- | --- |
//! | [`config`], [`error`], [`files`], [`rng`], [`text`] | basics that all modules may use |
//! | [`tensor`], [`kernels`], [`ops`] | numbers, loops, and the ops, one file each |
//! | [`dispatch`] | the work of an op on a GPU, as data |
//! | [`device`], [`tape`] | the CPU and the GPU; reverse-mode differentiation |
//! | [`nn`], [`model`] | layers, initializers, the optimizer; encoder, decoders, loss |
//! | [`data`] | recordings in µV and ms: tables, preparation, the built-in synthetic set, splits, scalers |
//! | [`checkpoint`] | a model on disk, with everything needed to use it |
//! | [`train`], [`infer`], [`generate`], [`eval`] | the uses of a model |
//! | [`baselines`], [`residual`] | simple models for comparison; the residual of reconstructions |
//! | [`report`] | pictures |
//!
//! # Make a model
//!
//! ```
//! use abr_film::{config::Config, engine::device::Cpu, model::Cvae};
//!
//! let config = Config::default();
//! let model = Cvae::new(&config.model, &config.film, 42, Box::new(Cpu::<f32>::new()))?;
//! assert_eq!(model.parameters().count(), 4_415_567);
//! # Ok::<(), abr_film::error::Error>(())
//! ```
//!
//! # Train it
//!
//! ```
//! use abr_film::{config::Config, data::load, engine::device, train::{Outcome, Trainer}};
//! use std::ops::ControlFlow;
//!
//! let config = Config::from_json("example", include_str!("../configs/smoke.json"), &[])?;
//! let (data, _notices) = load(&config.data, config.model.signal_length, |_, _| {})?;
//! let best = device::with(device::Kind::Auto, None, |device| {
//!     let (mut trainer, _notices) = Trainer::new(&config, &data, device)?;
//!     while !trainer.finished() {
//!         if let Outcome::Done(epoch) = trainer.epoch(|_step| ControlFlow::Continue(()))? {
//!             println!("epoch {}: loss {:.4}", epoch.epoch, epoch.train.loss);
//!         }
//!     }
//!     Ok(trainer.best())
//! })?;
//! let folder = tempfile::tempdir().expect("a temporary folder");
//! best.expect("three epochs").save(&folder.path().join("best.safetensors"))?;
//! # Ok::<(), abr_film::error::Error>(())
//! ```
//!
//! # Generate traces with and without a condition
//!
//! ```
//! use abr_film::checkpoint::Checkpoint;
//! use abr_film::generate::{Request, Value, generate};
//! # use abr_film::{config::Config, data::load, engine::device::Cpu, train::Trainer};
//! # let config = Config::from_json("example", include_str!("../configs/smoke.json"), &[])?;
//! # let data = load(&config.data, config.model.signal_length, |_, _| {})?.0;
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let path = folder.path().join("model.safetensors");
//! # Trainer::new(&config, &data, Box::new(Cpu::<f32>::new()))?.0.checkpoint()?.save(&path)?;
//!
//! let (trained, mut model, _notices) = Checkpoint::open(&path, None, Box::new(Cpu::<f32>::new()))?;
//!
//! // five traces at 60 dB; the other conditioning variables are those of training rows near 60 dB
//! let at_60_db = vec![("level_db".to_string(), Value::Number(60.0))];
//! let request = Request { conditions: Some(vec![at_60_db]), count: 5, series: false, seed: 1, averages: None };
//! let traces = generate(&trained, &mut model, &request)?;
//! assert_eq!(traces.signals.dim(), (5, 200)); // in µV
//!
//! // without a condition FiLM is the identity
//! let request = Request { conditions: None, count: 5, series: false, seed: 1, averages: None };
//! assert_eq!(generate(&trained, &mut model, &request)?.signals.dim(), (5, 200));
//! # Ok::<(), abr_film::error::Error>(())
//! ```
//!
//! # Reproducibility
//!
//! One build on one kind of machine gives the same bytes for the same seed, configuration and data, with any number of
//! threads, and even if the training is interrupted and resumed. Other kernels (for example the portable ones instead
//! of AVX-512) and other C libraries' `exp` and `log` may round differently.

#[cfg(feature = "abr")]
mod abr;
pub mod engine;
pub mod error;

#[cfg(feature = "abr")]
pub use abr::*;
