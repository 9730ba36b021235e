//! Writes tables of recordings and reads tables of conditions. [`read`](super::read) reads tables of recordings.

mod arrays;
mod conditions;
mod npz;
mod spool;
mod write;

pub use conditions::read_conditions;
pub use npz::{write_npz, write_npz_rows};
pub use write::{TableLayout, write_recordings, write_rows};
