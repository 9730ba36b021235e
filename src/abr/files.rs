//! Reads files with a bound, and writes them atomically: whole or not at all.

mod input;

pub use input::{InputFile, TABLE_BYTES, TEXT_BYTES, WHOLE_BYTES, read};

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The prefix of temporary files; a killed process may leave one behind.
pub const TEMPORARY: &str = ".abr-film-";

/// Writes a file through `write`: into a temporary file in the same folder, which is flushed to the disk and then
/// renamed. A reader of `path` sees either the old or the complete new content. Other than regular files
/// (`/dev/stdout`, a pipe) are written directly. If `path` is a link, its target is replaced, not the link.
///
/// # Errors
/// [`Error::Io`] that names `path`. The old file is then untouched, and no temporary file remains.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let written = match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(found) if !found.is_file() => {
            File::options().write(true).open(path).and_then(|file| fill(file, write)).map(drop)
        }
        _ => replace(path, write),
    };
    written.map_err(Error::io("write", path))
}

fn fill<F: Write>(file: F, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<F> {
    let mut buffer = BufWriter::with_capacity(1 << 16, file);
    write(&mut buffer)?;
    buffer.into_inner().map_err(io::IntoInnerError::into_error)
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = temporary().tempfile_in(folder)?;
    // some file systems have no locks
    _ = file.as_file().try_lock();
    fill(file.as_file(), write)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

/// Whether a temporary file's writer is gone: while it lives, it holds a lock.
pub fn is_abandoned(file: &Path) -> bool {
    File::open(file).is_ok_and(|file| file.try_lock().is_ok())
}

fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    // permissions as for any new file, minus the umask; temporary files are private to their owner by default
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
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
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn writes_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for text in ["long first text", "second"] {
            write_whole(&path, |w| w.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failing_writer_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::write(&old, "kept").unwrap();
        for path in [&old, &new] {
            let error = write_whole(path, |w| {
                w.write_all(&[b'x'; 1 << 17])?;
                Err(io::ErrorKind::StorageFull.into())
            })
            .unwrap_err();
            let message = error.to_string();
            assert!(message.contains(path.to_str().unwrap()) && message.contains("free some space"), "{message}");
            assert_eq!(error.exit_code(), 1);
        }
        assert_eq!(names(folder.path()), ["old"]);
        assert_eq!(fs::read_to_string(&old).unwrap(), "kept");
    }

    #[test]
    fn a_missing_folder_and_a_folder_as_target_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none/a.txt");
        let message = write_whole(&missing, |_| Ok(())).unwrap_err().to_string();
        assert!(message.contains("none") && message.contains("check the path"), "{message}");
        assert!(write_whole(folder.path(), |_| Ok(())).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn who_has_the_old_file_open_reads_it_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        let reader = File::open(&path).unwrap();
        write_whole(&path, |w| w.write_all(b"new")).unwrap();
        assert_eq!(io::read_to_string(reader).unwrap(), "old");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_usual_permissions_and_a_link_stays_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, usual, link) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("link"));
        write_whole(&path, |w| w.write_all(b"x")).unwrap();
        fs::write(&usual, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&usual));

        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_whole(&link, |w| w.write_all(b"y")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "y");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_to_and_a_full_one_is_an_error() {
        let full = Path::new("/dev/full");
        let error = write_whole(full, |w| w.write_all(b"x")).unwrap_err();
        assert!(error.to_string().contains("/dev/full: cannot write"), "{error}");
        write_whole(Path::new("/dev/null"), |w| w.write_all(b"x")).unwrap();
        for device in [full, Path::new("/dev/null")] {
            assert!(!fs::metadata(device).unwrap().is_file(), "{} is no longer a device", device.display());
        }
    }
}
