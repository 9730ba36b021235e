//! A training in a temporary folder, and what must hold of its files at any time.

use abr_film::checkpoint::Checkpoint;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_abr-film");

/// Begins a run, whatever is in its folder.
pub const FORCE: &str = "train --config smoke.json --out run --force --set output.save_every_n_epochs=1";
pub const RESUME: &str = "train --resume --out run";

// What `strace` calls the system calls that do one thing; an architecture may lack some, which the `?` permits.
pub const RENAMES: &str = "?rename,?renameat,?renameat2";
pub const UNLINKS: &str = "?unlink,?unlinkat";
pub const MKDIRS: &str = "?mkdir,?mkdirat";

/// The files whose bytes do not depend on the time.
const FIXED: [&str; 6] = [
    "best.safetensors",
    "last.safetensors",
    "checkpoints/epoch-0001.safetensors",
    "config.json",
    "split.json",
    "summary.json",
];

/// A folder with a configuration `smoke.json`, for a run in `run`.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place::at(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn at(folder: TempDir) -> Place {
        let smoke = include_str!("../../configs/smoke.json");
        let output = "\"output\": {\"report\": false, ";
        fs::write(folder.path().join("smoke.json"), smoke.replace("\"output\": {", output)).expect("a file");
        Place { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program in this folder, behind a `prefix` such as `strace`.
    pub fn command(&self, prefix: &str, arguments: &str) -> Command {
        let mut words = prefix.split_whitespace().chain([PROGRAM]).chain(arguments.split_whitespace());
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).current_dir(self.folder.path()).env_remove("ABR_FILM_ADAPTER");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    pub fn output(&self, prefix: &str, arguments: &str) -> Output {
        self.command(prefix, arguments).output().expect("the program starts")
    }

    /// Writes these files into the run folder.
    pub fn fill(&self, files: &BTreeMap<PathBuf, Vec<u8>>) {
        for (name, bytes) in files {
            let path = self.path("run").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        }
    }

    /// The command that begins the run, or that goes on with it. A state without its configuration belongs to a run
    /// that was being moved aside, which cannot go on.
    pub fn next(&self) -> &'static str {
        match self.path("run/config.json").exists() && self.path("run/last.safetensors").exists() {
            true => RESUME,
            false => FORCE,
        }
    }

    /// Finishes the run, whose bytes must be those of one that nobody disturbed.
    pub fn finish(&self, what: &str) {
        self.finish_by(self.next(), what);
    }

    /// Finishes the run by this command.
    pub fn finish_by(&self, command: &str, what: &str) {
        let output = self.output("", command);
        assert!(output.status.success(), "{what}: {command}: {}", String::from_utf8_lossy(&output.stderr));
        self.compare(what, "");
    }

    /// Compares the finished run, except one file, with one that nobody disturbed.
    pub fn compare(&self, what: &str, except: &str) {
        let files = whole(&self.path("run"), what);
        let is_left = |name: &Path| name.to_string_lossy().contains(".abr-film") || name.starts_with("replaced");
        let names: Vec<_> = files.keys().filter(|name| is_left(name)).collect();
        assert!(names.is_empty(), "{what}: {names:?} are left");
        for (name, bytes) in undisturbed().iter().filter(|(name, _)| name.as_path() != Path::new(except)) {
            assert!(files.get(name) == Some(bytes), "{what}: {} is not as in an undisturbed run", name.display());
        }
    }
}

/// The fixed files of an undisturbed run.
fn undisturbed() -> &'static BTreeMap<PathBuf, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<PathBuf, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let place = Place::new();
        assert!(place.output("", place.next()).status.success());
        let mut files = whole(&place.path("run"), "an undisturbed run");
        files.retain(|name, _| FIXED.iter().any(|fixed| Path::new(fixed) == name));
        assert_eq!(files.len(), FIXED.len());
        files
    })
}

/// The files of a finished run with another seed: its checkpoints differ from those of an undisturbed run.
pub fn old_run() -> &'static BTreeMap<PathBuf, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<PathBuf, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let place = Place::new();
        assert!(place.output("", &format!("{FORCE} --set training.seed=123457")).status.success());
        let files = whole(&place.path("run"), "an old run");
        for name in ["best.safetensors", "last.safetensors", "config.json"].map(Path::new) {
            assert!(files.contains_key(name) && files.get(name) != undisturbed().get(name), "{}", name.display());
        }
        files
    })
}

/// The files of a run folder: each must be whole, and the epochs of the metrics must ascend. Temporary files are not
/// read: their names say what they are.
pub fn whole(folder: &Path, what: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files);
    for (name, bytes) in &files {
        let (shown, path) = (name.display(), folder.join(name));
        if name.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        match name.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => {
                Checkpoint::load(&path).unwrap_or_else(|e| panic!("{what}: {shown} is torn: {e}"));
            }
            Some("json") => {
                let value: Result<Value, _> = serde_json::from_slice(bytes);
                value.unwrap_or_else(|e| panic!("{what}: {shown} is torn: {e}"));
            }
            Some("jsonl") => {
                let line = |line: &[u8]| -> u64 {
                    let value: Result<Value, _> = serde_json::from_slice(line);
                    let value = value.unwrap_or_else(|e| panic!("{what}: a line of {shown} is torn: {e}"));
                    value["epoch"].as_u64().expect("the number of an epoch")
                };
                let epochs: Vec<u64> = bytes.split_inclusive(|byte| *byte == b'\n').map(line).collect();
                assert!(epochs.is_sorted_by(|a, b| a < b), "{what}: {shown} has the epochs {epochs:?}");
            }
            _ => {}
        }
    }
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if let Ok(bytes) = fs::read(&path) {
            files.insert(path.strip_prefix(root).expect("inside").to_path_buf(), bytes);
        }
    }
}

/// Whether `strace` may trace a process here. Where it may not, says that the test is skipped, or fails if
/// `ABR_FILM_REQUIRE_STRACE` is set.
pub fn has_strace() -> bool {
    let traced = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let has = traced.is_ok_and(|output| output.status.success());
    assert!(has || std::env::var_os("ABR_FILM_REQUIRE_STRACE").is_none(), "strace cannot trace a process here");
    if !has {
        common::skipped::skipped("strace cannot trace a process here");
    }
    has
}
