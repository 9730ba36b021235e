//! The table of formats, and which of them a file is.

use super::{Reading, Source, ihs_smartep, table, tdt_biosig_ascii};
use crate::error::{Error, Result};

/// How much of a file is looked at to recognise it.
const HEAD: usize = 1 << 16;

/// One file format.
pub struct Format {
    pub name: &'static str,
    /// Decides where a content fits two formats, and names the format of a file whose beginning is damaged.
    pub extensions: &'static [&'static str],
    /// Whether a file that begins so is of this format.
    pub recognise: fn(&[u8]) -> bool,
    pub read: fn(&Source) -> Result<Reading>,
}

/// All formats that are read.
pub const FORMATS: &[Format] = &[
    Format {
        name: "IHS SmartEP text export",
        extensions: &["txt", "csv"],
        recognise: ihs_smartep::recognise,
        read: ihs_smartep::read,
    },
    Format {
        name: "TDT BioSig ASCII export",
        extensions: &["txt"],
        recognise: tdt_biosig_ascii::recognise,
        read: tdt_biosig_ascii::read,
    },
    Format {
        name: "abr-film table (CSV with samples s0, s1, …)",
        extensions: &["csv"],
        recognise: table::recognise,
        read: table::read,
    },
];

/// The format of a file's content.
pub(super) fn recognise(source: &Source) -> Option<&'static Format> {
    let head = &source.bytes()[..source.bytes().len().min(HEAD)];
    let extension = source.extension();
    let named = |format: &Format| format.extensions.contains(&extension.as_str());
    let mut fitting = FORMATS.iter().filter(|format| (format.recognise)(head));
    let first = fitting.next();
    match (first, fitting.find(|format| named(format))) {
        (Some(first), Some(other)) if !named(first) => Some(other),
        _ => first,
    }
}

/// What the reader of its format makes of a file; `None` if it is of no known one.
pub(super) fn read(source: &Source) -> Result<Option<Reading>> {
    recognise(source).map(|format| (format.read)(source)).transpose()
}

/// The error for a named file of no known format.
pub(super) fn unrecognised(source: &Source) -> Error {
    let known = FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join("; ");
    if source.bytes().is_empty() {
        return source.error("", "is empty", "export or copy it again");
    }
    source.error("", "is of no format that is read here", format!("these are: {known}"))
}
