//! What a reader says about its format.

use super::{ReadOutcome, SourceFile, TableStream};
use crate::error::Result;

/// One file format. The module of its reader defines it.
pub struct Format {
    pub name: &'static str,
    /// Decides between two formats that fit a content, and gives the format of a file with a damaged beginning.
    pub extensions: &'static [&'static str],
    /// Companion files that are read together with a file of this format; `*` stands for its name.
    pub companions: &'static [&'static str],
    /// A description for the documentation.
    pub about: &'static str,
    /// Whether the beginning of a file fits this format.
    pub detect: fn(&[u8]) -> bool,
    pub read: ReadFn,
    /// Small files of this format for the tests, in `tests/fixtures/formats`.
    pub samples: &'static [&'static str],
}

/// The reader function of a format.
pub enum ReadFn {
    /// Reads the whole content at once.
    Whole(fn(&SourceFile) -> Result<ReadOutcome>),
    /// Reads row by row.
    Rows(fn(SourceFile) -> Result<TableStream>),
}
