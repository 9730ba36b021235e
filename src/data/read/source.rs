//! A file's content, and the errors that name it.

use crate::error::{Error, Result};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// A file that is being read.
pub struct Source {
    path: PathBuf,
    name: String,
    bytes: Vec<u8>,
    /// Whether files beside it may be read.
    on_disk: bool,
}

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Ok(Source { path: path.to_path_buf(), name: path.display().to_string(), bytes, on_disk: true })
    }

    /// Content without a file, and so without any beside it.
    pub fn in_memory(name: &str, bytes: Vec<u8>) -> Self {
        Source { path: PathBuf::from(name), name: name.to_string(), bytes, on_disk: false }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file's name without folder and extension.
    pub fn stem(&self) -> String {
        self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The extension in lower case, empty if there is none.
    pub fn extension(&self) -> String {
        self.path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
    }

    /// The content of a file of this name in the same folder, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] if it is there and cannot be read.
    pub fn beside(&self, name: &str) -> Result<Option<Source>> {
        if !self.on_disk {
            return Ok(None);
        }
        match Source::open(&self.path.with_file_name(name)) {
            Ok(found) => Ok(Some(found)),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The error that this file is at fault: where, what was found instead of what, and the way out.
    pub fn error(&self, place: impl Display, problem: impl Display, remedy: impl Display) -> Error {
        Error::input(&self.name, place, problem, remedy)
    }

    /// The error that a line is not as its format has it.
    pub(super) fn line(&self, line: usize, problem: impl Display) -> Error {
        self.error(format_args!("line {line}"), problem, "the file is damaged or cut short: export it again")
    }

    /// The error that the bytes from an offset on are not as their format has them.
    pub(super) fn byte(&self, offset: usize, problem: impl Display) -> Error {
        self.error(format_args!("byte {offset}"), problem, "the file is damaged or cut short: copy or save it again")
    }
}
