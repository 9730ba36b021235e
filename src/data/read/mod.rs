//! Recordings as the labs' recorders wrote them, one reader a file format, written from the layouts themselves.
//!
//! | format | reader | what it holds |
//! | --- | --- | --- |
//! | IHS SmartEP text export | [`ihs_smartep`] | several averages side by side, with the time before the onset |
//! | TDT BioSig ASCII export | [`tdt_biosig_ascii`] | groups of records in volts |
//! | TDT BioSigRZ and BioSigRP `.arf` | [`tdt_arf`] | the same, binary |
//! | EPL Cochlear Function Test Suite | [`epl_cfts`] | a level series in µV, with the analysed peaks beside it |
//! | ABRA CSV | [`abra_csv`] | a row a recording; written too |
//! | PhysioNet WFDB | [`wfdb`] | signals in steps of a converter, without anything of the stimulus |
//! | NumPy `.npz` | [`npz`] | arrays by name; written too |
//! | Interacoustics Eclipse CSV | [`eclipse_csv`] | a row a recording, without sample rate and time |
//! | the project's own table | [`table`](mod@table) | a row a recording |
//!
//! The format is recognised by what a file begins with; its extension only decides between two that fit. Nothing is assumed:
//! what a file does not say (a sample rate, the time of its first sample, a level) is absent from its [`Recording`]s.
//!
//! A reader allocates no more than a small multiple of its file's size, whatever a header claims, and never panics: a damaged
//! file is refused with its name, the line or byte, what was expected there, and a way out.

pub mod abra_csv;
mod bytes;
pub mod eclipse_csv;
pub mod epl_cfts;
mod expand;
mod formats;
pub mod ihs_smartep;
mod npy;
pub mod npz;
mod source;
mod subjects;
pub mod table;
mod tdt;
pub mod tdt_arf;
pub mod tdt_biosig_ascii;
#[cfg(test)]
mod tests;
mod text;
mod vocabulary;
pub mod wfdb;
mod wide;

pub use expand::{Found, expand};
pub use formats::{FORMATS, Format, is_foreign};
pub use source::Source;

use crate::data::PEAK_COLUMNS;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// One averaged trace and what its file says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The file it came from, as messages and tables name it; no two files have one name.
    pub file: String,
    /// Who was recorded: as the file says, else from the file's name.
    pub subject: String,
    /// In µV.
    pub samples: Vec<f32>,
    /// If the file says it.
    pub sample_rate_hz: Option<f64>,
    /// Time of the first sample relative to the stimulus onset, if the file says it.
    pub t0_ms: Option<f64>,
    /// What else the file says, by these names where they fit: `ear` (`L`, `R`), `channel`, `frequency_hz` (a number or
    /// `click`), `level_db`, `rate_hz`, `n_averages`, `n_artifacts`, `polarity`, `threshold_db`, `record` (its place in the
    /// file). What is not known is absent.
    pub columns: Vec<(String, String)>,
    /// Labels in the order of [`PEAK_COLUMNS`]; NaN where unlabelled.
    pub peaks: [f32; PEAK_COLUMNS.len()],
}

impl Recording {
    /// A trace of which nothing else is known.
    pub fn new(samples: Vec<f32>) -> Self {
        let peaks = [f32::NAN; PEAK_COLUMNS.len()];
        let (file, subject) = Default::default();
        Recording { file, subject, samples, sample_rate_hz: None, t0_ms: None, columns: Vec::new(), peaks }
    }

    /// The value of a column, if the file says it.
    pub fn column(&self, name: &str) -> Option<&str> {
        self.columns.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Adds a column, unless the value is empty.
    fn say(&mut self, name: &str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.columns.push((name.to_string(), value));
        }
    }
}

/// What a reader made of a file.
#[derive(Debug)]
pub enum Reading {
    Recordings {
        recordings: Vec<Recording>,
        /// Who was recorded, from the file's name, where the format has a rule for it.
        subject: Option<String>,
        /// What a user should know beside the recordings.
        notices: Vec<String>,
    },
    /// Intact, but not of the kind that is read here (otoacoustic emissions, say), with the reason.
    NotAbr(String),
}

impl From<Vec<Recording>> for Reading {
    fn from(recordings: Vec<Recording>) -> Self {
        Reading::Recordings { recordings, subject: None, notices: Vec::new() }
    }
}

/// Reads files, folders (with all below them) and globs as one data set, in the order of their names; `progress` is told the
/// number of files done and of all. Beside the recordings come notices: what was skipped, and what to check.
///
/// # Errors
/// [`Error::Io`] for what cannot be read, [`Error::Input`] for a damaged file, for a named one that is not recognised or holds
/// no ABR (in a folder it is skipped, with a notice), and if nothing is found at all.
pub fn read_paths(paths: &[PathBuf], mut progress: impl FnMut(usize, usize)) -> Result<(Vec<Recording>, Vec<String>)> {
    let files = expand(paths)?;
    let (mut read, mut notices, mut skipped) = (subjects::Collected::default(), Vec::new(), Vec::new());
    for (done, file) in files.iter().enumerate() {
        progress(done, files.len());
        // the beginning first: a folder may hold films
        let head = Source::open(&file.path, Some(formats::HEAD))?;
        let Some(format) = formats::recognise(&head) else {
            match file.named {
                true => return Err(formats::unrecognised(&head)),
                false => skipped.push(head.name().to_string()),
            }
            continue;
        };
        let source = Source::open(&file.path, None)?;
        match (format.read)(&source)? {
            Reading::Recordings { recordings, subject, notices } => read.add(&file.path, recordings, subject, notices),
            Reading::NotAbr(reason) if file.named => return Err(not_abr(&source, &reason)),
            Reading::NotAbr(reason) => notices.push(format!("{}: skipped: {reason}", source.name())),
        }
    }
    progress(files.len(), files.len());
    if !skipped.is_empty() {
        notices.push(format!("{} files of no known format were skipped: {}", skipped.len(), skipped.join(", ")));
    }
    let (recordings, more) = read.finish();
    notices.extend(more);
    if recordings.is_empty() {
        return Err(nothing_found(paths, &notices));
    }
    Ok((recordings, notices))
}

/// Reads one file's content from memory, without the files beside it.
///
/// # Errors
/// As [`read_paths`] for a named file.
pub fn read_bytes(name: &str, bytes: Vec<u8>) -> Result<Vec<Recording>> {
    let source = Source::in_memory(name, bytes);
    let format = formats::recognise(&source).ok_or_else(|| formats::unrecognised(&source))?;
    match (format.read)(&source)? {
        Reading::Recordings { recordings, .. } => Ok(recordings),
        Reading::NotAbr(reason) => Err(not_abr(&source, &reason)),
    }
}

fn nothing_found(paths: &[PathBuf], notices: &[String]) -> Error {
    let names = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let skipped = if notices.is_empty() { String::new() } else { format!(" ({})", notices.join("; ")) };
    let remedy = format!("name files or folders of one of these formats: {}", formats::names());
    Error::input(names, "", format!("no recording was found{skipped}"), remedy)
}

fn not_abr(source: &Source, reason: &str) -> Error {
    source.error("", reason, "leave this file out; name those with averaged auditory brainstem responses")
}
