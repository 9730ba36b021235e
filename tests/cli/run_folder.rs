//! Where a run may be written, and what happens to existing files.

use crate::support::Place;
use std::fs;

#[test]
fn a_run_is_not_overwritten_unless_told_so() {
    let place = Place::trained("");
    place.refused(
        1,
        "train --config smoke.json --out run",
        &["run: already contains a run", "--resume", "--force", "--out"],
    );
    place.ok("train --config smoke.json --out run --force --set training.num_epochs=1 --seed 3");
    assert_eq!(place.text("run/metrics.jsonl").lines().count(), 1);
    assert_eq!(place.json("run/config.json")["training"]["seed"], 3);
    // no epoch of the earlier run
    assert!(!place.path("run/checkpoints").exists());
    place.refused(1, "train --config smoke.json --out smoke.json", &["smoke.json: is a file"]);
}

#[test]
fn force_removes_a_runs_own_files_alone() {
    let place = Place::trained("--set output.checkpoint_dir=saved");
    let keep = ["run/notes.txt", "run/saved/mine.safetensors", "run/traces.csv"];
    keep.iter().for_each(|name| place.write(name, "mine"));
    // what a killed process leaves behind
    let strays = ["run/.abr-film-a1b2c3", "run/saved/.abr-film-d4e5f6"];
    strays.iter().for_each(|name| place.write(name, "half a file"));
    place.ok("train --config smoke.json --out run --force --set training.num_epochs=1");
    for name in keep {
        assert_eq!(place.text(name), "mine");
    }
    for name in strays.into_iter().chain(["run/saved/epoch-0002.safetensors"]) {
        assert!(!place.path(name).exists(), "{name} is still there");
    }
    // a refusal comes before anything is removed
    place.refused(1, "train --config small.json --data none.csv --out run --force", &["none.csv"]);
}

#[test]
fn a_folder_that_holds_something_else_may_be_used() {
    let place = Place::new();
    fs::create_dir(place.path("run")).unwrap();
    place.write("run/notes.txt", "mine");
    place.ok("train --config smoke.json --out run");
    assert_eq!(place.text("run/notes.txt"), "mine");
}

/// A limit on file sizes simulates a full disk.
#[cfg(unix)]
mod full {
    use super::*;
    use crate::support::PROGRAM;
    use std::process::{Command, Output};

    /// Runs a command with file sizes limited to this many blocks of 512 bytes (1024 in some shells).
    fn limited(place: &Place, blocks: u32, arguments: &str) -> Output {
        // if the signal is ignored, the write fails with an error
        let script = format!("trap '' XFSZ; ulimit -f {blocks} && exec {PROGRAM} {arguments}");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(place.path("."))
            .env_remove("ABR_FILM_ADAPTER")
            .output();
        output.expect("a shell")
    }

    #[track_caller]
    fn failed(output: &Output, file: &str) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(&format!("{file}: cannot write")) && stderr.contains("free some space"), "{stderr}");
    }

    #[test]
    fn a_new_run_leaves_whole_files_only() {
        let place = Place::new();
        let output = limited(&place, 20, "train --config smoke.json --out run");
        failed(&output, "run/best.safetensors");
        assert_eq!(place.names("run"), ["config.json", "metrics.jsonl", "split.json"]);
        assert_eq!(place.text("run/metrics.jsonl").lines().count(), 1);
        // not even the configuration
        let before = place.tree();
        failed(&limited(&place, 0, "train --config smoke.json --out other"), "other/config.json");
        assert!(place.tree() == before);
    }

    #[test]
    fn a_run_that_goes_on_keeps_what_it_had() {
        let place = Place::trained("--set training.scheduler.T_max=9");
        let files = ["best.safetensors", "last.safetensors", "checkpoints/epoch-0002.safetensors"];
        let before = files.map(|file| place.bytes(&format!("run/{file}")));
        let output = limited(&place, 20, "train --resume --out run --set training.num_epochs=9");
        assert_eq!(output.status.code(), Some(1));
        assert!(!place.path("run/summary.json").exists(), "a summary of a run that has not ended");
        for (file, before) in files.iter().zip(before) {
            assert!(place.bytes(&format!("run/{file}")) == before, "{file} changed");
        }
        let strays: Vec<_> = place.names("run").into_iter().filter(|name| name.starts_with('.')).collect();
        assert!(strays.is_empty(), "{strays:?}");
        place.ok("train --resume --out run --set training.num_epochs=9");
        place.ok(
            "train --config smoke.json --out unbroken --set training.num_epochs=9 --set training.scheduler.T_max=9",
        );
        for file in ["best.safetensors", "last.safetensors"] {
            assert!(place.bytes(&format!("run/{file}")) == place.bytes(&format!("unbroken/{file}")), "{file} differs");
        }
    }

    /// A line of metrics is written whole or not at all.
    #[test]
    fn a_line_that_does_not_fit_is_taken_back() {
        let place = Place::new();
        // about 400 bytes per line: the limit falls inside a line, long before best.safetensors is written
        let warm_up =
            "--set training.kl_warmup_epochs=30 --set training.num_epochs=31 --set output.save_every_n_epochs=0";
        let output = limited(&place, 8, &format!("train --config smoke.json --out run {warm_up}"));
        failed(&output, "run/metrics.jsonl");
        let metrics = place.text("run/metrics.jsonl");
        assert!(metrics.ends_with('\n') && metrics.lines().count() >= 5, "{metrics}");
        for line in metrics.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a whole line");
        }
    }

    #[test]
    fn a_table_that_does_not_fit_is_not_there() {
        let place = Place::trained("");
        place.write("made.csv", "what was there before");
        for name in ["made.csv", "new.csv"] {
            let arguments = format!("generate --model run/best.safetensors -n 100 --out {name}");
            failed(&limited(&place, 20, &arguments), name);
        }
        assert_eq!(place.text("made.csv"), "what was there before");
        assert_eq!(place.names("."), ["made.csv", "run", "small.json", "smoke.json", "table.csv"]);
    }
}
