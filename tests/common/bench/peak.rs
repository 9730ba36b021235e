//! The peak rate of this CPU's multiply-add units: independent chains that fill the registers, without memory.

/// `(instruction set, GFLOP/s of one thread as the best of some tries)` for each set that this CPU has.
pub fn all() -> Vec<(&'static str, fn() -> f64)> {
    #[cfg(target_arch = "x86_64")]
    return x86::all();
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::time::Instant;

    /// The loops to time, and how often each adds to every chain.
    const TRIES: usize = 20;
    const STEPS: usize = 100_000;

    pub fn all() -> Vec<(&'static str, fn() -> f64)> {
        let mut all: Vec<(&'static str, fn() -> f64)> = Vec::new();
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: this CPU has AVX-512F, as was checked just now
            all.push(("avx512", || best(16 * CHAINS512, || unsafe { avx512() })));
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: this CPU has AVX2 and FMA, as was checked just now
            all.push(("avx2", || best(8 * CHAINS256, || unsafe { avx2() })));
        }
        all
    }

    const CHAINS512: usize = 24;
    const CHAINS256: usize = 12;

    fn best(lanes: usize, work: impl Fn() -> f32) -> f64 {
        let seconds = (0..TRIES).map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed().as_secs_f64()
        });
        (2 * lanes * STEPS) as f64 / seconds.fold(f64::INFINITY, f64::min) / 1e9
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn avx512() -> f32 {
        let (a, b) = (_mm512_set1_ps(std::hint::black_box(0.5)), _mm512_set1_ps(std::hint::black_box(1.0)));
        let mut chains = [b; CHAINS512];
        for _ in 0..STEPS {
            for chain in &mut chains {
                *chain = _mm512_fmadd_ps(a, *chain, b);
            }
        }
        let mut sum = _mm512_setzero_ps();
        for chain in chains {
            sum = _mm512_add_ps(sum, chain);
        }
        _mm512_reduce_add_ps(sum)
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2() -> f32 {
        let (a, b) = (_mm256_set1_ps(std::hint::black_box(0.5)), _mm256_set1_ps(std::hint::black_box(1.0)));
        let mut chains = [b; CHAINS256];
        for _ in 0..STEPS {
            for chain in &mut chains {
                *chain = _mm256_fmadd_ps(a, *chain, b);
            }
        }
        let mut sum = _mm256_setzero_ps();
        for chain in chains {
            sum = _mm256_add_ps(sum, chain);
        }
        _mm256_cvtss_f32(sum)
    }
}
