//! `abr-film` learns to generate auditory brainstem responses (ABRs): traces of, for example, 200 samples, conditioned
//! on variables such as stimulus level, rate and age. The model is a conditional variational autoencoder. FiLM,
//! `gamma(s) * x + beta(s)`, modulates its decoder. The tensor engine is part of this crate and is meant to be read.
//!
//! # The engine
//!
//! [`engine`] is usable alone, without default features.
//!
//! | module | content |
//! | --- | --- |
//! | [`engine::tensor`], [`engine::rng`], [`engine::kernels`], [`engine::ops`] | numbers, loops, and the ops, one file each |
//! | [`engine::dispatch`] | the work of an op on a GPU, as data |
//! | [`engine::device`], [`engine::tape`] | the CPU and the GPU; reverse-mode differentiation |
//! | [`engine::nn`] | layers, initializers, the optimizer, the learning rate schedule |
#![cfg_attr(feature = "abr", doc = "\n", doc = include_str!("abr/front_page.md"))]
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
