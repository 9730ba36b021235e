//! The files of the repository.

use crate::root;
use std::path::PathBuf;

/// Every file with this extension under a folder of the repository.
pub fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                None if path.is_dir() => folders.push(path),
                Some(own) if own == extension => found.push(path),
                _ => {}
            }
        }
    }
    found
}
