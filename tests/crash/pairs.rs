//! Two processes in one run folder, in every pair of commands.

use crate::run::{FORCE, Place, whole};

const BEGIN: &str = "train --config smoke.json --out run --set output.save_every_n_epochs=1";
const RESUME: &str = "train --resume --out run --set training.num_epochs=3";

/// Each with whether it begins or resumes a run.
const COMMANDS: [(&str, bool); 8] = [
    (BEGIN, true),
    (FORCE, true),
    (RESUME, true),
    ("eval --model run --out run", false),
    ("generate --model run -n 3 --out run/traces.csv", false),
    ("doctor --run run", false),
    ("info --model run", false),
    ("plot run/traces.csv --out run/traces.svg", false),
];

#[test]
fn no_pair_of_commands_harms_a_run() {
    let mut refused = 0;
    for (i, (first, first_writes)) in COMMANDS.iter().enumerate() {
        for (second, second_writes) in &COMMANDS[i..] {
            let place = Place::new();
            // a run with something left to do, and a table
            let start = format!("{FORCE} --set training.num_epochs=1 --set training.scheduler.T_max=3");
            assert!(place.output("", &start).status.success());
            let what = format!("{first} beside {second}");
            let spawn = |command: &str| place.command("", command).spawn().expect("a process");
            let children = [(spawn(first), *first, *first_writes), (spawn(second), *second, *second_writes)];
            for (child, command, writes) in children {
                let output = child.wait_with_output().expect("an end");
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(!stderr.contains("panicked"), "{what}: {stderr}");
                assert!(matches!(output.status.code(), Some(0..=2)), "{what}: {:?} {stderr}", output.status);
                refused += usize::from(stderr.contains("is writing a run into it"));
                assert!(writes || !stderr.contains("is writing a run into it"), "{what}: {stderr}");
                // there is a run all the time
                assert!(command != BEGIN || !output.status.success(), "{what}: a run is replaced without --force");
            }
            whole(&place.path("run"), &what);
            assert!(!place.path("run/.abr-film.lock").exists(), "{what}: the lock is left");
            let output = place.output("", RESUME);
            assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
            // the first epoch's checkpoint says that the run was to end after it
            place.compare(&what, "checkpoints/epoch-0001.safetensors");
        }
    }
    println!("{refused} were refused");
    assert!(refused > 0, "no two runs ever met");
}
