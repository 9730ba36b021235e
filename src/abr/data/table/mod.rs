//! Writes tables of recordings and reads tables of conditions. [`read`](super::read) reads tables of recordings.

mod conditions;
mod write;

pub use conditions::read_conditions;
pub use write::write_recordings;
