//! `abr-film` learns to generate auditory brainstem responses (ABRs): traces of, for example, 200 samples, conditioned
//! on variables such as stimulus level, rate and age. The model is a conditional variational autoencoder. FiLM,
//! `gamma(s) * x + beta(s)`, modulates its decoder. The tensor engine is part of this crate and is meant to be read.
//!
//! The crate has three rooms. The engine knows numbers and no ABRs, and is usable alone. The product has recordings,
//! the model, training and evaluation. The command line is the program `abr-film`.
//!
//! | feature (all on by default) | brings |
//! | --- | --- |
//! | `abr` | the product; with it and without `cli` the crate is a library for a lab |
//! | `cli` | the program |
//! | `gpu` | GPUs by Vulkan, Metal, DX12 and OpenGL, through `wgpu` |
//!
//! `default-features = false` is the engine on the CPU: arrayvec, bytemuck, matrixmultiply, ndarray, num-traits, rayon
//! and thiserror are all that it brings.
//!
//! # The engine
//!
//! A network learns XOR:
//!
//! ```
#![doc = include_str!("../examples/xor.rs")]
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`engine::prelude`] | what most programs use |
//! | [`engine::tape`], [`engine::nn`] | reverse-mode differentiation; parameters, layers, initializers, the optimizer, schedules |
//! | [`engine::ops`], [`engine::op`] | the built-in ops; what an op is, for ops of other crates |
//! | [`engine::check`] | the checks of an op: gradients by differences, and a device within bounds on its rounding |
//! | [`engine::device`], [`engine::dispatch`] | the CPU and the GPU; the work of an op on a GPU, as data |
//! | [`engine::tensor`], [`engine::rng`], [`engine::kernels`] | numbers, random bits, and loops |
//!
//! The folder `examples` has more: `mlp` (a classifier), `film` (a regression modulated by FiLM) and `custom_op` (an op
//! of another crate, on the CPU and on a GPU). `docs/engine.md` follows one op from formula to kernel, shader and
//! checks.
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
