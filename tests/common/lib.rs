//! Helpers of the tests and benches.

pub mod allocation;
pub mod bench;
#[cfg(feature = "abr")]
pub mod case;
#[cfg(feature = "abr")]
pub mod checkpoint_file;
pub mod documentation;
pub mod each_op;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod margins;
pub mod op_cases;
pub mod ops;
pub mod recording;
#[cfg(feature = "abr")]
pub mod replay;
#[cfg(feature = "abr")]
pub mod samples;
pub mod shared;
pub mod skipped;
pub mod sources;
#[cfg(feature = "abr")]
pub mod spy;
#[cfg(feature = "abr")]
pub mod tolerance;

use std::path::Path;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
