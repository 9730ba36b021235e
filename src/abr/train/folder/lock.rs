//! Who writes into a run folder: one process at a time.

use crate::error::{Error, Result};
use crate::files::refuse_link;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

const NAME: &str = ".abr-film.lock";

/// The lock of a run folder: an advisory lock on an open file, which the system frees when the process ends, however it
/// ends. The file names the process, and goes with the lock.
#[derive(Debug)]
pub(super) struct RunLock {
    file: File,
    path: PathBuf,
}

impl RunLock {
    /// Locks an existing folder.
    ///
    /// # Errors
    /// When another process has the lock; the message names it.
    pub fn acquire(folder: &Path) -> Result<RunLock> {
        let path = folder.join(NAME);
        check_kind(&path)?;
        loop {
            let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
            let mut file = opened.map_err(Error::io("write", &path))?;
            match file.try_lock() {
                Ok(()) => (),
                Err(TryLockError::WouldBlock) => return Err(in_use(folder, file)),
                // a file system without locks protects nothing, and is no reason to fail
                Err(TryLockError::Error(error)) if has_no_locks(&error) => (),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
            }
            // whoever had the lock may have removed the file before its end
            if is_in_place(&file, &path) {
                // for messages alone: a full disk is no reason to fail here
                _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                return Ok(RunLock { file, path });
            }
        }
    }

    /// Refuses a folder in which another process writes.
    pub fn check_free(folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        check_kind(&path)?;
        let Ok(file) = File::open(path) else { return Ok(()) };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(in_use(folder, file)),
            _ => Ok(()),
        }
    }

    /// Refuses to go on in a folder that was removed or replaced.
    pub fn check(&self) -> Result<()> {
        if is_in_place(&self.file, &self.path) {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let remedy = "start again, and leave the folder as it is while the run lives";
        Err(Error::input(folder.display(), "", "was removed or replaced while the run wrote into it", remedy))
    }
}

/// Refuses what is no regular file before it is opened: a pipe would wait for a writer.
fn check_kind(path: &Path) -> Result<()> {
    refuse_link(path)?;
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let remedy = "remove it: the lock of a run has this name";
            Err(Error::input(path.display(), "", "is no regular file", remedy))
        }
        _ => Ok(()),
    }
}

/// Whether the error says that this file system has no locks, as that of NFS without its lock service does.
fn has_no_locks(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error()) {
        return true;
    }
    error.kind() == io::ErrorKind::Unsupported
}

/// Whether the path leads to this open file.
fn is_in_place(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(own), Ok(found)) => same_file(&own, &found),
        _ => false,
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if is_in_place(&self.file, &self.path) {
            _ = fs::remove_file(&self.path);
        }
    }
}

fn in_use(folder: &Path, mut file: File) -> Error {
    let mut owner = String::new();
    _ = file.rewind().and_then(|()| (&mut file).take(32).read_to_string(&mut owner));
    let owner = match owner.trim() {
        "" => "another process".to_string(),
        number => format!("process {number}"),
    };
    let remedy = "wait for its end, stop it, or choose another folder (--out)";
    Error::input(folder.display(), "", format!("{owner} is writing a run into it"), remedy)
}

#[cfg(unix)]
fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Elsewhere an open file cannot be removed.
#[cfg(not(unix))]
fn same_file(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let lock = RunLock::acquire(folder.path()).unwrap();
        let own = format!("process {} is writing a run into it", std::process::id());
        for refused in [RunLock::acquire(folder.path()).map(drop), RunLock::check_free(folder.path())] {
            let message = refused.unwrap_err().to_string();
            assert!(message.contains(&own), "{message}");
        }
        drop(lock);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        RunLock::check_free(folder.path()).unwrap();
        // what a process leaves that was killed
        fs::write(folder.path().join(NAME), "1\n").unwrap();
        RunLock::check_free(folder.path()).unwrap();
        RunLock::acquire(folder.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_removed_folder_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        for again in [false, true] {
            fs::create_dir(&run).unwrap();
            let lock = RunLock::acquire(&run).unwrap();
            lock.check().unwrap();
            fs::remove_dir_all(&run).unwrap();
            if again {
                fs::create_dir(&run).unwrap();
                fs::write(run.join(NAME), "").unwrap();
            }
            let message = lock.check().unwrap_err().to_string();
            assert!(message.contains("was removed or replaced"), "{message}");
            drop(lock);
            assert_eq!(run.join(NAME).exists(), again, "the lock of somebody else is removed");
            _ = fs::remove_dir_all(&run);
        }
    }
}
