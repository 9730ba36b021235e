//! Attacks trainings: kills at random instants and at the n-th system call, failing system calls, file systems that are
//! full or read-only, and two processes in one run folder. No file may be torn, and a training that goes on must end in
//! the bytes of one that nobody disturbed.
//!
//! `ABR_FILM_KILLS=2000 cargo test --test crash` kills 2000 times; 200 times without the variable.

#![cfg(all(unix, feature = "cli"))]

mod errors;
mod kills;
mod mounts;
mod pairs;
mod run;
