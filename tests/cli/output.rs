//! What commands write: with an error when it cannot be written.

use crate::support::{PROGRAM, Place};
use std::process::{Command, Stdio};

/// Runs a command of `sh` with the program as `$0`.
#[cfg(unix)]
fn shell(place: &Place, script: &str) -> std::process::Output {
    let mut command = Command::new("sh");
    command.args(["-c", script, PROGRAM]).current_dir(place.path("")).stdin(Stdio::null());
    command.env_remove("ABR_FILM_ADAPTER").output().expect("sh starts")
}

#[cfg(target_os = "linux")]
#[test]
fn help_on_a_full_device_is_an_error() {
    let place = Place::new();
    for command in ["--help", "--version", "help", "train --help", "info --json", "data inspect table.csv --json"] {
        let output = shell(&place, &format!("$0 {command} > /dev/full"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {stderr}");
        assert!(stderr.contains("abr-film: stdout: cannot write: "), "{command}: {stderr}");
    }
    // a reader that has seen enough is none
    assert_eq!(shell(&place, "{ $0 train --help; echo $? >&2; } | true").stderr, b"0\n");
}

#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    let place = Place::new();
    for out in ["set.csv", "set.npz"] {
        let output = shell(&place, &format!("ulimit -f 64 && exec $0 data synth --out {out}"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{:?}: {stderr}", output.status);
        let message = format!("abr-film: {out}: cannot write: ");
        assert!(stderr.contains(&message) && stderr.contains("ulimit -f"), "{stderr}");
        assert_eq!(stderr.lines().count(), 2, "{stderr}");
        assert_eq!(place.names("."), ["small.json", "smoke.json", "table.csv"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_cannot_start_are_an_error() {
    let place = Place::new();
    // 2 GB of addresses hold fewer than a thousand stacks
    let limited = "ulimit -v 2000000 && RAYON_NUM_THREADS=5000 exec $0";
    for command in ["data synth --out set.csv", "train --config smoke.json --out run", "info --config smoke.json"] {
        let output = shell(&place, &format!("{limited} {command}"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}, {:?}: {stderr}", output.status);
        assert!(stderr.contains("abr-film: cannot start the threads: ") && stderr.contains("ulimit"), "{stderr}");
    }
}
