//! What all benches share: sizes, threads, measuring from inside the pool, by criterion or in turns.

pub mod on;
pub mod op;
pub mod peak;
pub mod products;
pub mod products_gpu;
pub mod trainer;
pub mod work;

use abr_film::kernels::spin::SpinGuard;
use criterion::{Bencher, Criterion};
pub use peer_protocol::median;
use rayon::ThreadPool;
use std::time::{Duration, Instant};

/// Rows in a step.
pub const BATCHES: [usize; 4] = [32, 128, 512, 2048];

/// The threads to measure on: `ABR_FILM_THREADS`, or one a core.
pub fn threads() -> ThreadPool {
    threads_or(0)
}

/// `ABR_FILM_THREADS` threads, or `default` (0: one a core).
pub fn threads_or(default: usize) -> ThreadPool {
    let asked = std::env::var("ABR_FILM_THREADS").ok().map(|text| text.parse().expect("ABR_FILM_THREADS: a number"));
    rayon::ThreadPoolBuilder::new().num_threads(asked.unwrap_or(default)).build().expect("threads")
}

/// Runs `work` in the pool as a training does, whose threads wait for work awake.
pub fn inside<R: Send>(pool: &ThreadPool, work: impl FnOnce() -> R + Send) -> R {
    pool.install(|| {
        let _spinning = SpinGuard::new();
        work()
    })
}

/// Criterion with less patience than its own: a bench of a hundred figures is done in two minutes.
pub fn quick() -> Criterion {
    let [warm, measured] = [200, 500].map(Duration::from_millis);
    Criterion::default().sample_size(20).nresamples(10_000).warm_up_time(warm).measurement_time(measured)
}

/// Measures `work` from inside the pool, where a training runs it: entering the pool costs more than a small op.
pub fn measure(b: &mut Bencher, pool: &ThreadPool, mut work: impl FnMut() + Send) {
    b.iter_custom(|times| {
        inside(pool, || {
            let start = Instant::now();
            (0..times).for_each(|_| work());
            start.elapsed()
        })
    });
}

/// [`measure`] of what a device may carry out later: it is waited for before the clock stops.
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

/// Whether to print a table: where cargo asks for all benches or, as criterion's filter, for this name. No name of a
/// table is a part of a bench's, so that asking for a table runs nothing else.
pub fn wanted(table: &str) -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut names = arguments.iter().filter(|a| !a.starts_with('-')).peekable();
    arguments.iter().any(|a| a == "--bench") && (names.peek().is_none() || names.any(|name| name == table))
}

/// Seconds that `work` takes.
pub fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Two measured in turns, so that what else the machine does meets both alike.
pub struct Pair {
    /// Medians in seconds.
    pub medians: [f64; 2],
    /// The median over the rounds of the first's time by the second's: rounds that the machine slowed slow both, so
    /// this wavers less than the ratio of the medians.
    pub ratio: f64,
}

/// Joins the times of two, one a round.
pub fn pair([first, second]: [Vec<f64>; 2]) -> Pair {
    let ratio = median(first.iter().zip(&second).map(|(a, b)| a / b).collect());
    Pair { medians: [first, second].map(median), ratio }
}
