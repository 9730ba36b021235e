//! Helpers of the tests and benches.

pub mod allocation;
pub mod bench;
pub mod case;
pub mod each_op;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod margins;
pub mod op_cases;
pub mod ops;
pub mod recording;
pub mod replay;
pub mod samples;
pub mod shared;
pub mod skipped;
pub mod spy;
pub mod tolerance;

use std::path::Path;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
