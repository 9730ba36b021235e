//! Dropout masks from counter-based random bits.

use super::vectorized::vectorized;
use crate::engine::rng::{LANES, Stream};
use crate::engine::tensor::Real;

/// The elements that a dropout drops: those whose random bits, as a number, are below a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropoutMask {
    pub stream: Stream,
    pub drop_below: u32,
    /// The other elements are multiplied by this.
    pub keep: f64,
}

impl DropoutMask {
    /// Dropout with probability `p` (below 1) from the bits of `stream`.
    pub fn new(p: f64, stream: Stream) -> Self {
        DropoutMask { stream, drop_below: threshold(p), keep: 1.0 / (1.0 - p) }
    }

    /// Writes the multipliers (0 or `keep`) of a row of the batch, for the columns from `first` on, which is a multiple
    /// of 4.
    pub fn row<T: Real>(&self, row: usize, first: usize, out: &mut [T]) {
        debug_assert!(first.is_multiple_of(4), "random bits come for four elements at a time");
        multipliers(out, self, row as u32, (first / 4) as u32);
    }
}

/// An event of probability `p` happens where 32 random bits, as a number, are below this.
pub fn threshold(p: f64) -> u32 {
    (p * 4_294_967_296.0) as u32
}

vectorized! {
    fn multipliers<T>(out: &mut [T], mask: &DropoutMask, row: u32, quad: u32) {
        let (zero, keep) = (T::zero(), T::of(mask.keep));
        let mut quad = quad;
        let (whole, rest) = out.as_chunks_mut::<{ 4 * LANES }>();
        for out in whole {
            let bits = mask.stream.bits_in_lanes(row, quad);
            for lane in 0..LANES {
                for (element, bits) in bits.iter().enumerate() {
                    out[4 * lane + element] = if bits[lane] < mask.drop_below { zero } else { keep };
                }
            }
            quad += LANES as u32;
        }
        for out in rest.chunks_mut(4) {
            for (out, bits) in out.iter_mut().zip(mask.stream.bits(row, quad)) {
                *out = if bits < mask.drop_below { zero } else { keep };
            }
            quad += 1;
        }
    }
}
