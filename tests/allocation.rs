//! A steady training step allocates nothing: the tape's slots keep their buffers and the threads their packing buffers.
//! There is one exception: if `matrixmultiply` is the kernel (`ABR_FILM_KERNEL=portable`, or another CPU), it allocates
//! and frees its own packing buffers in every product.
//!
//! With two threads, rayon assigns tasks by chance. Its queues may grow by a few bytes, and a step may be the first in
//! which a thread needs one more workspace (see `kernels::workspace`). So a few steps may allocate, all together less
//! than the first step.

#![cfg(feature = "abr")]

use abr_film::config::Config;
use abr_film::data::load;
use abr_film::engine::device::{self, Kind};
use abr_film::engine::kernels::select::Kernel;
use abr_film::train::{Outcome, Trainer};
use common::allocation::CountingAllocator;
use std::alloc::Layout;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Packing buffers are aligned to a vector register or a cache line; no other allocation has an alignment of more than
/// 16 bytes.
const PACKING_ALIGNMENT: usize = 32;

static OURS: AtomicUsize = AtomicUsize::new(0);
static OUR_BYTES: AtomicUsize = AtomicUsize::new(0);
static PACKING: AtomicUsize = AtomicUsize::new(0);

/// Counts the allocations of the pool's threads. The test harness has its own thread, which may allocate meanwhile.
fn count(layout: Layout) {
    if rayon::current_thread_index().is_none() {
        return;
    }
    if layout.align() >= PACKING_ALIGNMENT {
        PACKING.fetch_add(1, Relaxed);
    } else {
        OURS.fetch_add(1, Relaxed);
        OUR_BYTES.fetch_add(layout.size(), Relaxed);
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator { allocated: count, freed: |_| {} };

const EPOCHS: usize = 3;

/// The allocations in each step of some epochs: `(count, bytes)` of the crate, and the count of packing buffers. Leaves
/// out the first step of each epoch after the first, as the change of epochs allocates.
fn steps(threads: usize, clip: &str) -> Vec<(usize, usize, usize)> {
    // everything that a step can have: FiLM, peaks, condition dropout, clipping, AdamW, a last batch of another size
    let settings = [
        "data.synth.subjects=30",
        "data.synth.rows_per_subject=8",
        "training.batch_size=16",
        "model.predict_peaks=true",
        "film.condition_dropout=0.2",
        "model.prior=learned",
        "training.weight_by_noise=true",
        clip,
        "training.optimizer.type=\"adamw\"",
    ];
    let config = Config::from_json("test", "{}", &settings.map(String::from)).expect("a configuration");
    let data = load(&config.data, config.model.signal_length, |_, _| {}).expect("data").0;
    let counts = || (OURS.load(Relaxed), OUR_BYTES.load(Relaxed), PACKING.load(Relaxed));
    device::with(Kind::Cpu, Some(threads), |device| {
        let (mut trainer, _) = Trainer::new(&config, &data, device)?;
        let mut seen = Vec::with_capacity(256);
        for epoch in 0..EPOCHS {
            let mut before = counts();
            let outcome = trainer.epoch(|step| {
                let now = counts();
                if epoch == 0 || step > 1 {
                    seen.push((now.0 - before.0, now.1 - before.1, now.2 - before.2));
                }
                before = counts();
                ControlFlow::Continue(())
            })?;
            assert!(matches!(outcome, Outcome::Done(_)));
        }
        Ok(seen)
    })
    .expect("epochs")
}

/// Only one test, as the counters belong to the process.
#[test]
fn a_steady_step_allocates_nothing() {
    let portable = Kernel::selected().expect("a kernel") == Kernel::Portable;
    // without clipping the optimizer step of weights runs in the backward pass
    let clips =
        [1, 2].into_iter().flat_map(|t| [(t, "training.gradient_clip=1.0"), (t, "training.gradient_clip=null")]);
    // the ways in which a condition enters
    let others = ["film.gate=true", "film.mixing=true", "film.encoder=true", "film.rank=4"].map(|set| (1, set));
    let conditioning = ["concat", "cross_attention"].map(|name| (1, name));
    for (threads, set) in clips.chain(others).chain(conditioning) {
        let set = if set.contains('=') { set.to_string() } else { format!("model.conditioning={set}") };
        let seen = steps(threads, &set);
        println!("{threads} threads, (allocations, bytes, packing buffers) by step: {seen:?}");
        let (first, steady) = (seen[0], &seen[1..]);
        assert!(steady.len() >= 24, "only {} steps", seen.len());
        // the counters work: the first step fills the tape's slots, and every product of matrixmultiply packs
        assert!(first.0 > 100 && first.1 > 1 << 20, "{first:?}");
        assert!(steady.iter().all(|step| (step.2 > 0) == portable), "packing buffers");
        // rayon's queues
        let allowed = if threads == 1 { (0, 0) } else { (8, 8192) };
        let more = steady.iter().filter(|step| step.0 > allowed.0 || step.1 > allowed.1).count();
        let bytes: usize = steady.iter().map(|step| step.1).sum();
        if threads == 1 {
            assert_eq!(more, 0, "steps that allocate");
        } else {
            // workspaces
            assert!(4 * more <= steady.len(), "{more} of {} steps allocate", steady.len());
            assert!(bytes < first.1, "{bytes} bytes in steady steps, {} in the first", first.1);
        }
    }
}
