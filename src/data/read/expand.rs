//! Which files a list of files, folders and globs means.

use super::{Notices, epl_cfts, wfdb};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A file, and how it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    pub path: PathBuf,
    /// Whether it was named itself, not found in a folder or by a glob.
    pub named: bool,
}

/// Finds the files behind paths, in their order and each once: files as they are, folders with all below them (but
/// nothing hidden, and no linked folders), and globs (`*`, `?`, `[…]`, `**`). Licences, read-me files and companions
/// (the `.dat` of a `.hea`, the `-analyzed` of a recording) that were not named themselves are left out.
///
/// # Errors
/// [`Error::Io`] for what does not exist or cannot be listed, [`Error::Usage`] for a glob that is none or finds
/// nothing.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<FoundFile>> {
    // by the real path, so that nothing is read twice: being named outweighs being found
    let mut found: BTreeMap<PathBuf, FoundFile> = BTreeMap::new();
    let mut add = |path: PathBuf, named: bool| -> Result<()> {
        // a pipe has no real path
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
    // a shell's `*` names the analysed peaks beside their recordings too
    let read_with = |real: &PathBuf| is_analyzed(real) && real.parent().is_some_and(|folder| folders.contains(folder));
    let apart = |real: &PathBuf, file: &FoundFile| {
        if file.named { !read_with(real) } else { !(is_beside(&file.path) || samples.contains(real)) }
    };
    // in the order of their real paths, however they were typed
    Ok(found.iter().filter(|(real, file)| apart(real, file)).map(|(_, file)| file.clone()).collect())
}

/// The files without the one that will be written.
///
/// # Errors
/// [`Error::Usage`] if it was named as an input itself, be it through a link.
pub(super) fn without_output(files: Vec<FoundFile>, out: Option<&Path>, notices: &Notices) -> Result<Vec<FoundFile>> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let Some(out) = out.and_then(real).filter(|out| out.is_file()) else { return Ok(files) };
    let (same, others): (Vec<FoundFile>, Vec<FoundFile>) =
        files.into_iter().partition(|f| real(&f.path).as_ref() == Some(&out));
    for file in same {
        if file.named {
            let problem = format!("--out would replace {}, which is read", file.path.display());
            return Err(Error::usage(problem, "name another file with --out"));
        }
        notices.push(format!("{}: left out: it is the file that --out replaces", file.path.display()));
    }
    Ok(others)
}

/// All files below a folder, in no order.
fn walk(folder: &Path, add: &mut impl FnMut(PathBuf, bool) -> Result<()>) -> Result<()> {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
            let entry = entry.map_err(Error::io("list", &folder))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // the entry's own type: a link to a folder could lead round in circles
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

/// What a glob finds; a path without wildcards does not exist.
fn matches(pattern: &Path) -> Result<Vec<PathBuf>> {
    let text = pattern.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        std::fs::metadata(pattern).map_err(Error::io("read", pattern))?;
    }
    let unusable =
        |problem: String| Error::usage(problem, "check the path, and quote it if the shell should not expand it");
    let hidden_apart = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let found = glob::glob_with(&text, hidden_apart).map_err(|e| unusable(format!("`{text}` is no glob: {e}")))?;
    let found: Vec<PathBuf> = found
        .map(|entry| entry.map_err(|e| Error::io("list", e.path())(e.error().kind().into())))
        .collect::<Result<_>>()?;
    match found.is_empty() {
        true => Err(unusable(format!("`{text}` finds nothing"))),
        false => Ok(found),
    }
}

/// The files that the WFDB headers among these name as theirs.
fn sample_files(found: &BTreeMap<PathBuf, FoundFile>) -> Result<BTreeSet<PathBuf>> {
    let mut named = BTreeSet::new();
    for header in found.keys().filter(|path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("hea"))) {
        let content = std::fs::read(header).map_err(Error::io("read", header))?;
        named.extend(wfdb::sample_files(&content).into_iter().map(|name| header.with_file_name(name)));
    }
    Ok(named)
}

/// Whether a file stands beside recordings and holds none of its own.
fn is_beside(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    ["license", "licence", "copying", "notice", "readme", "changelog"].contains(&stem) || is_analyzed(path)
}

/// Whether a file holds the analysed peaks of recordings beside it, with which it is read.
fn is_analyzed(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_there = |recording: &str| {
        ["", ".txt", ".TXT"].iter().any(|extension| path.with_file_name(format!("{recording}{extension}")).is_file())
    };
    epl_cfts::analyzed::recording_of(&name, is_there).is_some()
}
