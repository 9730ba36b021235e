//! Merges the recordings of many files into one data set, with file names and subjects.
//!
//! Names made from paths depend on where the files are, never on how the user typed their paths.

mod names;

use super::delimited::{Layout, Record, is_missing, trimmed};
use super::{Notices, Options, Recording, SourceFile};
use crate::error::{Error, Result};
use names::without_level;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Assigns subjects by the path of the file.
pub enum SubjectFrom {
    /// A regular expression. Its group `subject`, or else its first group, is the subject. The last match in a path
    /// counts.
    Pattern(Regex),
    /// Ends of paths, with their subjects.
    Table(BTreeMap<String, String>),
}

impl SubjectFrom {
    /// Parses a regular expression with a group, or reads a table with the columns `file` and `subject_id`.
    ///
    /// # Errors
    /// [`Error::Usage`] for an invalid expression or one without a group, [`Error::Input`] for a table without these
    /// columns, [`Error::Io`].
    pub fn parse(argument: &str) -> Result<SubjectFrom> {
        if SubjectFrom::names_a_file(argument) {
            return SubjectFrom::read(Path::new(argument));
        }
        let remedy = "give a regular expression with one group, such as '([^/]+)-[0-9]+dB', or a CSV table with the \
                      columns file and subject_id";
        let unusable = |problem: String| Error::usage(format!("{argument}: {problem}"), remedy);
        let pattern = Regex::new(argument).map_err(|error| unusable(format!("is no regular expression ({error})")))?;
        if pattern.captures_len() < 2 {
            return Err(unusable("has no group in parentheses, and is no file".to_string()));
        }
        Ok(SubjectFrom::Pattern(pattern))
    }

    /// Whether this names a table.
    pub fn names_a_file(argument: &str) -> bool {
        Path::new(argument).is_file()
    }

    /// Whether this is a regular expression with a group, and names no table. Nothing is opened.
    pub fn is_expression(argument: &str) -> bool {
        !SubjectFrom::names_a_file(argument) && Regex::new(argument).is_ok_and(|pattern| pattern.captures_len() > 1)
    }

    fn read(path: &Path) -> Result<SubjectFrom> {
        let source = SourceFile::open(path)?;
        let remedy = "write a CSV table with the columns file and subject_id, one row per file";
        let names = ["file", "subject_id"];
        let layout = Layout::find(source.head(), |cells| names.iter().all(|name| cells.iter().any(|c| c == *name)))
            .ok_or_else(|| source.error("", "there is no column `file` or no column `subject_id`", remedy))?;
        let (mut table, mut record) = (layout.open(&source)?, Record::default());
        table.next(&source, &mut record)?;
        let columns = record.width();
        let [file, subject] = names.map(|name| record.iter().position(|cell| trimmed(cell) == name).unwrap_or(0));
        let mut subjects = BTreeMap::new();
        while let Some(line) = table.next(&source, &mut record)? {
            let unusable = |problem: String| source.error(format_args!("line {line}"), problem, remedy);
            if record.width() != columns {
                return Err(unusable(format!("there are {} cells under {columns} names", record.width())));
            }
            let (name, mut subject) = (trimmed(&record[file]), trimmed(&record[subject]).into_owned());
            tidy(&mut subject);
            if subject.is_empty() || subjects.insert(listed(&name), subject).is_some() {
                return Err(unusable(format!("`{name}` is there twice, or without a subject")));
            }
        }
        Ok(SubjectFrom::Table(subjects))
    }

    /// The subject of a file.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that the expression or the table does not cover.
    fn of(&self, path: &Path) -> Result<String> {
        let parts = real_parts(path);
        let found = match self {
            SubjectFrom::Pattern(pattern) => last_match(pattern, &parts.join("/")),
            // the longest end of the path in the table
            SubjectFrom::Table(names) => (0..parts.len()).find_map(|i| names.get(&parts[i..].join("/")).cloned()),
        };
        found.filter(|name| !name.is_empty()).ok_or_else(|| {
            let remedy = "give a subject for every file with --subject-from (data.subject_from)";
            Error::input(path.display(), "", "--subject-from gives no subject for this file", remedy)
        })
    }
}

/// Normalises a subject's name: an unknown value becomes empty, and `12.0`, which pandas writes for a number in a
/// column with gaps, becomes `12`.
pub fn tidy(subject: &mut String) {
    let whole = |whole: &&str| !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit());
    if is_missing(subject) {
        subject.clear();
    } else if let Some(whole) = subject.strip_suffix(".0").filter(whole) {
        subject.truncate(whole.len());
    }
}

/// The components of a file's real path, without the root.
fn real_parts(path: &Path) -> Vec<String> {
    normal_parts(&std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()))
}

fn normal_parts(path: &Path) -> Vec<String> {
    let normal = path.components().filter_map(|part| match part {
        std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    normal.collect()
}

/// Normalises a path in a subject table: `./a/b.csv` and `a\b.csv` become `a/b.csv`.
fn listed(name: &str) -> String {
    let name = name.replace('\\', "/");
    let path = Path::new(&name);
    let parts = if path.is_absolute() { real_parts(path) } else { normal_parts(path) };
    parts.join("/")
}

/// The group of a pattern's last match. Folders above the recordings may match too.
fn last_match(pattern: &Regex, path: &str) -> Option<String> {
    let groups = pattern.captures_iter(path).filter_map(|found| found.name("subject").or_else(|| found.get(1)));
    groups.last().map(|group| group.as_str().to_string())
}

/// Assigns the subject in a file that is read alone.
pub(super) struct OfFile {
    name: String,
    subject: SubjectOrigin,
    /// Number of rows whose subject was replaced or guessed.
    changed: usize,
    /// Whether the user replaces a guess, which then needs no notice.
    given: bool,
}

enum SubjectOrigin {
    /// By the user.
    Given(String),
    /// Guessed from the file's name.
    Guessed(String),
    /// Only as the file states it.
    Stated,
}

impl OfFile {
    pub fn new(path: &Path, names_subjects: bool, options: &Options) -> Result<OfFile> {
        let subject = match options.subject_from {
            Some(from) => SubjectOrigin::Given(from.of(path)?),
            None if names_subjects => SubjectOrigin::Stated,
            None => SubjectOrigin::Guessed(guess(path)),
        };
        Ok(OfFile { name: path.display().to_string(), subject, changed: 0, given: options.subject_given })
    }

    pub fn name(&mut self, mut recording: Recording) -> Recording {
        tidy(&mut recording.subject);
        match &self.subject {
            SubjectOrigin::Given(given) if recording.subject != *given => {
                self.changed += usize::from(!recording.subject.is_empty());
                recording.subject.clone_from(given);
            }
            SubjectOrigin::Guessed(guess) if recording.subject.is_empty() => {
                self.changed += 1;
                recording.subject.clone_from(guess);
                recording.subject_guessed = true;
            }
            _ => {}
        }
        recording
    }

    /// The notice after the last row.
    pub fn notice(&self) -> Option<String> {
        let notice = match &self.subject {
            SubjectOrigin::Given(_) if self.changed > 0 => Some(replaced(self.changed)),
            SubjectOrigin::Guessed(_) if self.changed > 0 && !self.given => Some(guessed(1, 1)),
            _ => None,
        };
        notice.map(|notice| format!("{}: {notice}", self.name))
    }
}

fn replaced(recordings: usize) -> String {
    format!("{recordings} recordings state another subject than --subject-from, which is used")
}

fn guessed(files: usize, of: usize) -> String {
    format!(
        "{files} of {of} files do not state the subject: subject_id comes from their names; check it before a split"
    )
}

/// Guesses a subject from a file's name.
fn guess(path: &Path) -> String {
    without_level(&path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()).to_string()
}

/// The files read so far.
#[derive(Default)]
pub(super) struct CollectedFiles {
    files: Vec<File>,
    notices: Vec<String>,
}

struct File {
    path: PathBuf,
    recordings: Vec<Recording>,
    /// The subject of rows that do not state one; `None` if it must not be guessed.
    guess: Option<String>,
}

impl CollectedFiles {
    /// Adds a file's recordings. `subject` comes from the file's name if the format has a rule for it.
    pub fn add(
        &mut self,
        path: &Path,
        mut recordings: Vec<Recording>,
        subject: Option<String>,
        notices: Vec<String>,
        may_guess: bool,
    ) {
        recordings.iter_mut().for_each(|recording| tidy(&mut recording.subject));
        let named = |notice: String| match notice.starts_with(&*path.to_string_lossy()) {
            true => notice,
            false => format!("{}: {notice}", path.display()),
        };
        self.notices.extend(notices.into_iter().map(named));
        let guess = may_guess.then(|| subject.unwrap_or_else(|| guess(path)));
        self.files.push(File { path: path.to_path_buf(), recordings, guess });
    }

    /// Returns all recordings, with file names and subjects.
    ///
    /// # Errors
    /// A file that `options.subject_from` does not cover.
    pub fn finish(mut self, options: &Options, notices: &Notices) -> Result<Vec<Recording>> {
        self.notices.drain(..).for_each(|notice| notices.push(notice));
        let paths: Vec<Vec<String>> = self.files.iter().map(|file| real_parts(&file.path)).collect();
        for (file, name) in self.files.iter_mut().zip(shortest_ends(&paths)) {
            let name: std::sync::Arc<str> = name.into();
            file.recordings.iter_mut().for_each(|recording| recording.file = name.clone());
        }
        let about_subjects = Notices::default();
        match options.subject_from {
            Some(from) => self.take_given(from, &about_subjects)?,
            None => self.take_guessed(&paths, &about_subjects),
        }
        if !options.subject_given {
            about_subjects.take().into_iter().chain(shared(&self.files)).for_each(|notice| notices.push(notice));
        }
        Ok(self.files.into_iter().flat_map(|file| file.recordings).collect())
    }

    fn take_given(&mut self, from: &SubjectFrom, notices: &Notices) -> Result<()> {
        let (mut changed, mut subjects) = (0, BTreeSet::new());
        for file in &mut self.files {
            let subject = from.of(&file.path)?;
            subjects.insert(subject.clone());
            for recording in &mut file.recordings {
                changed += usize::from(!recording.subject.is_empty() && recording.subject != subject);
                recording.subject.clone_from(&subject);
            }
        }
        if changed > 0 {
            notices.push(replaced(changed));
        }
        if let (SubjectFrom::Pattern(_), Some(only), 1, files @ 2..) =
            (from, subjects.first(), subjects.len(), self.files.len())
        {
            notices.push(format!("--subject-from gives all {files} files one subject, {only}: check the pattern"));
        }
        Ok(())
    }

    /// Assigns guessed subjects: one name in two folders means two subjects; two files with one name in one folder mean
    /// one.
    fn take_guessed(&mut self, paths: &[Vec<String>], notices: &Notices) {
        let stated: BTreeSet<String> =
            self.files.iter().flat_map(|f| &f.recordings).map(|r| r.subject.clone()).collect();
        let mut folders: BTreeMap<String, BTreeSet<&[String]>> = BTreeMap::new();
        let mut files = 0;
        for (file, parts) in self.files.iter().zip(paths).filter(|(file, _)| file.is_unnamed()) {
            let Some(guess) = &file.guess else { continue };
            files += 1;
            folders.entry(guess.clone()).or_default().insert(&parts[..parts.len().saturating_sub(1)]);
        }
        let all = self.files.len();
        for (file, parts) in self.files.iter_mut().zip(paths).filter(|(file, _)| file.is_unnamed()) {
            let Some(guess) = &file.guess else { continue };
            let found: Vec<Vec<String>> = folders[guess].iter().map(|folder| folder.to_vec()).collect();
            let own = found.iter().position(|folder| folder[..] == parts[..parts.len().saturating_sub(1)]);
            let alone = found.len() == 1 && !stated.contains(guess);
            let subject = match own.filter(|_| !alone) {
                Some(own) => format!("{}/{guess}", shortest_ends(&found)[own]),
                None => guess.clone(),
            };
            for recording in file.recordings.iter_mut().filter(|recording| recording.subject.is_empty()) {
                recording.subject.clone_from(&subject);
                recording.subject_guessed = true;
            }
        }
        if files > 0 {
            notices.push(guessed(files, all));
        }
        for (guess, folders) in &folders {
            let folders: Vec<Vec<String>> = folders.iter().map(|folder| folder.to_vec()).collect();
            let names: Vec<String> = shortest_ends(&folders).iter().map(|end| format!("{end}/{guess}")).collect();
            let (count, names) = (names.len(), names.join(", "));
            let remedy = "if they are one subject, say so with --subject-from (data.subject_from)";
            if count > 1 {
                notices.push(format!(
                    "the name {guess} is in {count} folders, and was taken for {count} subjects: {names}; {remedy}"
                ));
            }
            if stated.contains(guess) {
                notices.push(format!(
                    "the subject {guess} is stated in a file, and others have this name but state no subject: \
                     they were taken for {names}; {remedy}"
                ));
            }
        }
    }
}

impl File {
    fn is_unnamed(&self) -> bool {
        self.recordings.iter().any(|recording| recording.subject.is_empty())
    }
}

/// A notice about stated subjects that occur in several folders and count as one.
fn shared(files: &[File]) -> Option<String> {
    let mut folders: BTreeMap<&str, BTreeSet<&Path>> = BTreeMap::new();
    for file in files {
        for recording in file.recordings.iter().filter(|recording| !recording.subject_guessed) {
            folders.entry(&recording.subject).or_default().extend(file.path.parent());
        }
    }
    let twice = folders.into_iter().filter(|(subject, folders)| !subject.is_empty() && folders.len() > 1);
    let names: Vec<String> = twice.map(|(subject, folders)| format!("{subject} ({})", folders.len())).collect();
    let text = format!("files in several folders name the same subject, which is taken as one: {}", names.join(", "));
    (!names.is_empty()).then_some(text)
}

/// For each path, the shortest end that no other path has.
fn shortest_ends(paths: &[Vec<String>]) -> Vec<String> {
    let end = |path: &[String], length: usize| path[path.len().saturating_sub(length.max(1))..].join("/");
    let longest = paths.iter().map(Vec::len).max().unwrap_or(0);
    let mut names: Vec<Option<String>> = vec![None; paths.len()];
    for length in 1..=longest {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for path in paths {
            *count.entry(end(path, length)).or_default() += 1;
        }
        for (name, path) in names.iter_mut().zip(paths).filter(|(name, _)| name.is_none()) {
            *name = Some(end(path, length)).filter(|end| count[end] == 1);
        }
        if names.iter().all(Option::is_some) {
            break;
        }
    }
    names.into_iter().zip(paths).map(|(name, path)| name.unwrap_or_else(|| path.join("/"))).collect()
}
