//! The message of a test that cannot run here.

use std::fmt::Display;
use std::io::{Write, stderr};

/// Prints that the running test is skipped, and why, to standard error. The test harness captures `eprintln!` and shows
/// it only for tests that fail; it does not capture this.
pub fn skipped(why: impl Display) {
    let test = std::thread::current();
    // in one piece: other tests write too
    let line = format!("SKIPPED {}: {why}\n", test.name().unwrap_or("a test"));
    stderr().write_all(line.as_bytes()).expect("a standard error");
}
