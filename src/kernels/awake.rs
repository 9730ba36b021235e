//! Threads that wait for work awake.
//!
//! A step is some hundred forks, microseconds apart. A thread of the pool that finds no work goes to sleep after some
//! of these, and takes tens to wake up, which is as long as many a kernel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// So long a thread without work spins; then it sleeps between looks.
const SPIN: Duration = Duration::from_millis(2);
const SLEEP: Duration = Duration::from_micros(100);

/// Pauses between two looks of a spinning thread: one that only looks slows down what shares its core.
const PAUSES: usize = 32;

/// Keeps the other threads of the current rayon pool awake while it lives.
#[derive(Debug)]
#[must_use]
pub struct Awake(Arc<State>);

#[derive(Debug, Default)]
struct State {
    looking: AtomicUsize,
    over: AtomicBool,
}

impl Awake {
    /// Begins; to be called where nothing else runs in the pool, as it waits for all other threads. Outside of a pool,
    /// and in one of more threads than the machine has cores, where a thread that looks for work keeps another from its
    /// own, nothing happens.
    pub fn new() -> Self {
        let state = Arc::new(State::default());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = rayon::current_num_threads();
        let Some(caller) = rayon::current_thread_index().filter(|_| (2..=cores).contains(&threads)) else {
            return Awake(state);
        };
        let shared = state.clone();
        rayon::spawn_broadcast(move |thread| {
            if thread.index() != caller {
                shared.looking.fetch_add(1, Ordering::Relaxed);
                look_for_work(&shared.over);
            }
        });
        // a thread that began to help with a fork first would find this in its queue when it waits within, and never
        // come back to it
        while state.looking.load(Ordering::Relaxed) < threads - 1 {
            std::thread::yield_now();
        }
        Awake(state)
    }
}

impl Default for Awake {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn look_for_work(over: &AtomicBool) {
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            last = Instant::now();
        } else if last.elapsed() < SPIN {
            (0..PAUSES).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::sleep(SLEEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(from: usize, to: usize) -> usize {
        if to - from <= 4 {
            return (from..to).sum();
        }
        let middle = from + (to - from) / 2;
        let (a, b) = rayon::join(|| sum(from, middle), || sum(middle, to));
        a + b
    }

    /// Forks that begin at once, again and again: none waits for a thread that never comes back.
    #[test]
    fn nested_forks_from_the_first_moment_on() {
        for threads in [1, 2, 3, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for _ in 0..500 {
                let sum = pool.install(|| {
                    let _awake = Awake::new();
                    sum(0, 300)
                });
                assert_eq!(sum, 300 * 299 / 2);
            }
        }
    }
}
