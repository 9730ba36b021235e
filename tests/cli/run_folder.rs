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
    // what killed processes leave behind
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

/// While a run is replaced, it stays until the new one has a checkpoint.
#[test]
fn a_replaced_run_stays_until_there_is_a_checkpoint() {
    let place = Place::trained("");
    let names = place.names("run");
    let (best, last) = (place.bytes("run/best.safetensors"), place.bytes("run/last.safetensors"));
    let failing = "train --config smoke.json --out run --force --set training.learning_rate=1e30";
    for _ in 0..2 {
        let stderr = String::from_utf8(place.command(failing).output().unwrap().stderr).unwrap();
        assert!(stderr.contains("the earlier run is kept in run/replaced"), "{stderr}");
        assert_eq!(place.names("run"), ["config.json", "replaced", "split.json"]);
        assert_eq!(place.names("run/replaced"), names);
        assert!(
            place.bytes("run/replaced/best.safetensors") == best && place.path("run/replaced/checkpoints").is_dir()
        );
        assert!(place.bytes("run/replaced/last.safetensors") == last);
    }
    let resume = "train --resume --out run";
    place.refused(1, resume, &["its run ended before it first wrote", "the run that it replaced is in run/replaced"]);
    place.ok("generate --model run/replaced -n 2 --out a.csv");
    place.ok("train --config smoke.json --out run --force --set training.num_epochs=1");
    assert!(!place.path("run/replaced").exists());

    // killed between two renames: the rest goes where the beginning is
    let names = place.names("run");
    fs::create_dir(place.path("run/replaced")).unwrap();
    fs::rename(place.path("run/config.json"), place.path("run/replaced/config.json")).unwrap();
    place.ok("eval --model run/best.safetensors --out evaluated");
    fs::rename(place.path("run/last.safetensors"), place.path("run/replaced/last.safetensors")).unwrap();
    place.refused(1, resume, &["killed while it moved an earlier run aside", "run/replaced"]);
    place.command(failing).output().unwrap();
    assert_eq!(place.names("run/replaced"), names);
}

#[cfg(unix)]
#[test]
fn what_a_link_leads_to_is_not_removed() {
    let place = Place::new();
    for name in ["run", "elsewhere"] {
        fs::create_dir(place.path(name)).unwrap();
    }
    place.write("elsewhere/epoch-0001.safetensors", "mine");
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("run/checkpoints")).unwrap();
    place.ok("train --config smoke.json --out run --set output.save_every_n_epochs=0");
    place.ok("train --config smoke.json --out run --force --set output.save_every_n_epochs=0");
    let link = ["run/checkpoints", "is a symbolic link"];
    place.refused(1, "train --config smoke.json --out run --force --set output.save_every_n_epochs=1", &link);
    assert_eq!(place.text("elsewhere/epoch-0001.safetensors"), "mine");
    assert!(place.path("run/checkpoints").is_symlink());
}

/// Names of a run's own files that lead elsewhere.
#[cfg(unix)]
#[test]
fn a_run_is_not_written_through_links() {
    let place = Place::trained("");
    place.ok("train --config smoke.json --out good");
    let good = place.bytes("good/best.safetensors");
    place.write("mine.txt", "mine");
    for (name, target) in [("replaced", "good"), (".abr-film.lock", "mine.txt"), ("metrics.jsonl", "mine.txt")] {
        let path = place.path("run").join(name);
        let before = std::fs::read(&path).ok();
        _ = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(place.path(target), &path).unwrap();
        for command in ["train --resume --out run", "train --config smoke.json --out run --force"] {
            place.refused(1, command, &[name, "is a symbolic link", "remove the link"]);
        }
        std::fs::remove_file(&path).unwrap();
        before.iter().for_each(|bytes| std::fs::write(&path, bytes).unwrap());
    }
    assert_eq!((place.bytes("good/best.safetensors"), place.text("mine.txt")), (good, "mine".to_string()));
    place.ok("train --resume --out run");
    std::fs::create_dir(place.path("pics")).unwrap();
    place.write("pics/film_mine.svg", "mine");
    std::os::unix::fs::symlink(place.path("pics"), place.path("run/pictures")).unwrap();
    place.refused(1, "eval --model run --out run", &["run/pictures", "is a symbolic link"]);
    assert_eq!(place.text("pics/film_mine.svg"), "mine");
}

/// A process that was killed while it moved the old run aside, after the configuration and before the state.
#[test]
fn a_run_that_was_half_moved_aside_is_not_resumed() {
    let place = Place::trained("");
    std::fs::create_dir(place.path("run/replaced")).unwrap();
    for name in ["config.json", "split.json", "metrics.jsonl", "best.safetensors"] {
        std::fs::rename(place.path("run").join(name), place.path("run/replaced").join(name)).unwrap();
    }
    let aside = ["moved an earlier run aside", "run/replaced"];
    place.refused(1, "train --resume --config smoke.json --out run", &aside);
    place.refused(1, "train --resume --out run", &aside);
    assert!(place.path("run/replaced/best.safetensors").exists());
    place.ok("train --config smoke.json --out run --force");
    assert!(!place.path("run/replaced").exists());
}

/// The lines belong to epochs, wherever they stand.
#[test]
fn a_resume_keeps_the_lines_of_its_epochs() {
    let place = Place::trained("--set training.scheduler.T_max=9");
    let lines: Vec<String> = place.text("run/metrics.jsonl").lines().map(|line| line.to_string() + "\n").collect();
    assert_eq!(lines.len(), 3);
    place.write("run/metrics.jsonl", format!("{}{}{{\"epoch\":4,\"st", lines[1], lines[0]));
    let stderr = place.ok("train --resume --out run --set training.num_epochs=5").stderr;
    assert!(stderr.contains("metrics.jsonl: the lines of the epochs 3 are missing"), "{stderr}");
    let metrics = place.text("run/metrics.jsonl");
    let epochs: Vec<u64> = metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["epoch"].as_u64().unwrap())
        .collect();
    assert_eq!(epochs, [1, 2, 4, 5]);
}

/// A training that lives until it is killed.
struct Training(std::process::Child);

impl Training {
    /// Waits until the first state is there.
    fn start(place: &Place, arguments: &str) -> Training {
        let endless = "--set training.num_epochs=100000 --set training.early_stopping_patience=null";
        let command = format!("train {arguments} {endless}");
        let child = std::process::Command::new(crate::support::PROGRAM)
            .args(command.split_whitespace())
            .current_dir(place.path("."))
            .env_remove("ABR_FILM_ADAPTER")
            .stderr(std::process::Stdio::piped())
            .spawn();
        let training = Training(child.expect("the program"));
        let start = std::time::Instant::now();
        while !place.path("run/last.safetensors").exists() {
            assert!(start.elapsed().as_secs() < 60, "no state after a minute");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        training
    }

    /// Its messages, once it has ended.
    fn stderr(&mut self) -> String {
        std::io::read_to_string(self.0.stderr.take().expect("a pipe")).expect("text")
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn a_folder_has_one_run_at_a_time() {
    let place = Place::new();
    place.ok("train --config smoke.json --out other");
    let mut training = Training::start(&place, "--config smoke.json --out run --set output.save_every_n_epochs=1");
    let owner = format!("run: process {} is writing a run into it", training.0.id());
    for second in ["--config smoke.json", "--config smoke.json --force", "--resume"] {
        let output = place.command(&format!("train {second} --out run")).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && stderr.contains(&owner), "{second}: {stderr}");
    }
    place.ok("train --resume --dry-run --out run --set training.num_epochs=100000");
    // other commands may read from the folder and write into it
    place.ok("generate --model other -n 2 --out run/traces.csv");
    place.ok("eval --model run --out run");
    place.ok("info --model run/best.safetensors");
    assert!(training.0.try_wait().unwrap().is_none(), "the first run has ended: {}", training.stderr());
    // nothing is left locked by a process that was killed
    drop(training);
    place.ok("train --config smoke.json --out run --force");
    assert!(!place.names("run").iter().any(|name| name.starts_with('.')));
}

#[test]
fn a_folder_that_vanishes_ends_the_run() {
    let place = Place::new();
    let mut training = Training::start(&place, "--config smoke.json --out run --set output.save_every_n_epochs=1");
    fs::rename(place.path("run"), place.path("gone")).unwrap();
    let status = training.0.wait().unwrap();
    let stderr = training.stderr();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("run: was removed or replaced while the run wrote into it"), "{stderr}");
    assert!(!place.path("run").exists());
    place.ok("eval --model gone --out evaluated");
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
        assert!(stderr.contains(&format!("{file}: cannot write")) && stderr.contains("raise the limit"), "{stderr}");
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
