//! The engine: tensors, ops, devices, reverse-mode differentiation, layers and the optimizer. It knows numbers and no
//! ABRs, and is usable alone: `--no-default-features`.

pub mod check;
pub mod device;
pub mod dispatch;
pub mod kernels;
pub mod nn;
pub mod op;
pub mod ops;
pub mod prelude;
pub mod rng;
pub mod tape;
pub mod tensor;
