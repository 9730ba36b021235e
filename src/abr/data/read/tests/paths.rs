use crate::data::read::{FoundFile, Notices, Options, expand, read_all, read_paths};
use crate::error::Error;
use common::samples::{Arf, biosig, smartep};
use std::path::{Path, PathBuf};

/// Makes a folder with recordings in two formats, emissions, and other files.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("b/two.txt", biosig().as_bytes());
    write("a/one.weird", smartep(5).as_bytes());
    write("a/emissions.arf", &Arf { stimulus: "DPOAE", ..Arf::new() }.bytes(1));
    write("LICENSE", b"free");
    write("a/README.md", b"read me");
    write(".hidden/x.txt", biosig().as_bytes());
    write("b/.two.txt.swp", biosig().as_bytes());
    write("b/film.mp4", b"\0\0\0\x20ftyp");
    folder
}

/// Makes a pipe.
#[cfg(unix)]
pub fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn found(paths: &[PathBuf]) -> Vec<FoundFile> {
    expand(paths, &Notices::default()).unwrap()
}

fn names(found: &[FoundFile], root: &Path) -> Vec<String> {
    found.iter().map(|f| f.path.strip_prefix(root).unwrap().display().to_string()).collect()
}

#[test]
fn a_folder_is_read_as_one_set_whatever_its_files_are_called() {
    let folder = folder();
    let mut progress = Vec::new();
    let paths = [folder.path().to_path_buf()];
    let mut recordings = read_paths(&paths, &Options::default(), |done, all| progress.push((done, all))).unwrap();
    let (recordings, notices) =
        (recordings.by_ref().collect::<Result<Vec<_>, _>>().unwrap(), recordings.notices.take());
    assert_eq!(progress, [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]);
    let files: Vec<&str> = recordings.iter().map(|r| &*r.file).collect();
    assert_eq!(files, ["one.weird", "one.weird", "two.txt", "two.txt", "two.txt"]);
    let subjects: Vec<&str> = recordings.iter().map(|r| r.subject.as_str()).collect();
    assert_eq!(subjects, ["one", "one", "M1", "M1", "two"]);
    assert!(notices.iter().any(|n| n.contains("emissions.arf: skipped: ") && n.contains("DPOAE")), "{notices:?}");
    assert!(
        notices.iter().any(|n| n.starts_with("1 files of no known format") && n.contains("film.mp4")),
        "{notices:?}"
    );
    assert!(notices.iter().any(|n| n.contains("two.txt: 1 records have an onset delay")), "{notices:?}");
}

#[test]
fn what_is_named_must_be_read() {
    let folder = folder();
    for (name, expected) in [
        ("b/film.mp4", "is not in a format that abr-film reads"),
        ("a/emissions.arf", "otoacoustic emissions (DPOAE)"),
        ("none.txt", "check the path"),
        ("none*.txt", "matches nothing"),
        ("a/[.txt", "is not a valid glob"),
    ] {
        let message = read_all(&[folder.path().join(name)]).unwrap_err().to_string();
        assert!(message.contains(expected), "{name}: {message}");
    }
    let only = [folder.path().join("b/*.mp4")];
    let error = read_all(&only).unwrap_err();
    assert!(
        matches!(error, Error::Input { .. }) && error.to_string().contains("no recording was found (1 files"),
        "{error}"
    );
}

#[test]
fn paths_mean_each_file_once() {
    let folder = folder();
    let root = folder.path();
    let all = found(&[root.join("b"), root.join("b/two.txt"), root.join("**/*.txt"), root.join("a/../b")]);
    assert_eq!(names(&all, root), ["b/film.mp4", "b/two.txt"]);
    assert_eq!(all.iter().map(|f| f.named).collect::<Vec<_>>(), [false, true]);
    assert_eq!(names(&found(&[root.join("a/README.md")]), root), ["a/README.md"], "it was named");
    assert!(found(&[]).is_empty());
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere_twice_and_not_round_in_circles() {
    let folder = folder();
    let root = folder.path();
    std::os::unix::fs::symlink(root, root.join("a/up")).unwrap();
    std::os::unix::fs::symlink(root.join("b/two.txt"), root.join("a/also.txt")).unwrap();
    let all = found(&[PathBuf::from(root)]);
    assert_eq!(all.len(), 4, "{all:?}");
}

#[cfg(unix)]
#[test]
fn a_folder_gives_only_regular_files_inside_it() {
    let (folder, other) = (folder(), folder());
    let (root, outside) = (folder.path(), other.path().join("b/two.txt"));
    std::os::unix::fs::symlink(&outside, root.join("b/linked.txt")).unwrap();
    std::os::unix::fs::symlink(root.join("none"), root.join("b/dangling.txt")).unwrap();
    pipe(&root.join("b/pipe.txt"));
    for path in [root.to_path_buf(), root.join("b/*.txt")] {
        let (recordings, notices) = read_all(&[path]).unwrap();
        assert!(recordings.iter().all(|r| ["one.weird", "two.txt"].contains(&&*r.file)), "{recordings:?}");
        for (why, name) in [("out of the folder", "linked.txt"), ("pipes", "pipe.txt"), ("removed", "dangling.txt")] {
            assert!(notices.iter().any(|n| n.starts_with("1 ") && n.contains(why) && n.contains(name)), "{notices:?}");
        }
    }
    // the user may name what is elsewhere, also through a link
    assert_eq!(read_all(&[root.join("b/linked.txt")]).unwrap().0.len(), 3);
}

#[test]
fn a_file_that_vanishes_from_a_folder_is_left_out() {
    let folder = folder();
    let remove = |done: usize, _: usize| {
        if done == 1 {
            std::fs::remove_file(folder.path().join("b/two.txt")).unwrap();
        }
    };
    let mut recordings = read_paths(&[folder.path().to_path_buf()], &Options::default(), remove).unwrap();
    assert_eq!(recordings.by_ref().map(Result::unwrap).count(), 2);
    let notices = recordings.notices.take();
    assert!(notices.iter().any(|n| n.contains("two.txt: left out: it was removed")), "{notices:?}");
}

#[cfg(unix)]
#[test]
fn a_pipe_that_is_named_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    for content in [biosig(), "s0,s1\n1,2\n".to_string()] {
        let path = folder.path().join(format!("pipe{}", content.len()));
        pipe(&path);
        let write = std::thread::spawn({
            let path = path.clone();
            move || std::fs::write(path, content).unwrap()
        });
        assert!(!read_all(&[path]).unwrap().0.is_empty());
        write.join().unwrap();
    }
}
