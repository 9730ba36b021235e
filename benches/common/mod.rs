//! What all benches share: sizes, threads, and measuring from inside the pool.

use criterion::Bencher;
use rayon::ThreadPool;
use std::time::Instant;

/// Rows in a step.
pub const BATCHES: [usize; 3] = [32, 128, 512];

/// The threads to measure on: `ABR_FILM_THREADS`, or one a core.
pub fn threads() -> ThreadPool {
    let asked = std::env::var("ABR_FILM_THREADS").ok().map(|text| text.parse().expect("ABR_FILM_THREADS: a number"));
    rayon::ThreadPoolBuilder::new().num_threads(asked.unwrap_or(0)).build().expect("threads")
}

/// Measures `work` from inside the pool, where a training runs it: entering the pool costs more than a small op.
pub fn measure(b: &mut Bencher, pool: &ThreadPool, mut work: impl FnMut() + Send) {
    b.iter_custom(|times| {
        pool.install(|| {
            let start = Instant::now();
            (0..times).for_each(|_| work());
            start.elapsed()
        })
    });
}
