//! The block sizes of the five loops; [the module](super) has a diagram.
//!
//! MR and the lanes of a vector belong to an instruction set: see [`Vector`](super::vector::Vector).

/// Depth of a block of either operand.
pub(super) const KC: usize = 256;

/// Columns of a packed block of `b`: whole B panels of either instruction set. 528 KiB at full depth.
pub(super) const NC: usize = 528;

/// Rows of a block of `a`: whole tiles and whole transposes of either instruction set. 64 KiB at full depth.
pub(super) const MC: usize = 64;

/// NR, in vectors: the width of the widest tile and of the B panel that it reads.
pub(super) const NR_VECTORS: usize = 3;

/// Packed stride: the distance between the rows of an A panel that is packed by rows. It is one cache line more than
/// the depth, so that these rows lie in different sets of the L1 cache.
pub(super) const PACKED_STRIDE: usize = KC + 16;

/// Vectors of the next B panel when `left` vectors are still to come: NR, but two and two instead of three and one.
#[inline(always)]
pub(super) fn panel_vectors(left: usize) -> usize {
    if left == 4 { 2 } else { left.min(NR_VECTORS) }
}
