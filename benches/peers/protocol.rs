//! How a measured program talks to `benches/peers.py`. Its arguments say what to run (`step batch=32 film=false`); after the
//! first run it writes one line of JSON. Then each line it reads is a number of seconds to run for, and is answered by the
//! median of the runs' times.

#[path = "../common/median.rs"]
pub mod median;

use median::median;
use std::io::stdin;
use std::str::FromStr;
use std::time::Instant;

/// The value of `key=value` among the arguments.
pub fn argument<T: FromStr>(key: &str, default: T) -> T {
    let found = std::env::args().find_map(|arg| Some(arg.strip_prefix(key)?.strip_prefix('=')?.to_string()));
    let parse = |text: String| text.parse().unwrap_or_else(|_| panic!("{key}={text} is no value"));
    found.map_or(default, parse)
}

/// Runs once, says what is there, and measures until the input ends.
pub fn serve(version: &str, parameters: usize, mut run: impl FnMut()) {
    run();
    println!(r#"{{"version": "{version}", "parameters": {parameters}}}"#);
    for line in stdin().lines() {
        let seconds: f64 = line.expect("a line").trim().parse().expect("seconds");
        // others had their turns in between: the first run finds none of its data in the caches
        run();
        let (begin, mut times) = (Instant::now(), Vec::new());
        while times.is_empty() || begin.elapsed().as_secs_f64() < seconds {
            let start = Instant::now();
            run();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let runs = times.len();
        println!(r#"{{"ms": {}, "runs": {runs}}}"#, median(times));
    }
}
