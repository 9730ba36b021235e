//! A run that another one replaces: it stays aside until the new run has a checkpoint.

use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the replaced run, within the run folder.
pub(super) const REPLACED: &str = "replaced";

/// Moves the files of a run, which are somewhere in `run`, aside.
pub(super) fn set_aside(run: &Path, files: &[PathBuf]) -> Result<()> {
    for file in files {
        let to = run.join(REPLACED).join(file.strip_prefix(run).expect("a file of the run"));
        let folder = to.parent().expect("within a folder");
        fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
        fs::rename(file, &to).map_err(Error::io("move aside", file))?;
    }
    Ok(())
}

/// Removes these files, and the folders that are then empty.
pub(super) fn remove(files: &[PathBuf], folders: impl IntoIterator<Item = PathBuf>) -> Result<()> {
    for file in files {
        fs::remove_file(file).map_err(Error::io("remove", file))?;
    }
    // a folder that holds something else stays
    folders.into_iter().for_each(|folder| _ = fs::remove_dir(folder));
    Ok(())
}
