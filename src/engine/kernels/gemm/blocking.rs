//! The block sizes of the five loops; [the module](super) has a diagram.
//!
//! MR and the lanes of a vector belong to an instruction set: see [`Vector`](super::vector::Vector).

use super::caches;
use std::sync::LazyLock;

/// Depth of a block of either operand. Bits depend on it, so it is the same whatever the caches are.
pub(super) const KC: usize = 384;

/// Columns of a packed block of `b`: whole B panels of either instruction set. 1.5 MiB at full depth.
pub(super) const NC: usize = 1056;

/// The most and the fewest rows of a block of `a`: whole tiles and whole transposes of either instruction set.
const MC: [usize; 2] = [32, 320];

/// The L2 cache where the CPU does not say its size.
const USUAL_L2: usize = 1 << 20;

/// MC: the rows of a block of `a` that take a quarter of the L2 cache. The other panels pass through the rest.
pub(super) fn mc() -> usize {
    static OF_THIS_CPU: LazyLock<usize> = LazyLock::new(|| rows_of_a(caches::l2_bytes().unwrap_or(USUAL_L2)));
    *OF_THIS_CPU
}

fn rows_of_a(l2_bytes: usize) -> usize {
    let rows = l2_bytes / 4 / (KC * size_of::<f32>());
    (rows / MC[0] * MC[0]).clamp(MC[0], MC[1])
}

/// NR, in vectors: the width of the widest tile and of the B panel that it reads.
pub(super) const NR_VECTORS: usize = 3;

/// Vectors of the next B panel when `left` vectors are still to come: NR, but two and two instead of three and one.
#[inline(always)]
pub(super) fn panel_vectors(left: usize) -> usize {
    if left == 4 { 2 } else { left.min(NR_VECTORS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_a_takes_a_quarter_of_the_l2_cache_in_whole_tiles() {
        for (l2_kib, rows) in [(0, 32), (256, 32), (512, 64), (1024, 160), (1280, 192), (2048, 320), (1 << 20, 320)] {
            assert_eq!(rows_of_a(l2_kib << 10), rows, "{l2_kib} KiB");
        }
        assert_eq!(mc() % MC[0], 0);
    }

    #[test]
    fn panels_have_at_most_three_vectors_and_none_has_one_where_four_are_left() {
        assert_eq!([1, 2, 3, 4, 5, 9].map(panel_vectors), [1, 2, 3, 2, 3, 3]);
    }
}
