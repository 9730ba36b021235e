//! Tables that are written, and tables of conditions. Tables of recordings are read by [`read`](super::read).

mod conditions;
mod write;

pub use conditions::read_conditions;
pub use write::write_recordings;
