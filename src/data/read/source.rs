//! A file's content, and the errors that name it.

use crate::error::{Error, Result};
use crate::text::{SAVE_AS_UTF_8, decode};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of a file is looked at to detect its format.
pub const HEAD: usize = 1 << 16;

/// A file that is being read.
#[derive(Clone)]
pub struct SourceFile {
    path: PathBuf,
    name: String,
    bytes: Arc<[u8]>,
    /// Whether `bytes` is all of it.
    whole: bool,
    /// Whether files beside it may be read.
    on_disk: bool,
}

impl SourceFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        Ok(SourceFile { whole: true, ..SourceFile::on_disk(path, bytes) })
    }

    /// Reads the beginning of a file. What is no regular file (a pipe) is read whole, as it can be read only once.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_head(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return SourceFile::open(path);
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(Error::io("read", path))?;
        file.take(HEAD as u64).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        Ok(SourceFile { whole: bytes.len() < HEAD, ..SourceFile::on_disk(path, bytes) })
    }

    fn on_disk(path: &Path, bytes: Vec<u8>) -> Self {
        SourceFile {
            path: path.to_path_buf(),
            name: path.display().to_string(),
            bytes: bytes.into(),
            whole: false,
            on_disk: true,
        }
    }

    /// Content without a file, and so without any beside it.
    pub fn in_memory(name: &str, bytes: Vec<u8>) -> Self {
        SourceFile { whole: true, on_disk: false, ..SourceFile::on_disk(Path::new(name), bytes) }
    }

    /// The same file with all of its content.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn whole(self) -> Result<Self> {
        if self.whole { Ok(self) } else { SourceFile::open(&self.path) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its content, as far as it was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The beginning of its content.
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(HEAD)]
    }

    /// Its content from the beginning, read bit by bit.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn reader(&self) -> Result<Box<dyn Read>> {
        Ok(match self.whole {
            true => Box::new(Cursor::new(self.bytes.clone())),
            false => Box::new(File::open(&self.path).map_err(self.unreadable())?),
        })
    }

    /// All of its text, whatever its encoding (see [`text::decode`](crate::text::decode)).
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] for text that is not in the encoding that it begins with.
    pub fn decoded(&self) -> Result<String> {
        let whole = self.clone().whole()?;
        match decode(whole.bytes()) {
            Ok((text, _)) => Ok(text.into_owned()),
            Err(problem) => Err(self.error("", problem, SAVE_AS_UTF_8)),
        }
    }

    /// The error that reading it failed.
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

    /// The content of a file of this name in the same folder, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] if it is there and cannot be read.
    pub fn beside(&self, name: &str) -> Result<Option<SourceFile>> {
        if !self.on_disk {
            return Ok(None);
        }
        match SourceFile::open(&self.path.with_file_name(name)) {
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
