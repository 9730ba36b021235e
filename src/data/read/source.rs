//! A file's content, and the errors that name it.

use crate::error::{Error, Result};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
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
    /// Reads a file, or its beginning of so many bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path, beginning: Option<usize>) -> Result<Self> {
        let read = || match beginning {
            None => std::fs::read(path),
            Some(most) => {
                let mut bytes = Vec::new();
                File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        };
        let bytes = read().map_err(Error::io("read", path))?;
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

    /// The content of a file of this name in the same folder, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] if it is there and cannot be read.
    pub fn beside(&self, name: &str) -> Result<Option<Source>> {
        if !self.on_disk {
            return Ok(None);
        }
        match Source::open(&self.path.with_file_name(name), None) {
            Ok(found) => Ok(Some(found)),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of the files in the same folder that begin so, sorted; none for content in memory.
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
            // a name that is no text begins with none
            let name = entry.file_name().into_string().ok().filter(|name| name.starts_with(prefix));
            names.extend(name.filter(|_| entry.path().is_file()));
        }
        names.sort_unstable();
        Ok(names)
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
