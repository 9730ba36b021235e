//! Readers of recordings, one per file format of the labs' recorders, written from the layouts of the files.
//!
//! [`FORMATS`] lists the readers.
//!
//! The beginning of a file determines its format; the extension only decides if two formats fit. Readers assume
//! nothing: what a file does not state (a sample rate, the time of the first sample, a level) is absent from its
//! [`Recording`]s.
//!
//! A reader allocates no more than a small multiple of its file's size, whatever a header claims, and never panics. It
//! refuses a damaged file with the file's name, the line or byte, the expected content, and a remedy.

pub mod abra_csv;
mod bytes;
mod columns;
pub mod delimited;
pub mod eclipse_csv;
pub mod epl_cfts;
mod expand;
mod format;
mod formats;
pub mod ihs_smartep;
pub(super) mod npy;
pub mod npz;
mod rows;
mod source;
mod subjects;
pub mod table;
mod tdt;
pub mod tdt_arf;
pub mod tdt_biosig_ascii;
#[cfg(test)]
mod tests;
mod text;
pub mod time_down;
mod units;
mod vocabulary;
pub mod wfdb;

pub(super) use columns::{names_subject, own_name};
pub use delimited::is_missing;
pub(super) use delimited::without_comma;
pub use expand::{FoundFile, expand};
pub use format::{Format, ReadFn};
pub use formats::FORMATS;
pub use source::SourceFile;
pub use subjects::SubjectFrom;
pub(super) use subjects::tidy as tidy_subject;
pub(super) use text::MAX_SAMPLE_UV;

use super::recording::Faulty;
pub use super::recording::Recording;
use crate::error::{Error, Result};
use crate::text::utf_16;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// The result of reading a file.
#[derive(Debug)]
pub enum ReadOutcome {
    Recordings {
        recordings: Vec<Recording>,
        /// The subject from the file's name, if the format has a rule for it.
        subject: Option<String>,
        /// Notices for the user.
        notices: Vec<String>,
    },
    /// The file is intact but holds no ABRs (otoacoustic emissions, for example), with the reason.
    NotAbr(String),
}

impl From<Vec<Recording>> for ReadOutcome {
    fn from(recordings: Vec<Recording>) -> Self {
        ReadOutcome::Recordings { recordings, subject: None, notices: Vec::new() }
    }
}

/// Rows, read lazily.
pub type RecordingIter = Box<dyn Iterator<Item = Result<Recording, Faulty>>>;

/// A table, read row by row.
pub struct TableStream {
    pub rows: RecordingIter,
    /// Whether the table has a subject column. An empty cell there is then a missing name.
    pub names_subjects: bool,
    /// Complete after the last row.
    pub notices: Notices,
    /// Complete after the last row.
    pub at_end: AtEnd,
}

/// Findings that need all rows of a table.
#[derive(Default)]
pub struct TableFindings {
    /// Why the table holds no ABRs; `None` if it does.
    pub not_abr: Option<String>,
    /// Why the subject column may be wrong; `None` without doubt.
    pub doubt: Option<String>,
}

/// Findings that are complete after the last row.
pub type AtEnd = Rc<RefCell<TableFindings>>;

/// Notices for the user, which may still be added while recordings are read.
#[derive(Clone, Default)]
pub struct Notices(Rc<RefCell<Vec<String>>>);

impl Notices {
    /// Adds a notice.
    pub fn push(&self, notice: String) {
        self.0.borrow_mut().push(notice);
    }

    /// Takes out the notices added so far.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Options for reading a set of files.
#[derive(Default)]
pub struct Options<'a> {
    /// The output file: an error if named as an input, skipped if a folder or a glob contains it.
    pub out: Option<&'a Path>,
    /// Subjects by the path of each file.
    pub subject_from: Option<&'a SubjectFrom>,
    /// Whether the user names the subjects in another way, so that notices about guesses are unnecessary.
    pub subject_given: bool,
}

impl Options<'_> {
    /// Whether the user names the subjects.
    fn names_subjects(&self) -> bool {
        self.subject_from.is_some() || self.subject_given
    }
}

/// Iterates over the recordings of a set in the order of their files. Each has its row number and its subject.
pub struct Recordings {
    /// The name of the set in messages.
    pub source: String,
    /// Whether all rows have the same columns, as in a single table.
    pub uniform: bool,
    /// Notices about skipped files and doubtful values; complete after the last recording.
    pub notices: Notices,
    rows: RecordingIter,
    row: usize,
}

impl Recordings {
    /// A set of `rows`, numbered from 1.
    pub fn new(source: &str, uniform: bool, notices: Notices, rows: RecordingIter) -> Self {
        Recordings { source: source.to_string(), uniform, notices, rows, row: 0 }
    }

    /// The next row, even if it cannot be used. An empty set gives an error, once.
    pub fn next_row(&mut self) -> Option<Result<Recording, Faulty>> {
        let next = self.rows.next();
        self.row += 1;
        match next {
            Some(Ok(recording)) => Some(Ok(Recording { row: self.row, ..recording })),
            Some(Err(Faulty { error, column, recording })) => {
                let recording = recording.map(|recording| Box::new(Recording { row: self.row, ..*recording }));
                Some(Err(Faulty { error, column, recording }))
            }
            None => (self.row == 1).then(|| Err(nothing_found(&self.source, &self.notices.take()).into())),
        }
    }
}

impl Iterator for Recordings {
    type Item = Result<Recording>;

    fn next(&mut self) -> Option<Result<Recording>> {
        self.next_row().map(|row| row.map_err(|faulty| *faulty.error))
    }
}

/// Opens files, folders (recursively) and globs as one data set, in the order of their names. `progress` receives the
/// number of files read and the number of all.
///
/// A single named table is read row by row during iteration; everything else is read at once.
///
/// # Errors
/// [`Error::Io`] for an unreadable file. [`Error::Input`] for a damaged file, and for a named file of unknown format or
/// without ABRs (in a folder it is skipped with a notice). [`Error::Usage`] if the output is among the inputs. A set
/// without recordings gives an error as its first item.
pub fn read_paths(paths: &[PathBuf], options: &Options, mut progress: impl FnMut(usize, usize)) -> Result<Recordings> {
    let notices = Notices::default();
    let files = expand::without_output(expand(paths, &notices)?, options.out, &notices)?;
    let source = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    // a pipe can be opened only once
    let mut opened = None;
    if let [FoundFile { path, named: true }] = &files[..] {
        let head = opened.insert(SourceFile::open_head(path)?);
        if let Some(rows) = open_rows(head.clone(), options, &notices)? {
            return Ok(Recordings::new(&source, true, notices, rows));
        }
    }
    let (mut read, mut skipped, mut tables) = (subjects::CollectedFiles::default(), Vec::new(), Vec::new());
    // faults by row number in the set, from 0
    let (mut rows, mut faults) = (0, BTreeMap::new());
    for (done, file) in files.iter().enumerate() {
        progress(done, files.len());
        let content = match read_found(file, opened.take(), options) {
            // another program may remove what a folder contains
            Err(Error::Io { source, .. }) if !file.named && source.kind() == std::io::ErrorKind::NotFound => {
                notices.push(format!("{}: left out: it was removed meanwhile", file.path.display()));
                continue;
            }
            content => content?,
        };
        match content {
            None => skipped.push(file.path.display().to_string()),
            Some((is_table, (ReadOutcome::Recordings { recordings, subject, notices }, guess, of_file))) => {
                faults.extend(of_file.into_iter().map(|(row, fault)| (rows + row, fault)));
                rows += recordings.len();
                tables.push(is_table);
                read.add(&file.path, recordings, subject, notices, guess);
            }
            Some((_, (ReadOutcome::NotAbr(reason), ..))) => {
                notices.push(format!("{}: skipped: {reason}", file.path.display()));
            }
        }
    }
    progress(files.len(), files.len());
    if !skipped.is_empty() {
        notices.push(format!("{} files of no known format were skipped: {}", skipped.len(), skipped.join(", ")));
    }
    let recordings = read.finish(options, &notices)?;
    // a single table in a folder counts like a named table
    let uniform = tables == [true];
    let rows = recordings.into_iter().enumerate().map(move |(row, recording)| match faults.remove(&row) {
        Some((error, column)) => Err(Faulty { error, column, recording: Some(Box::new(recording)) }),
        None => Ok(recording),
    });
    Ok(Recordings::new(&source, uniform, notices, Box::new(rows)))
}

/// Reads all recordings of files, folders and globs. Also returns the notices.
///
/// # Errors
/// As [`read_paths`], and for a set without any recording.
pub fn read_all(paths: &[PathBuf]) -> Result<(Vec<Recording>, Vec<String>)> {
    let mut recordings = read_paths(paths, &Options::default(), |_, _| {})?;
    let all = recordings.by_ref().collect::<Result<_>>()?;
    Ok((all, recordings.notices.take()))
}

/// Opens a table's rows, with subjects; `None` if the file is no table.
fn open_rows(head: SourceFile, options: &Options, notices: &Notices) -> Result<Option<RecordingIter>> {
    let Some(Format { read: ReadFn::Rows(open), .. }) = formats::detect(&head) else { return Ok(None) };
    let path = head.path().to_path_buf();
    let TableStream { mut rows, names_subjects, notices: of_table, at_end } = open(head)?;
    let mut who = subjects::OfFile::new(&path, names_subjects, options)?;
    let given = options.names_subjects();
    let notices = notices.clone();
    let named = std::iter::from_fn(move || match rows.next() {
        Some(Ok(recording)) => Some(Ok(who.name(recording))),
        Some(Err(Faulty { error, column, recording })) => {
            Some(Err(Faulty { error, column, recording: recording.map(|recording| Box::new(who.name(*recording))) }))
        }
        None => {
            let TableFindings { not_abr: reason, doubt } = at_end.take();
            let doubt = doubt.filter(|_| !given);
            of_table.take().into_iter().chain(doubt).chain(who.notice()).for_each(|notice| notices.push(notice));
            reason.map(|reason| Err(not_abr(&path, &reason).into()))
        }
    });
    Ok(Some(Box::new(named)))
}

/// The unusable rows of a file, with their number from 0. A filter may still drop them.
type Faults = Vec<(usize, (Box<Error>, Option<Arc<str>>))>;

/// A whole file, whether a missing subject may be guessed, and the faults of its rows.
type FileContent = (ReadOutcome, bool, Faults);

/// Reads a file of a set, and says whether it is a table; `None` if its format is unknown. Recordings that the user
/// named must be there.
fn read_found(file: &FoundFile, opened: Option<SourceFile>, options: &Options) -> Result<Option<(bool, FileContent)>> {
    // reads only the beginning first: a folder may hold large files of other kinds
    let head = opened.map_or_else(|| SourceFile::open_head(&file.path), Ok)?;
    let Some(format) = formats::detect(&head) else {
        return if file.named { Err(formats::unknown(&head)) } else { Ok(None) };
    };
    match read_file(format, head, options)? {
        (ReadOutcome::NotAbr(reason), ..) if file.named => Err(not_abr(&file.path, &reason)),
        content => Ok(Some((matches!(format.read, ReadFn::Rows(_)), content))),
    }
}

fn read_file(format: &Format, head: SourceFile, options: &Options) -> Result<FileContent> {
    match format.read {
        ReadFn::Whole(read) => {
            let source = head.whole()?;
            if utf_16(source.bytes()).is_some() {
                // invalid UTF-16 is an error here, so that no reader replaces it silently
                source.decoded()?;
            }
            Ok((read(&source)?, true, Faults::new()))
        }
        ReadFn::Rows(open) => {
            let stream = open(head)?;
            let (mut recordings, mut faults) = (Vec::new(), Faults::new());
            for row in stream.rows {
                match row {
                    Ok(recording) => recordings.push(recording),
                    Err(Faulty { error, column, recording: Some(recording) }) => {
                        faults.push((recordings.len(), (error, column)));
                        recordings.push(*recording);
                    }
                    Err(Faulty { error, .. }) => return Err(*error),
                }
            }
            let TableFindings { not_abr, doubt } = stream.at_end.take();
            if let Some(reason) = not_abr {
                return Ok((ReadOutcome::NotAbr(reason), false, faults));
            }
            let doubt = doubt.filter(|_| !options.names_subjects());
            let notices = stream.notices.take().into_iter().chain(doubt).collect();
            Ok((ReadOutcome::Recordings { recordings, subject: None, notices }, !stream.names_subjects, faults))
        }
    }
}

/// Opens the content of one file in memory, without companion files.
///
/// # Errors
/// As [`read_paths`] for a named file.
pub fn open_bytes(name: &str, bytes: Vec<u8>) -> Result<Recordings> {
    let (source, notices) = (SourceFile::in_memory(name, bytes), Notices::default());
    let format = formats::detect(&source).ok_or_else(|| formats::unknown(&source))?;
    if let Some(rows) = open_rows(source.clone(), &Options::default(), &notices)? {
        return Ok(Recordings::new(name, true, notices, rows));
    }
    match read_file(format, source, &Options::default())?.0 {
        ReadOutcome::Recordings { recordings, notices: of_file, .. } => {
            of_file.into_iter().for_each(|notice| notices.push(notice));
            Ok(Recordings::new(name, false, notices, Box::new(recordings.into_iter().map(Ok))))
        }
        ReadOutcome::NotAbr(reason) => Err(not_abr(Path::new(name), &reason)),
    }
}

/// Reads all recordings of one file's content; see [`open_bytes`].
///
/// # Errors
/// As [`read_all`] for a named file.
pub fn read_bytes(name: &str, bytes: Vec<u8>) -> Result<Vec<Recording>> {
    open_bytes(name, bytes)?.collect()
}

fn nothing_found(source: &str, notices: &[String]) -> Error {
    let skipped = if notices.is_empty() { String::new() } else { format!(" ({})", notices.join("; ")) };
    let remedy = format!("give at least one recording, in files of these formats: {}", formats::names());
    Error::input(source, "", format!("no recording was found{skipped}"), remedy)
}

fn not_abr(path: &Path, reason: &str) -> Error {
    let remedy = "leave this file out; name those with averaged auditory brainstem responses";
    Error::input(path.display(), "", reason, remedy)
}
