//! Threads that spin while they wait for work.
//!
//! A step is some hundred forks, microseconds apart. A thread of the pool that finds no work goes to sleep after a few
//! microseconds and takes tens of them to wake up, which is as long as many kernels run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A thread without work spins for this long; then it sleeps between looks.
const SPIN: Duration = Duration::from_millis(2);
const SLEEP: Duration = Duration::from_micros(100);

/// Pauses between two looks of a spinning thread: without them it slows down the thread that shares its core.
const PAUSES: usize = 32;

/// Keeps the other threads of the current rayon pool spinning while it lives.
#[derive(Debug)]
#[must_use]
pub struct SpinGuard(Arc<SpinState>);

#[derive(Debug, Default)]
struct SpinState {
    spinning: AtomicUsize,
    over: AtomicBool,
}

impl SpinGuard {
    /// Call this where nothing else runs in the pool: it waits until all other threads spin. It does nothing outside of
    /// a pool, or in one of more threads than the machine has cores, where a spinning thread would hold up a working
    /// one.
    pub fn new() -> Self {
        let state = Arc::new(SpinState::default());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = rayon::current_num_threads();
        let Some(caller) = rayon::current_thread_index().filter(|_| (2..=cores).contains(&threads)) else {
            return SpinGuard(state);
        };
        let shared = state.clone();
        rayon::spawn_broadcast(move |thread| {
            if thread.index() != caller {
                shared.spinning.fetch_add(1, Ordering::Relaxed);
                spin_until(&shared.over);
            }
        });
        // If a thread took part in a fork first, it would find this task in its queue while it waits inside that fork,
        // and would never return to the fork.
        while state.spinning.load(Ordering::Relaxed) < threads - 1 {
            std::thread::yield_now();
        }
        SpinGuard(state)
    }
}

impl Default for SpinGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for SpinGuard {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

fn spin_until(over: &AtomicBool) {
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

    /// Forks that begin at once, again and again: none waits for a thread that never returns.
    #[test]
    fn forks_right_after_the_start_finish() {
        for threads in [1, 2, 3, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for _ in 0..500 {
                let sum = pool.install(|| {
                    let _spinning = SpinGuard::new();
                    sum(0, 300)
                });
                assert_eq!(sum, 300 * 299 / 2);
            }
        }
    }
}
