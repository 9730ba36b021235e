//! Ctrl-C finishes the step, writes the state and exits with 130.
#![cfg(unix)]

use crate::support::{PROGRAM, Place};
use abr_film::checkpoint::Checkpoint;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// More epochs than the test waits for, with about 40 steps each, which take nearly all of the time.
const LONG: &str = "--set data.synth.subjects=80 --set training.num_epochs=500 --set training.scheduler.T_max=12 \
                    --set output.save_every_n_epochs=0 --set training.kl_warmup_epochs=3 \
                    --set training.early_stopping_patience=null";

/// Starts a training and sends it a signal once its stderr contains `word`; returns its exit code and the rest of its
/// stderr.
fn signalled(place: &Place, arguments: &str, word: &str, signal: &str) -> (Option<i32>, String) {
    let mut child = Command::new(PROGRAM)
        .args(arguments.split_whitespace())
        .current_dir(place.path("."))
        .env_remove("ABR_FILM_ADAPTER")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("text") > 0, "{arguments}: ended before it said {word:?}");
    }
    send(&child, signal);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    (child.wait().expect("an exit code").code(), rest)
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(sent.expect("a shell").success(), "no signal could be sent");
}

/// Resumes for two more epochs, and trains as many without interruption: both must end with the same bytes.
fn ends_as_unbroken(place: &Place, long: &str) {
    let epochs = place.text("run/metrics.jsonl").lines().count() + 2;
    let stderr = place.ok(&format!("train --resume --out run --set training.num_epochs={epochs}")).stderr;
    assert!(stderr.contains("resuming after epoch "), "{stderr}");
    let long = long.replace("num_epochs=500", &format!("num_epochs={epochs}"));
    place.ok(&format!("train --config smoke.json --out unbroken {long}"));
    let (mut run, mut unbroken) = (place.names("run"), place.names("unbroken"));
    for names in [&mut run, &mut unbroken] {
        names.retain(|name| name.ends_with(".safetensors"));
    }
    assert_eq!(run, unbroken);
    for file in run.iter().map(String::as_str).chain(["summary.json", "config.json"]) {
        assert!(place.bytes(&format!("run/{file}")) == place.bytes(&format!("unbroken/{file}")), "{file} differs");
    }
    assert_eq!(place.text("run/metrics.jsonl").lines().count(), epochs, "each epoch has one line");
}

#[test]
fn stopped_and_resumed_three_times_it_ends_in_the_same_bytes() {
    let place = Place::new();
    let mut arguments = format!("train --config smoke.json --out run {LONG}");
    // the first is likely within the warm-up; Ctrl-C, then what a batch system or a closed terminal sends
    for signal in ["INT", "TERM", "INT"] {
        let (code, stderr) = signalled(&place, &arguments, "loss", signal);
        assert_eq!(code, Some(130), "{stderr}");
        for part in ["finishing this step", "resume with: abr-film train --resume --out run", "interrupted"] {
            assert!(stderr.contains(part), "{part:?} is not in: {stderr}");
        }
        let last = Checkpoint::load(&place.path("run/last.safetensors")).expect("a state");
        let progress = last.progress.expect("a training state");
        let epochs = progress["epoch"].as_u64().expect("a count");
        println!("stopped in epoch {} after its step {}", epochs + 1, progress["step_in_epoch"]);
        assert_eq!(place.text("run/metrics.jsonl").lines().count() as u64, epochs);
        assert!(!place.path("run/summary.json").exists(), "a summary of a run that has not ended");
        arguments = "train --resume --out run".to_string();
    }
    ends_as_unbroken(&place, LONG);
}

/// SIGKILL cannot be caught: a resume starts from the last saved state.
#[test]
fn killed_it_goes_on_from_the_last_save() {
    let place = Place::new();
    let long = LONG.replace("save_every_n_epochs=0", "save_every_n_epochs=2");
    let (code, _) = signalled(&place, &format!("train --config smoke.json --out run {long}"), "epoch 5/500", "KILL");
    assert_eq!(code, None);
    ends_as_unbroken(&place, &long);
    assert_eq!(place.names("run/checkpoints"), place.names("unbroken/checkpoints"));
}
