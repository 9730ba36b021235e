//! Recordings of many files as one data set: which file, and who.

use super::{Recording, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the files read so far hold.
#[derive(Default)]
pub struct Collected {
    files: Vec<File>,
    notices: Vec<String>,
}

struct File {
    path: PathBuf,
    recordings: Vec<Recording>,
    /// Who was recorded where the file does not say it.
    subject: String,
}

impl Collected {
    /// Takes in a file's recordings.
    pub fn add(&mut self, path: &Path, recordings: Vec<Recording>, subject: Option<String>, notices: Vec<String>) {
        self.notices.extend(notices.into_iter().map(|notice| format!("{}: {notice}", path.display())));
        let stem = || Source::in_memory(&path.to_string_lossy(), Vec::new()).stem();
        let subject = subject.unwrap_or_else(|| without_level(&stem()).to_string());
        self.files.push(File { path: path.to_path_buf(), recordings, subject });
    }

    /// All recordings, each with the name of its file and of its subject, and what is to be said of them.
    pub fn finish(mut self) -> (Vec<Recording>, Vec<String>) {
        let names = distinct(self.files.iter().map(|file| (file_name(&file.path), file.path.as_path())));
        // one name in two folders is two subjects; two files of one name in one folder are one
        let unnamed = |file: &&File| file.recordings.iter().any(|r| r.subject.is_empty());
        let guessed: Vec<(String, PathBuf)> = self.files.iter().filter(unnamed).map(folder_of_subject).collect();
        let folders: BTreeSet<(String, PathBuf)> = guessed.iter().cloned().collect();
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for (subject, _) in &folders {
            *count.entry(subject).or_default() += 1;
        }
        let said: BTreeSet<String> = self.files.iter().flat_map(|f| &f.recordings).map(|r| r.subject.clone()).collect();
        for (file, name) in self.files.iter_mut().zip(names) {
            let (subject, folder) = folder_of_subject(file);
            let alone = count.get(subject.as_str()).is_none_or(|&n| n == 1) && !said.contains(&subject);
            let guess = if alone { subject } else { folder.join(&subject).display().to_string() };
            for recording in &mut file.recordings {
                recording.file.clone_from(&name);
                if recording.subject.is_empty() {
                    recording.subject.clone_from(&guess);
                }
            }
        }
        if !guessed.is_empty() {
            self.notices.push(format!(
                "{} of {} files do not say who was recorded: subject_id comes from their names; check it before a split",
                guessed.len(),
                self.files.len()
            ));
        }
        self.notices.extend(shared(&self.files));
        (self.files.into_iter().flat_map(|file| file.recordings).collect(), self.notices)
    }
}

fn folder_of_subject(file: &File) -> (String, PathBuf) {
    (file.subject.clone(), file.path.parent().unwrap_or(Path::new("")).to_path_buf())
}

/// Says which subjects are named alike in several folders, and so taken as one.
fn shared(files: &[File]) -> Vec<String> {
    let mut folders: BTreeMap<&str, BTreeSet<&Path>> = BTreeMap::new();
    for file in files {
        for recording in &file.recordings {
            folders.entry(&recording.subject).or_default().extend(file.path.parent());
        }
    }
    let twice = folders.into_iter().filter(|(_, folders)| folders.len() > 1);
    let names: Vec<String> = twice.map(|(subject, folders)| format!("{subject} ({})", folders.len())).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![format!("files in several folders name the same subject, which is taken as one: {}", names.join(", "))]
}

/// A name for each file: its own, or its path where two have one name.
fn distinct<'a>(files: impl Iterator<Item = (String, &'a Path)> + Clone) -> Vec<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for (name, _) in files.clone() {
        *count.entry(name).or_default() += 1;
    }
    files.map(|(name, path)| if count[&name] == 1 { name } else { path.display().to_string() }).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A name without the level at its end: `TEMP-08-60db` and `TEMP-08-20db` are one subject, who must not stand in two splits.
fn without_level(stem: &str) -> &str {
    let Some(rest) = strip_suffix_ignoring_case(stem, "db") else { return stem };
    let rest = rest.trim_end_matches([' ', '_']);
    let shorter = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let trimmed = shorter.trim_end_matches(['-', '_', ' ', '.']);
    if shorter.len() == rest.len() || trimmed.is_empty() { stem } else { trimmed }
}

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let split = text.len().checked_sub(suffix.len())?;
    let (rest, end) = (text.get(..split)?, text.get(split..)?);
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_no_part_of_a_subject() {
        for (stem, subject) in [
            ("TEMP-08-60db", "TEMP-08"),
            ("TEMP-08-60dB", "TEMP-08"),
            ("m3_90_dB", "m3"),
            ("60dB", "60dB"),
            ("wt-01", "wt-01"),
            ("üdb", "üdb"),
            ("b", "b"),
        ] {
            assert_eq!(without_level(stem), subject, "{stem}");
        }
    }

    fn recording(subject: &str) -> Vec<Recording> {
        vec![Recording { subject: subject.to_string(), ..Recording::new(vec![0.0]) }]
    }

    #[test]
    fn files_are_distinct_and_so_are_subjects_guessed_in_two_folders() {
        let mut read = Collected::default();
        for path in ["a/x-20dB.txt", "a/x-60dB.txt", "b/x-20dB.txt", "b/y.txt"] {
            read.add(Path::new(path), recording(""), None, Vec::new());
        }
        read.add(Path::new("c/z.txt"), recording("said"), None, Vec::new());
        read.add(Path::new("d/zz.txt"), recording("said"), None, Vec::new());
        let (recordings, notices) = read.finish();
        let files: Vec<&str> = recordings.iter().map(|r| r.file.as_str()).collect();
        assert_eq!(files, ["a/x-20dB.txt", "x-60dB.txt", "b/x-20dB.txt", "y.txt", "z.txt", "zz.txt"]);
        let subjects: Vec<&str> = recordings.iter().map(|r| r.subject.as_str()).collect();
        assert_eq!(subjects, ["a/x", "a/x", "b/x", "y", "said", "said"]);
        assert!(notices[0].starts_with("4 of 6 files"), "{notices:?}");
        assert!(notices[1].ends_with("taken as one: said (2)"), "{notices:?}");
    }
}
