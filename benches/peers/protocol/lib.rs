//! The protocol between a measured program and `benches/peers.py`. The program's arguments name the work (`step
//! batch=32 film=false`); after the first run it writes one line of JSON. Then it reads lines, each a number of seconds
//! to run for, and replies to each with the median time of the runs. On an asynchronous device a time is that of some
//! runs in a row and one wait.

use std::io::stdin;
use std::str::FromStr;
use std::time::Instant;

/// The value of `key=value` among the arguments.
pub fn argument<T: FromStr>(key: &str, default: T) -> T {
    let found = std::env::args().find_map(|arg| Some(arg.strip_prefix(key)?.strip_prefix('=')?.to_string()));
    let parse = |text: String| text.parse().unwrap_or_else(|_| panic!("{key}={text} is no value"));
    found.map_or(default, parse)
}

/// Runs once, prints the first line, and measures until the input ends.
pub fn serve(version: &str, parameters: usize, mut run: impl FnMut()) {
    serve_blocks(version, parameters, 0.0, |times| (0..times).for_each(|_| run()));
}

/// The same for blocks of runs of about `block_ms`, at least one run: `work(n)` runs n times and then waits.
pub fn serve_blocks(version: &str, parameters: usize, block_ms: f64, mut work: impl FnMut(usize)) {
    let mut ms = |times: usize| {
        let start = Instant::now();
        work(times);
        start.elapsed().as_secs_f64() * 1e3 / times as f64
    };
    ms(1);
    println!(r#"{{"version": "{version}", "parameters": {parameters}}}"#);
    for line in stdin().lines() {
        let seconds: f64 = line.expect("a line").trim().parse().expect("seconds");
        // other programs had their turns in between: the first run finds none of its data in the caches
        let once = ms(1);
        let block = ((block_ms / once) as usize).clamp(1, 10_000);
        let (begin, mut times) = (Instant::now(), Vec::new());
        while times.is_empty() || begin.elapsed().as_secs_f64() < seconds {
            times.push(ms(block));
        }
        let runs = times.len() * block;
        println!(r#"{{"ms": {}, "runs": {runs}}}"#, median(times));
    }
}

/// The middle value, or the upper one of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
