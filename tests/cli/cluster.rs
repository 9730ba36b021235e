//! Several processes, as a cluster starts them, on one comparison.

use crate::support::{PROGRAM, Place};
use common::skipped::skipped;
use serde_json::Value;
use std::process::{Command, Stdio};

const PLAN: &str = "compare --config smoke.json --variants none,film --seeds 4 --device cpu";

fn whole(place: &Place) -> Value {
    place.ok(&format!("{PLAN} --out whole"));
    place.json("whole/table.json")
}

/// As `srun -n 3` or `mpirun -n 3` do it: the same command three times.
#[test]
fn launchers_may_start_the_same_command_many_times() {
    let place = Place::new();
    let whole = whole(&place);
    let start = || {
        let mut command = Command::new(PROGRAM);
        command.current_dir(place.path("")).args(format!("{PLAN} --jobs 1 --out shared").split_whitespace());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    };
    let processes = [start(), start(), start()];
    for mut process in processes {
        assert!(process.wait().expect("an end").success());
    }
    assert_eq!(place.json("shared/table.json"), whole);
    // each training was begun once
    for log in place.names("shared/logs") {
        assert_eq!(place.text(&format!("shared/logs/{log}")).matches("parameters on CPU").count(), 1, "{log}");
    }
}

/// Two workers of HyperQueue, with a training killed on the way.
#[test]
fn hyperqueue_with_a_training_killed_on_the_way() {
    let Some(python) = std::env::var_os("ABR_FILM_HYPERQUEUE") else {
        let required = std::env::var_os("ABR_FILM_REQUIRE_HYPERQUEUE").is_some();
        assert!(!required, "HyperQueue is required: ABR_FILM_HYPERQUEUE names no Python");
        skipped("ABR_FILM_HYPERQUEUE names no Python with HyperQueue");
        return;
    };
    let place = Place::new();
    let whole = whole(&place);
    let commands = place.ok(&format!("{PLAN} --out queued --list")).stdout;
    place.write("commands.txt", &commands);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/run_hyperqueue.py");
    let command = |more: &[&str]| {
        let mut command = Command::new(&python);
        command.current_dir(place.path("")).arg(script).arg("commands.txt").arg(place.path("queued")).args(more);
        command
    };
    let run = |more: &[&str]| {
        let output = command(more).output().expect("Python starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        stdout.lines().last().expect("a line").to_string()
    };
    // a node dies with its training
    assert_eq!(run(&["0.2"]), "killed 1, failed 1");
    place.ok("compare --out queued --gather");
    assert_eq!(place.json("queued/table.json")["done"], 7);
    // the server dies with both workers
    let mut all = command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("Python starts");
    std::thread::sleep(std::time::Duration::from_millis(700));
    all.kill().and_then(|()| all.wait()).expect("an end");
    assert_eq!(run(&[]), "killed 0, failed 0");
    place.ok("compare --out queued --gather");
    assert_eq!(place.json("queued/table.json"), whole);
}
