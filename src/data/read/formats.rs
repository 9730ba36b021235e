//! The list of formats, and which of them a file is.

use super::{
    Reading, Source, Stream, abra_csv, eclipse_csv, epl_cfts, ihs_smartep, npz, table, tdt_arf, tdt_biosig_ascii,
    time_down, wfdb,
};
use crate::error::{Error, Result};

/// One file format; each stands in the file of its reader.
pub struct Format {
    pub name: &'static str,
    /// Decides where a content fits two formats, and names the format of a file whose beginning is damaged.
    pub extensions: &'static [&'static str],
    /// Files that are read with one of this format, not by themselves: `*` is its name.
    pub companions: &'static [&'static str],
    /// What a user should know, for the documentation.
    pub about: &'static str,
    /// Whether a file that begins so is of this format.
    pub detect: fn(&[u8]) -> bool,
    pub read: ReadFn,
    /// Small files of this format for the tests, in `tests/fixtures/formats`.
    pub samples: &'static [&'static str],
}

/// How a format is read.
pub enum ReadFn {
    /// At once, from all of its content.
    Whole(fn(&Source) -> Result<Reading>),
    /// Row by row, from the beginning of its content.
    Rows(fn(Source) -> Result<Stream>),
}

/// All formats that are read; of several that fit a content, the first is taken.
pub const FORMATS: &[Format] = &[
    ihs_smartep::FORMAT,
    tdt_biosig_ascii::FORMAT,
    tdt_arf::FORMAT,
    epl_cfts::FORMAT,
    epl_cfts::ANALYZED,
    wfdb::FORMAT,
    npz::FORMAT,
    abra_csv::FORMAT,
    eclipse_csv::FORMAT,
    table::FORMAT,
    time_down::FORMAT,
];

/// The format of a file's content; for a content that fits none, that of an extension which belongs to one alone, so that the
/// error names what is damaged.
pub(super) fn detect(source: &Source) -> Option<&'static Format> {
    let extension = source.extension();
    let named = |format: &Format| format.extensions.contains(&extension.as_str());
    let mut fitting = FORMATS.iter().filter(|format| (format.detect)(source.head()));
    let first = fitting.next();
    match (first, fitting.find(|format| named(format))) {
        (Some(first), Some(other)) if !named(first) => Some(other),
        (None, _) => {
            let mut with_extension = FORMATS.iter().filter(|format| named(format));
            with_extension.next().filter(|format| {
                with_extension.next().is_none() && !extension.is_empty() && *format.extensions == [extension.as_str()]
            })
        }
        _ => first,
    }
}

/// What is read, for messages.
pub(super) fn names() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join("; ")
}

/// The error for a named file of no known format.
pub(super) fn unknown(source: &Source) -> Error {
    if source.bytes().is_empty() {
        return source.error("", "the file is empty", "export or copy it again");
    }
    let bytes = source.bytes();
    let remedy = match source.extension().as_str() {
        "dat" => "if these are the samples of a WFDB record, name its header (.hea)".to_string(),
        // pickles since version 2 begin so, and NumPy pickles object arrays
        _ if bytes.first() == Some(&0x80) || bytes.starts_with(b"\x93NUMPY") => {
            "save it as .npz: the documentation of the reader npz says how; pickles can run any code and are not opened"
                .to_string()
        }
        "csv" | "tsv" | "txt" => format!(
            "a table has one row per recording, and its first line names the columns of the samples s0, s1, s2, … (or 0, 1, 2, \
             …); other formats: {}",
            names()
        ),
        _ => format!("these are: {}", names()),
    };
    source.error("", "is of no format that is read here", remedy)
}
