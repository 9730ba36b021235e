//! The list of formats, and the detection of a file's format.

use super::columns::{FEWEST_NUMBERED, Naming};
use super::delimited::Layout;
use super::format::Format;
use super::{
    SourceFile, abra_csv, eclipse_csv, epl_cfts, ihs_smartep, npz, table, tdt_arf, tdt_biosig_ascii, time_down, wfdb,
};
use crate::error::Error;
use std::borrow::Cow;

/// All formats. The first one that fits a content is used.
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

/// The format of a file's content. If no format fits but the extension belongs to a single format, that format: its
/// error then names the damage.
pub(super) fn detect(source: &SourceFile) -> Option<&'static Format> {
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

/// The names of all formats, for messages.
pub(super) fn names() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join("; ")
}

/// Why a text with samples is no readable table: the header line, the problem and the remedy.
fn unread(head: &[u8]) -> Option<(usize, &'static str, &'static str)> {
    let is_table = |names: &mut dyn Iterator<Item = Cow<str>>| Naming::of(names).is_some();
    // a single `S0` may be a subject
    let capital = |name: &Cow<str>| name.strip_prefix('S').is_some_and(|number| number.parse::<u32>().is_ok());
    let large = Layout::find(head, |names| names.iter().filter(capital).count() >= FEWEST_NUMBERED);
    if let Some(Layout { header_line, .. }) = large {
        return Some((header_line, "the samples are named `S0`, `S1`, …", "name them in small letters: s0, s1, s2, …"));
    }
    let words = |line: Cow<str>| -> Vec<String> {
        line.split_whitespace().map(|word| word.trim_matches('"').to_string()).collect()
    };
    let spaced = Layout::find(head, |names| {
        names.iter().nth(1).is_none() && is_table(&mut names.iter().flat_map(words).map(Cow::from))
    });
    if let Some(Layout { header_line, .. }) = spaced {
        let remedy = "separate them by commas: R writes them so with write.csv, or write.table(…, sep = \",\")";
        return Some((header_line, "spaces separate the names of the columns", remedy));
    }
    let times = Layout::find(head, |names| {
        let numbers = names.iter().filter_map(|name| name.trim_start_matches('X').parse::<f64>().ok());
        let numbers: Vec<f64> = numbers.collect();
        numbers.len() >= FEWEST_NUMBERED && numbers.is_sorted_by(|a, b| a < b)
    });
    times.map(|Layout { header_line, .. }| {
        let remedy = "number the samples (0, 1, 2, …), and give their times with --sample-rate-hz and --t0-ms \
                      (data.sample_rate_hz, data.t0_ms)";
        (header_line, "the columns are named by numbers that do not count samples, such as their times", remedy)
    })
}

/// The error for a named file of no known format.
pub(super) fn unknown(source: &SourceFile) -> Error {
    if source.bytes().is_empty() {
        return source.error("", "the file is empty", "export or copy it again");
    }
    let bytes = source.bytes();
    // a workbook is a zip with these members, or an older container
    let parts = [&b"[Content_Types].xml"[..], b"xl/", b"docProps/", b"application/vnd.oasis"];
    let holds = |part: &[u8]| source.head().windows(part.len()).any(|window| window == part);
    if bytes.starts_with(b"\xd0\xcf\x11\xe0") || (bytes.starts_with(b"PK") && parts.into_iter().any(holds)) {
        let problem = "is not in a format that abr-film reads: it is a workbook of a spreadsheet";
        return source.error("", problem, "save its sheet as CSV, and name that file");
    }
    let cause = matches!(source.extension().as_str(), "csv" | "tsv" | "txt").then(|| unread(source.head())).flatten();
    if let Some((line, problem, remedy)) = cause {
        return source.error("", format!("is not in a format that abr-film reads: in line {line} {problem}"), remedy);
    }
    let remedy = match source.extension().as_str() {
        "dat" => "if these are the samples of a WFDB record, name its header (.hea)".to_string(),
        // pickles from version 2 on begin with this byte, and NumPy pickles object arrays
        _ if bytes.first() == Some(&0x80) || bytes.starts_with(b"\x93NUMPY") => {
            "save it as .npz: the documentation of the reader npz says how; pickles can run any code and are not opened"
                .to_string()
        }
        "csv" | "tsv" | "txt" => format!(
            "a table has one row per recording, and its first line names the columns of the samples s0, s1, s2, … (or \
             0, 1, 2, …); other formats: {}",
            names()
        ),
        _ => format!("these are: {}", names()),
    };
    source.error("", "is not in a format that abr-film reads", remedy)
}
