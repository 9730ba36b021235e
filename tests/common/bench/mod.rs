//! Helpers that all benches share: sizes, threads, and measuring from inside the pool, by criterion or in turns.

pub mod on;
pub mod op;
pub mod peak;
pub mod products;
pub mod products_gpu;
#[cfg(feature = "abr")]
pub mod trainer;
pub mod work;

use abr_film::engine::kernels::spin::SpinGuard;
use criterion::{Bencher, Criterion};
pub use peer_protocol::median;
use rayon::ThreadPool;
use std::time::{Duration, Instant};

/// Rows in a step.
pub const BATCHES: [usize; 4] = [32, 128, 512, 2048];

/// The threads to measure on: `ABR_FILM_THREADS`, or one per core.
pub fn threads() -> ThreadPool {
    threads_or(0)
}

/// `ABR_FILM_THREADS` threads, or `default` threads (0: one per core).
pub fn threads_or(default: usize) -> ThreadPool {
    let asked = std::env::var("ABR_FILM_THREADS").ok().map(|text| text.parse().expect("ABR_FILM_THREADS: a number"));
    rayon::ThreadPoolBuilder::new().num_threads(asked.unwrap_or(default)).build().expect("threads")
}

/// Runs `work` in the pool as a training does: idle threads spin.
pub fn inside<R: Send>(pool: &ThreadPool, work: impl FnOnce() -> R + Send) -> R {
    pool.install(|| {
        let _spinning = SpinGuard::new();
        work()
    })
}

/// Criterion with shorter times than its own: a bench with a hundred figures takes two minutes.
pub fn quick() -> Criterion {
    let [warm, measured] = [200, 500].map(Duration::from_millis);
    Criterion::default().sample_size(20).nresamples(10_000).warm_up_time(warm).measurement_time(measured)
}

/// Measures `work` from inside the pool, as in a training: to enter the pool costs more than a small op.
pub fn measure(b: &mut Bencher, pool: &ThreadPool, mut work: impl FnMut() + Send) {
    b.iter_custom(|times| {
        inside(pool, || {
            let start = Instant::now();
            (0..times).for_each(|_| work());
            start.elapsed()
        })
    });
}

/// [`measure`] for a device that may run the work later: the clock stops after `wait`.
pub fn measure_on<T: Send>(
    b: &mut Bencher,
    pool: &ThreadPool,
    on: &mut T,
    work: impl Fn(&mut T) + Sync,
    wait: impl Fn(&mut T) + Sync,
) {
    b.iter_custom(|times| {
        inside(pool, || {
            let start = Instant::now();
            (0..times).for_each(|_| work(on));
            wait(on);
            start.elapsed()
        })
    });
}

/// Whether to print a table: if cargo runs all benches, or if criterion's filter is this name. No name of a table is a
/// part of a bench's name, so that the filter for a table runs nothing else.
pub fn wanted(table: &str) -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut names = arguments.iter().filter(|a| !a.starts_with('-')).peekable();
    arguments.iter().any(|a| a == "--bench") && (names.peek().is_none() || names.any(|name| name == table))
}

/// The seconds that `work` takes.
pub fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Two measured in turns, so that other load on the machine affects both alike.
pub struct Pair {
    /// Medians in seconds.
    pub medians: [f64; 2],
    /// The median over the rounds of the first time divided by the second. A disturbance slows both of a round, so this
    /// varies less than the ratio of the medians.
    pub ratio: f64,
}

/// Joins the times of two, one per round.
pub fn pair([first, second]: [Vec<f64>; 2]) -> Pair {
    let ratio = median(first.iter().zip(&second).map(|(a, b)| a / b).collect());
    Pair { medians: [first, second].map(median), ratio }
}
