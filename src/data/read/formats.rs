//! The table of formats, and which of them a file is.

use super::{
    Reading, Source, abra_csv, eclipse_csv, epl_cfts, ihs_smartep, npz, table, tdt_arf, tdt_biosig_ascii, wfdb,
};
use crate::error::{Error, Result};
use std::path::Path;

/// How much of a file is looked at to recognise it.
pub(super) const HEAD: usize = 1 << 16;

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
    Format { name: "TDT BioSig .arf", extensions: &["arf"], recognise: tdt_arf::recognise, read: tdt_arf::read },
    Format {
        name: "EPL Cochlear Function Test Suite text",
        extensions: &["", "txt"],
        recognise: epl_cfts::recognise,
        read: epl_cfts::read,
    },
    Format {
        name: "EPL analysed peaks (beside their recordings)",
        extensions: &["txt"],
        recognise: epl_cfts::recognise_analyzed,
        read: epl_cfts::read_analyzed,
    },
    Format { name: "PhysioNet WFDB (.hea)", extensions: &["hea"], recognise: wfdb::recognise, read: wfdb::read },
    Format { name: "NumPy .npz", extensions: &["npz"], recognise: npz::recognise, read: npz::read },
    Format { name: "ABRA CSV", extensions: &["csv"], recognise: abra_csv::recognise, read: abra_csv::read },
    Format {
        name: "Interacoustics Eclipse CSV (columns 1, 2, …)",
        extensions: &["csv"],
        recognise: eclipse_csv::recognise,
        read: eclipse_csv::read,
    },
    Format { name: table::NAME, extensions: &["csv"], recognise: table::recognise, read: table::read },
];

impl Format {
    /// Whether its extension belongs to no other format, here or elsewhere.
    fn own_extension(&self) -> bool {
        ["arf", "npz", "hea"].iter().any(|own| self.extensions == [*own])
    }
}

/// The format of a file's content; for a content that fits none, that of an extension which belongs to one alone, so that the
/// error names what is damaged.
pub(super) fn recognise(source: &Source) -> Option<&'static Format> {
    let head = &source.bytes()[..source.bytes().len().min(HEAD)];
    let extension = source.extension();
    let named = |format: &Format| format.extensions.contains(&extension.as_str());
    let mut fitting = FORMATS.iter().filter(|format| (format.recognise)(head));
    let first = fitting.next();
    match (first, fitting.find(|format| named(format))) {
        (Some(first), Some(other)) if !named(first) => Some(other),
        (None, _) => FORMATS.iter().find(|format| format.extensions == [extension.as_str()] && format.own_extension()),
        _ => first,
    }
}

/// Whether a path means recorders' files: a folder, a glob, or a file of a known format other than the project's own table.
///
/// # Errors
/// [`Error::Io`].
pub fn is_foreign(path: &Path) -> Result<bool> {
    if !path.is_file() {
        return Ok(path.is_dir() || (!path.exists() && path.to_string_lossy().contains(['*', '?', '['])));
    }
    let format = recognise(&Source::open(path, Some(HEAD))?);
    Ok(format.is_some_and(|format| format.name != table::NAME))
}

/// What is read, for messages.
pub(super) fn names() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join("; ")
}

/// The error for a named file of no known format.
pub(super) fn unrecognised(source: &Source) -> Error {
    if source.bytes().is_empty() {
        return source.error("", "is empty", "export or copy it again");
    }
    let bytes = source.bytes();
    let remedy = match source.extension().as_str() {
        "dat" => "if these are the samples of a WFDB record, name its header (.hea)".to_string(),
        // pickles since version 2 begin so, and NumPy pickles object arrays
        _ if bytes.first() == Some(&0x80) || bytes.starts_with(b"\x93NUMPY") => {
            "save it as .npz: the documentation of the reader npz says how; pickles can run any code and are not opened"
                .to_string()
        }
        _ => format!("these are: {}", names()),
    };
    source.error("", "is of no format that is read here", remedy)
}
