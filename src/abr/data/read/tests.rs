//! Tests of the readers on small files.

mod arf;
mod encodings;
mod epl;
mod epl_analyzed;
mod formats;
mod npz;
mod other_responses;
mod paths;
mod spreadsheets;
mod subjects;
mod tables;
mod text_exports;
mod time_down;
mod wfdb;
mod wide_tables;

use super::read_bytes;
use crate::error::Error;

/// The error message for a content. It must name the file and a remedy.
fn refusal(name: &str, content: impl Into<Vec<u8>>) -> String {
    let error = read_bytes(name, content.into()).unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
    let message = error.to_string();
    assert!(message.starts_with(name) && message.contains("help: "), "{message}");
    message
}
