//! Threads that spin while they wait for work.
//!
//! A step is some hundred forks, microseconds apart. A thread of the pool that finds no work goes to sleep after a few
//! microseconds and takes tens of them to wake up, which is as long as many kernels run.
//!
//! Why it loses nothing and always ends:
//!
//! - *No data passes through its two atomics*, so `Relaxed` is enough: a thread acts on each only to begin or to stop
//!   waiting. What one task reads of another's passes through rayon's own synchronisation of forks. A store becomes
//!   visible to all threads in finite time, and each wait is a loop that loads again.
//! - *[`SpinGuard::new`] ends*: it waits until each other thread has begun its copy of the task. The pool has nothing
//!   else to do (the precondition), so each takes it. The caller's own copy stays in its queue and does nothing.
//! - *No work waits for a spinning thread*: it takes the pool's tasks between two looks, at most `SLEEP` apart. A task
//!   that it runs may fork and, while it waits inside that fork, take other tasks; none of those is a copy of this
//!   guard's task, since all copies have begun.
//! - *The threads return*: dropping the guard, also when a panic unwinds through the caller, sets `over`, which nothing
//!   resets.
//! - *A guard that follows another one at once* may find a thread that still spins for the old one. That thread takes
//!   the new copy inside the old loop, counts as spinning, and leaves both loops when the new guard is dropped.
//! - *Two guards that begin at once in one pool* would wait for each other for ever, as neither takes tasks while it
//!   waits: the precondition excludes them. [`device::with`](crate::engine::device::with) has a pool of its own, and
//!   begins its only guard before any work.

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
