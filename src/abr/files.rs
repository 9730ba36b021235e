//! Reads files with a bound, and writes them atomically: whole or not at all.

mod input;

pub use input::{InputFile, TABLE_BYTES, TEXT_BYTES, WHOLE_BYTES, read};

use crate::error::{Error, Result};
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// The prefix of temporary files. A killed process may leave one behind where files cannot be written without a name.
pub const TEMPORARY: &str = ".abr-film-";

/// A file that is being written. A pipe cannot be sought.
pub type FileWriter<'a> = BufWriter<&'a File>;

/// Why a file was not written: its content could not be made, or the file could not take it.
#[derive(Debug)]
pub enum WriteError {
    Content(Error),
    File(io::Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        WriteError::Content(error)
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        WriteError::File(error)
    }
}

impl WriteError {
    /// The error for the user; `path` is what was written.
    pub fn at(self, path: &Path) -> Error {
        match self {
            WriteError::Content(error) => error,
            WriteError::File(error) => Error::io("write", path)(error),
        }
    }
}

/// Refuses a path that is a symbolic link, for what must not lead elsewhere.
///
/// # Errors
/// [`Error::Input`] that names the path.
pub fn refuse_link(path: &Path) -> Result<()> {
    if !path.is_symlink() {
        return Ok(());
    }
    let remedy = "remove the link, or put what it leads to in its place";
    Err(Error::input(path.display(), "", "is a symbolic link, and would be written through", remedy))
}

/// Writes a file through `write`: into a file without a name (or with a temporary one) in the same folder, which is
/// flushed to the disk and then renamed. A reader of `path` sees either the old or the complete new content. The new
/// file has the permissions of the old one and, where permitted, its owner. Other than regular files (`/dev/stdout`, a
/// pipe) are written directly. If `path` is a link, its target is replaced, not the link.
///
/// # Errors
/// [`Error::Io`] that names `path`. The old file is then untouched, and no temporary file remains.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    write_made(path, |file| Ok(write(file)?))
}

/// [`write_whole`] of content that is made while it is written.
///
/// # Errors
/// The error of the content, else [`Error::Io`] that names `path`. The old file is then untouched, and no temporary
/// file remains.
pub fn write_made(path: &Path, write: impl FnOnce(&mut FileWriter) -> Result<(), WriteError>) -> Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let written = match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory).into()),
        Ok(found) if !found.is_file() => {
            File::options().write(true).open(path).map_err(WriteError::File).and_then(|file| fill(&file, write))
        }
        found => replace(path, found.ok().as_ref(), write),
    };
    written.map_err(|error| error.at(path))
}

fn fill(file: &File, write: impl FnOnce(&mut FileWriter) -> Result<(), WriteError>) -> Result<(), WriteError> {
    let mut buffer = BufWriter::with_capacity(1 << 16, file);
    write(&mut buffer)?;
    Ok(buffer.flush()?)
}

fn replace(
    path: &Path,
    old: Option<&Metadata>,
    write: impl FnOnce(&mut FileWriter) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let folder = folder_of(path);
    let draft = Draft::new(folder, old)?;
    fill(draft.file(), write)?;
    draft.file().sync_all()?;
    draft.publish(folder, path)?;
    Ok(sync_folder(folder)?)
}

/// The folder that contains a file.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether two paths lead to one existing file: through links, in another spelling or, on Unix, by another of its names
/// (hard links).
pub fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    fn identity(path: &Path) -> Option<impl PartialEq> {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    fn identity(path: &Path) -> Option<impl PartialEq> {
        fs::canonicalize(path).ok()
    }
    identity(a).is_some_and(|a| Some(a) == identity(b))
}

/// Whether a temporary file's writer is gone: while it lives, it holds a lock.
pub fn is_abandoned(file: &Path) -> bool {
    File::open(file).is_ok_and(|file| file.try_lock().is_ok())
}

/// A file that nobody sees yet.
enum Draft {
    /// Without a name: the system removes it with the process, even if that is killed.
    #[cfg(target_os = "linux")]
    Unnamed(File),
    /// With a temporary name.
    Named(NamedTempFile),
}

impl Draft {
    /// `old` is the file that it replaces.
    fn new(folder: &Path, old: Option<&Metadata>) -> io::Result<Draft> {
        #[cfg(target_os = "linux")]
        let unnamed = unnamed::create(folder).map(Draft::Unnamed);
        #[cfg(not(target_os = "linux"))]
        let unnamed = None;
        let draft = match unnamed {
            Some(unnamed) => unnamed,
            None => Draft::Named(temporary(old.is_some()).tempfile_in(folder)?),
        };
        // whoever finds it by a name sees that its writer lives; some file systems have no locks
        _ = draft.file().try_lock();
        #[cfg(unix)]
        if let Some(old) = old {
            keep_access(draft.file(), old)?;
        }
        Ok(draft)
    }

    fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Draft::Unnamed(file) => file,
            Draft::Named(file) => file.as_file(),
        }
    }

    /// Gives it its name, in place of a file that has it.
    fn publish(self, folder: &Path, path: &Path) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Draft::Unnamed(file) => match unnamed::link(&file, path) {
                // only a file with a name can replace another
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    let named = temporary(true).make_in(folder, |name| unnamed::link(&file, name))?;
                    named.persist(path).map_err(|e| e.error)
                }
                linked => linked,
            },
            Draft::Named(file) => file.persist(path).map(drop).map_err(|e| e.error),
        }
    }
}

/// Files without a name (Linux: `O_TMPFILE`).
#[cfg(target_os = "linux")]
mod unnamed {
    use super::{File, Path, io};
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
    use std::os::fd::AsRawFd;

    /// The open files of this process: the way to a file without a name.
    const OPEN_FILES: &str = "/proc/self/fd";

    /// `None` where the file system has no such files, or `/proc` is missing.
    pub fn create(folder: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        // permissions as for any new file, minus the umask
        let file = open(folder, flags, Mode::from_raw_mode(0o666)).ok().map(File::from);
        file.filter(|_| Path::new(OPEN_FILES).is_dir())
    }

    pub fn link(file: &File, path: &Path) -> io::Result<()> {
        let open = format!("{OPEN_FILES}/{}", file.as_raw_fd());
        Ok(linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }
}

/// Makes files with temporary names; `private` ones until they get the permissions of the file that they replace.
fn temporary(private: bool) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // permissions as for any new file, minus the umask; temporary files are private to their owner by default
    #[cfg(unix)]
    if !private {
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    builder
}

/// Gives a file the permissions and, where permitted, the owner of the one that it replaces.
#[cfg(unix)]
fn keep_access(file: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let new = file.metadata()?;
    // only root gives files to other users, but anyone to a group of their own
    let is_kept = (new.uid(), new.gid()) == (old.uid(), old.gid());
    if !is_kept && fchown(file, Some(old.uid()), Some(old.gid())).is_err() {
        let _ = fchown(file, None, Some(old.gid()));
    }
    let mode = old.mode() & 0o777;
    match new.mode() & 0o777 == mode {
        true => Ok(()),
        false => file.set_permissions(fs::Permissions::from_mode(mode)),
    }
}

/// A rename is durable only after its folder is synced.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
