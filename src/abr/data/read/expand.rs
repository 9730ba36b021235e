//! Expands a list of files, folders and globs to files.

use super::{Notices, epl_cfts, wfdb};
use crate::error::{Error, Result};
use crate::files::is_same;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file, and whether it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    pub path: PathBuf,
    /// True if the user named it; false if a folder or a glob contains it.
    pub named: bool,
}

/// Finds the files behind paths, each once and in the order of their real paths: files themselves, folders recursively
/// (without hidden files and linked folders), and globs (`*`, `?`, `[…]`, `**`). Skips licences, read-me files and
/// companions (the `.dat` of a `.hea`, the `-analyzed` of a recording) that were not named.
///
/// # Errors
/// [`Error::Io`] for a path that does not exist or cannot be listed, [`Error::Usage`] for a glob that is invalid or
/// finds nothing.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<FoundFile>> {
    // keyed by real path, so that nothing is read twice; a named file stays named if a folder contains it too
    let mut found: BTreeMap<PathBuf, FoundFile> = BTreeMap::new();
    let mut add = |path: PathBuf, named: bool| -> Result<()> {
        // a pipe has no canonical path
        let real = match std::fs::canonicalize(&path) {
            Err(_) if path.exists() => path.clone(),
            real => real.map_err(Error::io("read", &path))?,
        };
        found.entry(real).or_insert(FoundFile { path, named }).named |= named;
        Ok(())
    };
    for path in paths {
        if path.is_dir() {
            walk(path, &mut add)?;
        } else if path.exists() {
            add(path.clone(), true)?;
        } else {
            for path in matches(path)? {
                if path.is_dir() { walk(&path, &mut add)? } else { add(path, false)? }
            }
        }
    }
    let samples = sample_files(&found)?;
    let folders: BTreeSet<&Path> =
        found.keys().filter(|path| !is_analyzed(path)).filter_map(|path| path.parent()).collect();
    // a shell's `*` also names the analysed peaks beside their recordings
    let read_with = |real: &PathBuf| is_analyzed(real) && real.parent().is_some_and(|folder| folders.contains(folder));
    let apart = |real: &PathBuf, file: &FoundFile| {
        if file.named { !read_with(real) } else { !(is_beside(&file.path) || samples.contains(real)) }
    };
    // in the order of the real paths, however they were typed
    Ok(found.iter().filter(|(real, file)| apart(real, file)).map(|(_, file)| file.clone()).collect())
}

/// Removes the output file.
///
/// # Errors
/// [`Error::Usage`] if it was named as an input, even through a link.
pub(super) fn without_output(files: Vec<FoundFile>, out: Option<&Path>, notices: &Notices) -> Result<Vec<FoundFile>> {
    let Some(out) = out.filter(|out| out.is_file()) else { return Ok(files) };
    let (same, others): (Vec<FoundFile>, Vec<FoundFile>) = files.into_iter().partition(|f| is_same(&f.path, out));
    for file in same {
        if file.named {
            let problem = format!("--out would replace {}, which is an input", file.path.display());
            return Err(Error::usage(problem, "name another file with --out"));
        }
        notices.push(format!("{}: left out: it is the file that --out replaces", file.path.display()));
    }
    Ok(others)
}

/// Adds all files below a folder, in no particular order.
fn walk(folder: &Path, add: &mut impl FnMut(PathBuf, bool) -> Result<()>) -> Result<()> {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
            let entry = entry.map_err(Error::io("list", &folder))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // the entry's own type: following a link to a folder could loop
            let kind = entry.file_type().map_err(Error::io("read", entry.path()))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if entry.path().is_file() {
                add(entry.path(), false)?;
            }
        }
    }
    Ok(())
}

/// Expands a glob. A path without wildcards that gets here does not exist.
fn matches(pattern: &Path) -> Result<Vec<PathBuf>> {
    let text = pattern.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        std::fs::metadata(pattern).map_err(Error::io("read", pattern))?;
    }
    let unusable =
        |problem: String| Error::usage(problem, "check the path, and quote it if the shell should not expand it");
    let hidden_apart = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let found =
        glob::glob_with(&text, hidden_apart).map_err(|e| unusable(format!("`{text}` is not a valid glob: {e}")))?;
    let found: Vec<PathBuf> = found
        .map(|entry| entry.map_err(|e| Error::io("list", e.path())(e.error().kind().into())))
        .collect::<Result<_>>()?;
    match found.is_empty() {
        true => Err(unusable(format!("`{text}` matches nothing"))),
        false => Ok(found),
    }
}

/// The sample files that the WFDB headers among these files name.
fn sample_files(found: &BTreeMap<PathBuf, FoundFile>) -> Result<BTreeSet<PathBuf>> {
    let mut named = BTreeSet::new();
    for header in found.keys().filter(|path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("hea"))) {
        let content = std::fs::read(header).map_err(Error::io("read", header))?;
        named.extend(wfdb::sample_files(&content).into_iter().map(|name| header.with_file_name(name)));
    }
    Ok(named)
}

/// Whether a file accompanies recordings and holds none.
fn is_beside(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    ["license", "licence", "copying", "notice", "readme", "changelog"].contains(&stem) || is_analyzed(path)
}

/// Whether a file holds analysed peaks of a recording beside it. The two are read together.
fn is_analyzed(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_there = |recording: &str| {
        ["", ".txt", ".TXT"].iter().any(|extension| path.with_file_name(format!("{recording}{extension}")).is_file())
    };
    epl_cfts::analyzed::recording_of(&name, is_there).is_some()
}
