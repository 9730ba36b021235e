//! Ctrl-C finishes the step, writes the state and exits with 130.
#![cfg(unix)]

use crate::support::{PROGRAM, Place};
use abr_film::checkpoint::Checkpoint;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// Some 40 steps an epoch, and nearly all of the time is spent in them.
const LONG: &str = "--set data.synth.subjects=80 --set training.num_epochs=12 --set training.scheduler.T_max=12 \
                    --set output.save_every_n_epochs=0 --set training.kl_warmup_epochs=3";

/// Starts a training and sends it a signal once its stderr has said `word`; its exit code and the rest of its stderr.
fn signalled(place: &Place, arguments: &str, word: &str, signal: &str) -> (Option<i32>, String) {
    let mut child = Command::new(PROGRAM)
        .args(arguments.split_whitespace())
        .current_dir(place.path("."))
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

#[test]
fn stopped_and_resumed_three_times_it_ends_in_the_same_bytes() {
    let place = Place::new();
    place.ok(&format!("train --config smoke.json --out unbroken {LONG}"));
    let mut arguments = format!("train --config smoke.json --out run {LONG}");
    // the first within the warm-up; Ctrl-C, then what a batch system or a closed terminal sends
    for (epoch, signal) in [(2, "INT"), (5, "TERM"), (8, "INT")] {
        let (code, said) = signalled(&place, &arguments, &format!("epoch {epoch}/12"), signal);
        assert_eq!(code, Some(130), "{said}");
        for part in ["finishing this step", "go on with: abr-film train --resume --out run", "interrupted"] {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
        let last = Checkpoint::load(&place.path("run/last.safetensors")).expect("a state");
        let progress = last.progress.expect("a training state");
        let epochs = progress["epoch"].as_u64().expect("a count");
        println!("stopped in epoch {} after its step {}", epochs + 1, progress["step_in_epoch"]);
        assert!((epoch..12).contains(&epochs), "{epochs} epochs were done");
        assert_eq!(place.text("run/metrics.jsonl").lines().count() as u64, epochs);
        assert!(!place.path("run/summary.json").exists(), "a summary of a run that has not ended");
        arguments = "train --resume --out run".to_string();
    }
    place.ok(&arguments);
    for file in ["best.safetensors", "last.safetensors"] {
        assert!(place.bytes(&format!("run/{file}")) == place.bytes(&format!("unbroken/{file}")), "{file} differs");
    }
    assert_eq!(place.json("run/summary.json"), place.json("unbroken/summary.json"));
}

/// Nothing can be caught then: what was saved last is what a resume goes on from.
#[test]
fn killed_it_goes_on_from_the_last_save() {
    let place = Place::new();
    let long = LONG.replace("save_every_n_epochs=0", "save_every_n_epochs=2");
    place.ok(&format!("train --config smoke.json --out unbroken {long}"));
    let train = format!("train --config smoke.json --out run {long}");
    let (code, _) = signalled(&place, &train, "epoch 5/12", "KILL");
    assert_eq!(code, None);
    let said = place.ok("train --resume --out run").stderr;
    assert!(said.contains("going on after epoch "), "{said}");
    for file in ["best.safetensors", "last.safetensors", "checkpoints/epoch-0012.safetensors"] {
        assert!(place.bytes(&format!("run/{file}")) == place.bytes(&format!("unbroken/{file}")), "{file} differs");
    }
    let epochs = place.text("run/metrics.jsonl").lines().count();
    assert_eq!(epochs, 12, "each epoch has one line");
}
