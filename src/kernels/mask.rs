//! Dropout masks from counter-based random words.

use super::vectorized::vectorized;
use crate::rng::{LANES, Stream};
use crate::tensor::Real;

/// Which elements a dropout drops: those whose word is below the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropoutMask {
    pub stream: Stream,
    pub drop_below: u32,
    /// What remains is multiplied by this.
    pub keep: f64,
}

impl DropoutMask {
    /// Dropout of probability `p` (below 1) with the words of `stream`.
    pub fn new(p: f64, stream: Stream) -> Self {
        DropoutMask { stream, drop_below: threshold(p), keep: 1.0 / (1.0 - p) }
    }

    /// The multipliers (0 or `keep`) of the columns from `first` on, a multiple of 4, of a row of the batch.
    pub fn row<T: Real>(&self, row: usize, first: usize, out: &mut [T]) {
        debug_assert!(first.is_multiple_of(4), "words come four at a time");
        multipliers(out, self, row as u32, (first / 4) as u32);
    }
}

/// An event of probability `p` happens where a random word is below this.
pub fn threshold(p: f64) -> u32 {
    (p * 4_294_967_296.0) as u32
}

vectorized! {
    fn multipliers<T>(out: &mut [T], mask: &DropoutMask, row: u32, quad: u32) {
        let (zero, keep) = (T::zero(), T::of(mask.keep));
        let mut quad = quad;
        let (whole, rest) = out.as_chunks_mut::<{ 4 * LANES }>();
        for out in whole {
            let words = mask.stream.bits_in_lanes(row, quad);
            for lane in 0..LANES {
                for (word, words) in words.iter().enumerate() {
                    out[4 * lane + word] = if words[lane] < mask.drop_below { zero } else { keep };
                }
            }
            quad += LANES as u32;
        }
        for out in rest.chunks_mut(4) {
            for (out, word) in out.iter_mut().zip(mask.stream.bits(row, quad)) {
                *out = if word < mask.drop_below { zero } else { keep };
            }
            quad += 1;
        }
    }
}
