//! Opens and reads the files of the user. Every read has a bound: a device or a pipe may never end, and a file may be
//! larger than the memory.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The most bytes of a configuration, or of another text of some pages.
pub const TEXT_BYTES: u64 = 16 << 20;
/// The most bytes of a model, or of recordings that are read at once.
pub const WHOLE_BYTES: u64 = 4 << 30;
/// The most bytes of a table that is read row by row.
pub const TABLE_BYTES: u64 = 64 << 30;
/// The most bytes of a pipe or a device, which are read at once.
pub const STREAM_BYTES: u64 = 256 << 20;

/// A file that is open for reading. To read beyond its bound is an error.
#[derive(Debug)]
pub struct InputFile {
    file: File,
    path: PathBuf,
    /// The length of a regular file; `None` for a pipe or a device.
    length: Option<u64>,
    most: u64,
    left: u64,
}

impl InputFile {
    /// Opens a file that the user names. It may be a link, a pipe or a device; of the last two, at most
    /// 256 MiB are read.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path, most: u64) -> Result<InputFile> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        let length = metadata.is_file().then_some(metadata.len());
        let most = if length.is_some() { most } else { most.min(STREAM_BYTES) };
        Ok(InputFile { file, path: path.to_path_buf(), length, most, left: most })
    }

    /// Opens a file that another file names, in the same folder. `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Input`] for a link out of the folder, and for a pipe, a device or a folder. [`Error::Io`].
    pub fn open_beside(path: &Path, name: &str, most: u64) -> Result<Option<InputFile>> {
        let beside = path.with_file_name(name);
        let real = match fs::canonicalize(&beside) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            real => real.map_err(Error::io("read", &beside))?,
        };
        let folder = real_folder(path)?;
        let refused = |problem: String| Error::input(beside.display(), "", problem, "put the file itself in its place");
        if !real.starts_with(&folder) {
            return Err(refused(format!("it is a link to {}, out of its folder", real.display())));
        }
        // to open a pipe could wait for ever
        if !real.is_file() {
            return Err(refused("it is no regular file".to_string()));
        }
        InputFile::open(&beside, most).map(Some)
    }

    /// Whether it is a regular file, which can be opened again.
    pub fn is_regular(&self) -> bool {
        self.length.is_some()
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// [`Error::Io`], also for a file beyond its bound.
    pub fn read_all(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = match self.length {
            Some(length) if length > self.most => Err(self.too_large()),
            length => bytes
                .try_reserve_exact(length.unwrap_or(0) as usize)
                .map_err(io::Error::from)
                .and_then(|()| self.read_to_end(&mut bytes)),
        };
        read.map_err(Error::io("read", &self.path))?;
        Ok(bytes)
    }

    /// Reads its first `count` bytes, or fewer if it ends before.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read_first(mut self, count: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.by_ref().take(count).read_to_end(&mut bytes).map_err(Error::io("read", &self.path))?;
        Ok(bytes)
    }

    fn too_large(&self) -> io::Error {
        let what = if self.is_regular() { "such a file" } else { "a pipe or a device" };
        let problem = format!("it has more than {} MiB, the most that is read of {what}", self.most >> 20);
        io::Error::new(ErrorKind::FileTooLarge, problem)
    }
}

impl Read for InputFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| self.too_large())?;
        Ok(count)
    }
}

/// Reads a file that the user names, of at most `most` bytes.
///
/// # Errors
/// [`Error::Io`], also for a file beyond this bound.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    InputFile::open(path, most)?.read_all()
}

/// The real path of the folder of a file.
fn real_folder(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::canonicalize(folder).map_err(Error::io("read", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, [7; 1 << 20]).unwrap();
        assert_eq!(read(&path, 1 << 20).unwrap().len(), 1 << 20);
        let error = read(&path, (1 << 20) - 1).unwrap_err();
        assert!(error.to_string().contains("/a: cannot read: it has more than 0 MiB"), "{error}");
        assert!(error.to_string().contains("help: name a smaller file"), "{error}");
        let open = |most| InputFile::open(&path, most).unwrap();
        assert_eq!(open(TEXT_BYTES).read_first(5).unwrap(), [7; 5]);
        assert_eq!(io::copy(&mut open(100), &mut io::sink()).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_endless_device_ends_at_a_bound() {
        let error = read(Path::new("/dev/zero"), TEXT_BYTES).unwrap_err();
        let problem = "/dev/zero: cannot read: it has more than 16 MiB, the most that is read of a pipe or a device";
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!(InputFile::open(Path::new("/dev/zero"), WHOLE_BYTES).unwrap().most, STREAM_BYTES);
        assert!(read(Path::new("/dev/null"), TEXT_BYTES).unwrap().is_empty());
    }
}
