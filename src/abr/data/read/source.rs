//! A file's content, and errors that name the file.

use crate::error::{Error, Result};
use crate::files::{self, InputFile, TABLE_BYTES, WHOLE_BYTES};
use crate::text::{SAVE_AS_UTF_8, decode};
use std::fmt::Display;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The bytes from the beginning of a file that determine its format.
pub const HEAD: usize = 1 << 16;

/// A file that is being read.
#[derive(Clone)]
pub struct SourceFile {
    path: PathBuf,
    name: String,
    bytes: SharedBytes,
    /// Whether `bytes` is the whole content.
    whole: bool,
    /// Whether companion files beside it may be read.
    on_disk: bool,
}

impl SourceFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`], also for a file of more than [`WHOLE_BYTES`].
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = files::read(path, WHOLE_BYTES)?;
        Ok(SourceFile { whole: true, ..SourceFile::on_disk(path, bytes) })
    }

    /// Reads the beginning of a file. A pipe is read whole, because it can be read only once.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_head(path: &Path) -> Result<Self> {
        let file = InputFile::open(path, TABLE_BYTES)?;
        if !file.is_regular() {
            return Ok(SourceFile { whole: true, ..SourceFile::on_disk(path, file.read_all()?) });
        }
        let bytes = file.read_first(HEAD as u64)?;
        Ok(SourceFile { whole: bytes.len() < HEAD, ..SourceFile::on_disk(path, bytes) })
    }

    fn on_disk(path: &Path, bytes: Vec<u8>) -> Self {
        SourceFile {
            path: path.to_path_buf(),
            name: path.display().to_string(),
            bytes: SharedBytes(bytes.into()),
            whole: false,
            on_disk: true,
        }
    }

    /// Content in memory, without companion files.
    pub fn in_memory(name: &str, bytes: Vec<u8>) -> Self {
        SourceFile { whole: true, on_disk: false, ..SourceFile::on_disk(Path::new(name), bytes) }
    }

    /// The same file with its whole content.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn whole(self) -> Result<Self> {
        if self.whole { Ok(self) } else { SourceFile::open(&self.path) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its content, as far as read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes.0
    }

    /// The beginning of its content.
    pub fn head(&self) -> &[u8] {
        &self.bytes()[..self.bytes().len().min(HEAD)]
    }

    /// A reader of its content from the beginning.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn reader(&self) -> Result<Box<dyn Read>> {
        Ok(match self.whole {
            true => Box::new(Cursor::new(self.bytes.clone())),
            false => Box::new(InputFile::open(&self.path, TABLE_BYTES)?),
        })
    }

    /// Its whole text, in any supported encoding (see [`text::decode`](crate::text::decode)).
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] for text that is invalid in the encoding of its beginning.
    pub fn decoded(&self) -> Result<String> {
        let whole = self.clone().whole()?;
        match decode(whole.bytes()) {
            Ok((text, _)) => Ok(text.into_owned()),
            Err(problem) => Err(self.error("", problem, SAVE_AS_UTF_8)),
        }
    }

    /// Makes the error for a failed read.
    pub fn unreadable(&self) -> impl FnOnce(io::Error) -> Error + use<> {
        Error::io("read", self.path.clone())
    }

    /// The file's name without folder.
    pub fn file_name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The file's name without folder and extension.
    pub fn stem(&self) -> String {
        self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The extension in lower case, empty if there is none.
    pub fn extension(&self) -> String {
        self.path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
    }

    /// Opens the file with this name in the same folder, and reads its first `count` bytes, or all of it; `None` if
    /// there is none.
    ///
    /// # Errors
    /// See [`InputFile::open_beside`].
    pub fn beside(&self, name: &str, count: Option<u64>) -> Result<Option<SourceFile>> {
        if !self.on_disk {
            return Ok(None);
        }
        let Some(file) = InputFile::open_beside(&self.path, name, WHOLE_BYTES)? else { return Ok(None) };
        let bytes = match count {
            Some(count) => file.read_first(count),
            None => file.read_all(),
        }?;
        Ok(Some(SourceFile { whole: true, ..SourceFile::on_disk(&self.path.with_file_name(name), bytes) }))
    }

    /// The sorted names in the same folder with this prefix; none for content in memory.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be listed.
    pub fn siblings(&self, prefix: &str) -> Result<Vec<String>> {
        let folder = match self.path.parent() {
            _ if !self.on_disk => return Ok(Vec::new()),
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
            let entry = entry.map_err(Error::io("list", folder))?;
            // a name that is not Unicode has no such prefix
            let name = entry.file_name().into_string().ok().filter(|name| name.starts_with(prefix));
            names.extend(name.filter(|_| entry.path().is_file()));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// An error in this file: the place, the problem and the remedy.
    pub fn error(&self, place: impl Display, problem: impl Display, remedy: impl Display) -> Error {
        Error::input(&self.name, place, problem, remedy)
    }

    /// The error for a line that violates the format.
    pub(super) fn line(&self, line: usize, problem: impl Display) -> Error {
        self.error(format_args!("line {line}"), problem, "the file is damaged or cut short: export it again")
    }

    /// The error for bytes that violate the format, from an offset on.
    pub(super) fn byte(&self, offset: usize, problem: impl Display) -> Error {
        self.error(format_args!("byte {offset}"), problem, "the file is damaged or cut short: copy or save it again")
    }
}

/// Bytes that the copies of a file share.
#[derive(Clone)]
struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
