//! The loops behind the ops: views in, views out. Nothing here knows what an op is.
//!
//! Work is split in halves by shape alone, never by the number of threads, and every sum runs in one fixed order: the
//! same input gives the same bits on any number of threads (of one instruction set).

pub mod adam;
pub mod gemm;
pub mod map;
pub mod mask;
pub mod reduce;
pub mod spin;
pub mod split;
pub mod vectorized;
pub mod workspace;
