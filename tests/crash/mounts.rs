//! File systems that are full or read-only, where the test may mount some.

use crate::run::{Place, whole};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory of so many kilobytes.
struct Mount(PathBuf);

impl Mount {
    /// `None`, with a word about it, where the test may not mount.
    fn new(at: &Path, kilobytes: u32) -> Option<Mount> {
        std::fs::create_dir(at).expect("a folder");
        let size = format!("size={kilobytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Mount(at.to_path_buf()));
        }
        common::skipped::skipped("no file system can be mounted here");
        None
    }

    fn read_only(&self) {
        let status = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status();
        assert!(status.expect("mount").success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_file_system_tears_nothing() {
    for kilobytes in [4, 64, 200, 400] {
        let place = Place::new();
        let Some(_mount) = Mount::new(&place.path("run"), kilobytes) else { return };
        let what = format!("{kilobytes} KiB");
        let output = place.output("", place.next());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{what}: {stderr}");
        assert!(stderr.contains("cannot write") && stderr.contains("free some space"), "{what}: {stderr}");
        let files = whole(&place.path("run"), &what);
        assert!(!files.keys().any(|name| name.to_string_lossy().contains(".abr-film-")), "{what}: {files:?}");
    }
}

#[test]
fn a_read_only_file_system_is_named() {
    let place = Place::new();
    let Some(mount) = Mount::new(&place.path("run"), 10_000) else { return };
    assert!(place.output("", place.next()).status.success());
    mount.read_only();
    let before = whole(&place.path("run"), "before");
    for command in
        ["train --resume --out run --set training.num_epochs=9", "train --config smoke.json --out run --force"]
    {
        let output = place.output("", command);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("run") && stderr.contains("cannot write"), "{stderr}");
    }
    // what only reads works
    assert!(place.output("", "info --model run").status.success());
    assert!(whole(&place.path("run"), "after") == before);
}
