//! Expands a list of files, folders and globs to files.

use super::{Notices, epl_cfts, wfdb};
use crate::error::{Error, Result};
use crate::files::{InputFile, TEXT_BYTES, is_same};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

const WILDCARDS: [char; 3] = ['*', '?', '['];
/// The most names in a notice.
const LISTED: usize = 10;

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
/// A folder or a glob gives only regular files inside: a notice names links that lead out of it, pipes and devices, and
/// what was removed meanwhile. What the user names may be any of these.
///
/// # Errors
/// [`Error::Io`] for a path that does not exist or cannot be listed, [`Error::Usage`] for a glob that is invalid or
/// finds nothing.
pub fn expand(paths: &[PathBuf], notices: &Notices) -> Result<Vec<FoundFile>> {
    let mut found = FoundFiles::default();
    for path in paths {
        if path.is_dir() {
            found.walk(path, &real_or_same(path))?;
        } else if path.exists() {
            found.add_named(path)?;
        } else {
            found.add_matches(path)?;
        }
    }
    found.notices().into_iter().for_each(|notice| notices.push(notice));
    let found = found.files;
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

/// The files found so far, and what was left out.
#[derive(Default)]
struct FoundFiles {
    /// By real path, so that nothing is read twice; a named file stays named if a folder contains it too.
    files: BTreeMap<PathBuf, FoundFile>,
    /// Links that lead out of the folder that was named.
    outside: Vec<String>,
    /// Pipes, devices and sockets.
    irregular: Vec<String>,
    /// What was removed meanwhile, and links to nothing.
    gone: Vec<String>,
}

impl FoundFiles {
    fn add_named(&mut self, path: &Path) -> Result<()> {
        // a pipe has no canonical path
        let real = match std::fs::canonicalize(path) {
            Err(_) if path.exists() => path.to_path_buf(),
            real => real.map_err(Error::io("read", path))?,
        };
        self.add(real, path.to_path_buf(), true);
        Ok(())
    }

    /// Adds a file that a folder or a glob contains, if it is a regular one inside the real folder `root`.
    fn add_inside(&mut self, path: PathBuf, root: &Path) {
        let name = path.display().to_string();
        match std::fs::canonicalize(&path) {
            Err(_) => self.gone.push(name),
            Ok(real) if real.is_dir() => {}
            Ok(real) if !real.starts_with(root) => self.outside.push(name),
            Ok(real) if !real.is_file() => self.irregular.push(name),
            Ok(real) => self.add(real, path, false),
        }
    }

    fn add(&mut self, real: PathBuf, path: PathBuf, named: bool) {
        self.files.entry(real).or_insert(FoundFile { path, named }).named |= named;
    }

    /// Adds all files below a folder, in no particular order.
    fn walk(&mut self, folder: &Path, root: &Path) -> Result<()> {
        let mut folders = vec![folder.to_path_buf()];
        while let Some(inside) = folders.pop() {
            let entries = match std::fs::read_dir(&inside) {
                Err(error) if error.kind() == ErrorKind::NotFound && inside != folder => {
                    self.gone.push(inside.display().to_string());
                    continue;
                }
                entries => entries.map_err(Error::io("list", &inside))?,
            };
            for entry in entries {
                let entry = entry.map_err(Error::io("list", &inside))?;
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                // the entry's own type: following a link to a folder could loop
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => self.add_inside(entry.path(), root),
                }
            }
        }
        Ok(())
    }

    /// Expands a glob. A path without wildcards that gets here does not exist.
    fn add_matches(&mut self, pattern: &Path) -> Result<()> {
        let root = real_or_same(&fixed_part(pattern));
        for path in matches(pattern)? {
            if path.is_dir() { self.walk(&path, &root)? } else { self.add_inside(path, &root) }
        }
        Ok(())
    }

    /// Says what was left out, and why.
    fn notices(&self) -> Vec<String> {
        let all = [
            (&self.outside, "links that lead out of the folder were not followed; to read such a file, name it"),
            (&self.irregular, "pipes and devices in the folder were left out"),
            (&self.gone, "files were left out: they were removed meanwhile, or are links to nothing"),
        ];
        let few = |names: &[String]| {
            let more = if names.len() > LISTED { ", …" } else { "" };
            names[..names.len().min(LISTED)].join(", ") + more
        };
        let left_out = all.into_iter().filter(|(names, _)| !names.is_empty());
        left_out.map(|(names, why)| format!("{} {why}: {}", names.len(), few(names))).collect()
    }
}

/// The real path, or the same one if there is none.
fn real_or_same(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The folder of a glob before its first wildcard.
fn fixed_part(pattern: &Path) -> PathBuf {
    let is_fixed = |part: &Component| !part.as_os_str().to_string_lossy().contains(WILDCARDS);
    let fixed: PathBuf = pattern.components().take_while(is_fixed).collect();
    if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed }
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

/// The paths that a glob matches, one or more.
fn matches(pattern: &Path) -> Result<Vec<PathBuf>> {
    let text = pattern.to_string_lossy();
    if !text.contains(WILDCARDS) {
        std::fs::metadata(pattern).map_err(Error::io("read", pattern))?;
    }
    let unusable =
        |problem: String| Error::usage(problem, "check the path, and quote it if the shell should not expand it");
    let hidden_apart = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let found =
        glob::glob_with(&text, hidden_apart).map_err(|e| unusable(format!("`{text}` is not a valid glob: {e}")))?;
    // a folder that is removed meanwhile has no matches
    let found = found.filter(|entry| !entry.as_ref().is_err_and(|e| e.error().kind() == ErrorKind::NotFound));
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
        // a pipe can be read only once
        if !header.is_file() {
            continue;
        }
        let content = InputFile::open(header, TEXT_BYTES)?.read_first(TEXT_BYTES)?;
        named.extend(wfdb::sample_files(&content).into_iter().map(|name| real_or_same(&header.with_file_name(name))));
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
