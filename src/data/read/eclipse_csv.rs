//! A wide table as an Interacoustics Eclipse export gives: CSV (with commas, semicolons or tabs), a row a recording.
//!
//! | column | what |
//! | --- | --- |
//! | any names | what is known of the recording; subject, ear, stimulus, level, rate, sweeps are understood, others kept as they are |
//! | `1`, `2`, … `467` | the samples in µV |
//!
//! Neither sample rate nor the time of the first sample is said (unless columns `sample_rate_hz` and `t0_ms` were added): they
//! must be given. Where semicolons separate the cells, commas are decimal points.

use super::{Reading, Source, text, wide};
use crate::error::Result;

/// Fewer numbered columns than these are no recording.
const FEWEST: usize = 16;

/// Whether a file begins so.
pub fn recognise(head: &[u8]) -> bool {
    let head = text::decode(head);
    // a table with a column `0` numbers its samples from there
    wide::Header::find(&head, 0).is_none()
        && wide::Header::find(&head, 1).is_some_and(|header| header.sample_columns() >= FEWEST)
}

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line that is not as above.
pub fn read(source: &Source) -> Result<Reading> {
    let text = text::decode(source.bytes());
    let Some(header) = wide::Header::find(&text, 1) else {
        return Err(source.line(1, "there is no column `1`, the first sample"));
    };
    Ok(wide::read(source, &text, &header)?.into())
}
