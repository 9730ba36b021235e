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

    /// The command that begins the run, or that goes on with it.
    pub fn next(&self) -> &'static str {
        match self.path("run/last.safetensors").exists() {
            true => "train --resume --out run",
            false => "train --config smoke.json --out run --force --set output.save_every_n_epochs=1",
        }
    }

    /// Finishes the run, whose bytes must be those of one that nobody disturbed.
    pub fn finish(&self, what: &str) {
        let output = self.output("", self.next());
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let files = whole(&self.path("run"), what);
        let names: Vec<_> = files.keys().filter(|name| name.to_string_lossy().contains(".abr-film")).collect();
        assert!(names.is_empty(), "{what}: {names:?} are left");
        for (name, bytes) in undisturbed() {
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

/// The files of a run folder, none of which may be torn. Temporary files are not read: their names say what they are.
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
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    let value: Result<Value, _> = serde_json::from_slice(line);
                    value.unwrap_or_else(|e| panic!("{what}: a line of {shown} is torn: {e}"));
                }
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
