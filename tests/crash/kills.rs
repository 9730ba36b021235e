//! Kills: no file is torn, no run is lost, and the run ends in the same bytes.

use crate::run::{FORCE, MKDIRS, Place, RENAMES, RESUME, UNLINKS, has_strace, old_run, whole};
use abr_film::engine::rng::{Purpose, Rng, Stream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A system call, and about how often a command makes it.
type Call = (&'static str, u32);

/// The system calls of a run that change the disk, and those that open files.
const OF_A_RUN: [Call; 7] =
    [("write", 27), ("linkat", 16), (RENAMES, 4), ("fsync", 28), ("openat", 360), (UNLINKS, 1), (MKDIRS, 4)];

/// Those of a run that replaces a finished one: it moves 9 files aside, and later removes them.
const OF_A_REPLACEMENT: [Call; 6] =
    [("write", 27), ("linkat", 16), (RENAMES, 9), ("fsync", 14), (UNLINKS, 9), (MKDIRS, 12)];

/// How often a training is killed, over all tests of this file.
fn kills() -> u32 {
    std::env::var("ABR_FILM_KILLS").map_or(200, |text| text.parse().expect("ABR_FILM_KILLS is a number"))
}

/// Whether a process was killed. `strace` ends as the process that it traces did, or tells its end by a code.
fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9) || status.code() == Some(137)
}

/// A way to kill a command: at an instant before `micros`. It tells what it did, and whether it came before the end.
fn at_an_instant(micros: u32) -> impl Fn(&Place, &str, &mut Rng) -> (String, bool) {
    move |place, command, rng| {
        let instant = Duration::from_micros(u64::from(rng.below(micros)));
        let mut child = place.command("", command).stderr(Stdio::null()).spawn().expect("a process");
        sleep(instant);
        _ = child.kill();
        let status = child.wait().expect("an end");
        (format!("{command} killed after {instant:?}; "), was_killed(status))
    }
}

/// The same at a system call, one of `calls`.
fn at_a_call(calls: &'static [Call]) -> impl Fn(&Place, &str, &mut Rng) -> (String, bool) {
    move |place, command, rng| {
        let (call, most) = calls[rng.below(calls.len() as u32) as usize];
        let nth = 1 + rng.below(most);
        let inject = format!("strace -f -qq -o /dev/null -e trace={call} -e inject={call}:signal=SIGKILL:when={nth}");
        let output = place.output(&inject, command);
        (format!("{command} killed at {call} {nth}; "), was_killed(output.status))
    }
}

/// Attacks until `count` commands were killed. An attack returns how many it killed, and how many it began: some end
/// before they are killed.
fn until(count: u32, seed: u64, attack: impl Fn(&mut Rng) -> (u32, u32)) {
    let (mut killed, mut begun) = (0, 0);
    for run in 0.. {
        if killed >= count {
            break;
        }
        let (more_killed, more_begun) = attack(&mut Stream::new(seed, Purpose::TEST, run).rng(0));
        killed += more_killed;
        begun += more_begun;
        assert!(begun <= 5 * count.max(10), "only {killed} of {begun} commands were killed, not {count}");
    }
    println!("{killed} of {begun} commands were killed");
}

/// Kills runs, one to three times each.
fn kill_runs(count: u32, seed: u64, kill: impl Fn(&Place, &str, &mut Rng) -> (String, bool)) {
    until(count, seed, |rng| {
        let place = Place::new();
        let (mut what, mut killed, mut begun) = (String::new(), 0, 0);
        for _ in 0..1 + rng.below(3) {
            let (how, died) = kill(&place, place.next(), rng);
            what += &how;
            begun += 1;
            killed += u32::from(died);
            whole(&place.path("run"), &what);
            // a run at its end leaves little to kill
            if !died {
                break;
            }
        }
        place.finish(&what);
        (killed, begun)
    });
}

/// Kills runs that replace a finished one, up to three times each while it is still needed.
fn kill_replacements(count: u32, seed: u64, kill: impl Fn(&Place, &str, &mut Rng) -> (String, bool)) {
    until(count, seed, |rng| {
        let place = Place::new();
        place.fill(old_run());
        let (mut what, mut killed, mut begun, mut needed) = (String::new(), 0, 0, true);
        for _ in 0..1 + rng.below(3) {
            let (how, died) = kill(&place, FORCE, rng);
            what += &how;
            begun += 1;
            killed += u32::from(died);
            needed = old_run_is_needed(&place, &what);
            if !died || !needed {
                break;
            }
        }
        // what is in place may be the old run, which must not go on
        let last = if needed || rng.below(2) == 0 { FORCE } else { place.next() };
        place.finish_by(last, &what);
        (killed, begun)
    });
}

/// Whether the new run has no checkpoint yet. Each file of the old run must then be where it was, or aside, and only a
/// run that is all where it was may go on.
fn old_run_is_needed(place: &Place, what: &str) -> bool {
    let (files, old) = (whole(&place.path("run"), what), old_run());
    let in_place = files.iter().filter(|(name, _)| !name.starts_with("replaced"));
    let mut checkpoints = in_place.filter(|(name, _)| name.extension().is_some_and(|end| end == "safetensors"));
    if checkpoints.any(|(name, bytes)| old.get(name) != Some(bytes)) {
        return false;
    }
    for (name, bytes) in old {
        let aside = Path::new("replaced").join(name);
        let kept = files.get(name) == Some(bytes) || files.get(&aside) == Some(bytes);
        assert!(kept, "{what}: {} of the old run is lost", name.display());
    }
    let config = files.get(Path::new("config.json"));
    if config != old.get(Path::new("config.json")) {
        let output = place.output("", RESUME);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{what}: {stderr}");
        assert!(config.is_some() || stderr.contains("moved an earlier run aside"), "{what}: {stderr}");
    }
    true
}

#[test]
fn at_random_instants() {
    Place::new().finish("a first run");
    // about the time of a run
    let (start, place) = (Instant::now(), Place::new());
    assert!(place.output("", FORCE).status.success());
    let micros = start.elapsed().as_micros() as u32;
    kill_runs(kills() / 4, 1, at_an_instant(micros));
    kill_replacements(kills() / 4, 3, at_an_instant(micros));
}

#[test]
fn at_the_nth_system_call() {
    if !has_strace() {
        return;
    }
    kill_runs(kills() / 4, 2, at_a_call(&OF_A_RUN));
    kill_replacements(kills() / 4, 4, at_a_call(&OF_A_REPLACEMENT));
}
