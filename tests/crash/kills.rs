//! Kills: no file is torn, and the run ends in the same bytes.

use crate::run::{Place, has_strace, whole};
use abr_film::engine::rng::{Purpose, Rng, Stream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The system calls that change the disk.
const CALLS: [&str; 7] = ["write", "linkat", "rename", "fsync", "openat", "unlink", "mkdir"];

/// How often a training is killed, over all tests of this file.
fn kills() -> u32 {
    std::env::var("ABR_FILM_KILLS").map_or(200, |text| text.parse().expect("ABR_FILM_KILLS is a number"))
}

/// Kills runs, one to three times each, until there were `count` kills.
fn kill_runs(count: u32, seed: u64, kill: impl Fn(&Place, &mut Rng) -> String) {
    let mut done = 0;
    for run in 0.. {
        let mut rng = Stream::new(seed, Purpose::TEST, run).rng(0);
        let place = Place::new();
        let mut what = String::new();
        for _ in 0..1 + rng.below(3) {
            what += &format!("{}; ", kill(&place, &mut rng));
            whole(&place.path("run"), &what);
            done += 1;
        }
        place.finish(&what);
        if done >= count {
            break;
        }
    }
    println!("{done} kills");
}

#[test]
fn at_random_instants() {
    // about the time of a run
    let start = Instant::now();
    let place = Place::new();
    place.finish("a first run");
    let time = start.elapsed().as_micros() as u32;
    kill_runs(kills() / 2, 1, |place, rng| {
        let instant = Duration::from_micros(u64::from(rng.below(time)));
        let mut child = place.command("", place.next()).stderr(std::process::Stdio::null()).spawn().expect("a process");
        sleep(instant);
        _ = child.kill();
        child.wait().expect("an end");
        format!("killed after {instant:?}")
    });
}

#[test]
fn at_the_nth_system_call() {
    if !has_strace() {
        return;
    }
    kill_runs(kills() / 2, 2, |place, rng| {
        let call = CALLS[rng.below(CALLS.len() as u32) as usize];
        let nth = 1 + rng.below(match call {
            "write" | "openat" => 60,
            _ => 12,
        });
        let inject = format!("strace -f -qq -o /dev/null -e trace={call} -e inject={call}:signal=SIGKILL:when={nth}");
        place.output(&inject, place.next());
        format!("killed at {call} {nth}")
    });
}
