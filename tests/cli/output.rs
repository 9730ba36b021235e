//! The files that commands write: never in place of an input, and with an error when they cannot be written.

use crate::support::{PROGRAM, Place};
use std::process::{Command, Stdio};

#[cfg(unix)]
#[test]
fn an_input_is_never_replaced_by_whatever_name() {
    let place = Place::trained("");
    place.write("conditions.csv", "level_db\n60\n");
    place.ok("generate --model run -n 2 --out made.npz");
    let inputs = [
        ("table.csv", "data import table.csv"),
        ("table.csv", "data prepare table.csv --config small.json"),
        ("table.csv", "reconstruct --model run --data table.csv"),
        ("table.csv", "reconstruct --model run --data *.csv"),
        ("small.json", "data prepare table.csv --config small.json"),
        ("smoke.json", "data synth --config smoke.json"),
        ("conditions.csv", "generate --model run --conditions conditions.csv"),
        ("run/best.safetensors", "generate --model run"),
        ("run/best.safetensors", "generate --model run/best.safetensors"),
        ("run/best.safetensors", "reconstruct --model run --data table.csv"),
        ("table.csv", "plot table.csv"),
    ];
    let (hard, link) = (place.path("hard.csv"), place.path("link.csv"));
    for (input, command) in inputs {
        let (flag, [hard, link]) = match command.starts_with("plot") {
            true => ("svg", [hard.with_extension("svg"), link.with_extension("svg")]),
            false => ("csv", [hard.clone(), link.clone()]),
        };
        std::fs::hard_link(place.path(input), &hard).unwrap();
        std::os::unix::fs::symlink(place.path(input), &link).unwrap();
        for out in ["hard", "run/../hard", "link"] {
            place.refused(2, &format!("{command} --out {out}.{flag}"), &["--out would replace", "name another file"]);
        }
        std::fs::remove_file(&hard).unwrap();
        std::fs::remove_file(&link).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn an_evaluation_replaces_none_of_its_inputs() {
    let place = Place::trained("");
    std::fs::create_dir(place.path("results")).unwrap();
    for (input, name, command) in [
        ("table.csv", "errors.csv", "eval --model run --data table.csv"),
        ("table.csv", "report.html", "eval --model run --training-data table.csv"),
        ("smoke.json", "eval.json", "eval --model run --config smoke.json"),
        ("run/best.safetensors", "eval.json", "eval --model run"),
    ] {
        let name = place.path("results").join(name);
        std::fs::hard_link(place.path(input), &name).unwrap();
        place.refused(2, &format!("{command} --out results"), &["--out would replace"]);
        std::fs::remove_file(name).unwrap();
    }
    for (input, name) in [("table.csv", "errors.csv"), ("small.json", "config.json")] {
        let folder = place.path("taken");
        std::fs::create_dir(&folder).unwrap();
        std::fs::hard_link(place.path(input), folder.join(name)).unwrap();
        place.refused(2, "train --config small.json --data table.csv --out taken --force", &["--out would replace"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
    place.write("results/eval.json", "of before");
    place.ok("eval --model run --out results");
    assert_ne!(place.text("results/eval.json"), "of before");
}

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
    // 2 GB of addresses hold fewer than ten such stacks, and the rest is enough for all that a thread needs beside one
    let limited = "ulimit -v 2000000 && RUST_MIN_STACK=200000000 RAYON_NUM_THREADS=50 exec $0";
    for command in ["data synth --out set.csv", "train --config smoke.json --out run", "info --config smoke.json"] {
        let output = shell(&place, &format!("{limited} {command}"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}, {:?}: {stderr}", output.status);
        assert!(stderr.contains("abr-film: cannot start the threads: ") && stderr.contains("ulimit"), "{stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_archive_passes_through_a_pipe() {
    let place = Place::new();
    place.ok("data import table.csv --out table.npz");
    let output =
        shell(&place, "mkfifo pipe.npz; cat pipe.npz > copy.npz & $0 data import table.csv --out pipe.npz; wait");
    assert!(output.status.success(), "{output:?}");
    assert!(place.bytes("copy.npz") == place.bytes("table.npz"));
}
