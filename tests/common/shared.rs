//! Recordings that are not part of the repository. `ABR_FILM_SHARED` names their folder, by default `../shared` beside
//! the repository. Without it, tests print SKIPPED and pass; with `ABR_FILM_REQUIRE_SHARED=1` they fail.

use crate::skipped::skipped;
use std::path::PathBuf;

const FOLDER: &str = "ABR_FILM_SHARED";
const REQUIRED: &str = "ABR_FILM_REQUIRE_SHARED";

/// The shared folder of this name; `None`, with a message, if it does not exist and is not required.
pub fn shared(name: &str) -> Option<PathBuf> {
    let beside = || crate::root().join("../shared");
    let folder = std::env::var_os(FOLDER).map_or_else(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let absent = format!("{} is not there ({FOLDER} names another place)", folder.display());
    assert!(std::env::var(REQUIRED).map_or(true, |value| value != "1"), "{REQUIRED}=1: {absent}");
    skipped(absent);
    None
}
