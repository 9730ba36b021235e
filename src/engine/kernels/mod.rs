//! The loops behind the ops: they read and write views, and know no ops.
//!
//! Work is halved by shape alone, never by the number of threads, and every sum runs in one fixed order. So, on one
//! instruction set, the same input gives the same bits on any number of threads.

pub mod adam;
pub mod gemm;
pub mod map;
pub mod mask;
pub mod reduce;
pub mod select;
pub mod spin;
pub mod split;
pub mod vectorized;
pub mod workspace;
