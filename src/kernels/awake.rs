//! Threads that wait for work awake.
//!
//! A step is some hundred forks, microseconds apart. A thread of the pool that finds no work goes to sleep after some of these, and takes tens
//! to wake up, which is as long as many a kernel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// So long a thread looks for work without a pause, and then so often.
const EAGER: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_micros(100);

/// Pauses between two looks: a thread that only looks slows down the one that shares its core.
const SPINS: usize = 32;

/// Keeps the other threads of the current rayon pool awake while it lives.
#[derive(Debug)]
pub struct Awake(Arc<AtomicBool>);

impl Awake {
    /// Begins. Nothing happens in a pool of more threads than the machine has cores, where one that looks for work keeps another from its own.
    pub fn new() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if (2..=cores).contains(&rayon::current_num_threads()) {
            let (caller, over) = (rayon::current_thread_index(), over.clone());
            rayon::spawn_broadcast(move |thread| {
                if Some(thread.index()) != caller {
                    look_for_work(&over);
                }
            });
        }
        Awake(over)
    }
}

impl Default for Awake {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn look_for_work(over: &AtomicBool) {
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            last = Instant::now();
        } else if last.elapsed() < EAGER {
            (0..SPINS).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::sleep(PAUSE);
        }
    }
}
