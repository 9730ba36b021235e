//! The micro-kernel: one tile of `c` in registers, and how its sums are stored.

use super::blocking::KC;
use super::operands::{CacheLine, Destination, GemmOperand};
use super::pack::RowPacker;
use super::vector::Vector;

/// Steps along the depth of a tile between two rounds of other work.
const ROUND: usize = 8;

/// What is done a little at a time while a tile is computed: its multiply-adds hide the waits for memory.
pub(super) struct Meanwhile {
    pub prefetch: Prefetch,
    pub pack: RowPacker,
    /// The rows that a round packs.
    rows: usize,
}

impl Meanwhile {
    /// Packs the next panel of `b` while `tiles` tiles are computed.
    #[inline(always)]
    pub fn pack(pack: RowPacker, tiles: usize) -> Meanwhile {
        Meanwhile { prefetch: Prefetch::NOTHING, pack, rows: ROUND.div_ceil(tiles) }
    }

    /// # Safety
    /// The CPU has `V`'s instructions, and [`RowPacker::advance`] may be called.
    #[inline(always)]
    unsafe fn round<V: Vector>(&mut self) {
        // SAFETY: the caller's promise
        unsafe {
            self.prefetch.advance::<V>();
            self.pack.advance::<V>(self.rows);
        }
    }
}

/// Prefetches the rows of `a` that the next tile reads, into L2: rows of a weight matrix lie pages apart, which no
/// hardware prefetcher follows, and share a set of the L1 cache, where the lines are still in use.
pub(super) struct Prefetch {
    at: *const f32,
    rows: usize,
    row_stride: isize,
    /// From one round to the next.
    step: isize,
}

impl Prefetch {
    pub const NOTHING: Prefetch = Prefetch { at: std::ptr::null(), rows: 0, row_stride: 0, step: 0 };

    /// The next `rows` rows of `a`, while a tile of as many rows is computed.
    #[inline(always)]
    pub fn a(a: GemmOperand, rows: usize) -> Prefetch {
        Prefetch { at: a.at, rows, row_stride: a.row_stride, step: ROUND as isize * a.column_stride }
    }

    /// # Safety
    /// The CPU has `V`'s instructions.
    #[inline(always)]
    unsafe fn advance<V: Vector>(&mut self) {
        for row in 0..self.rows {
            // SAFETY: the CPU has the instruction, and any address may be prefetched
            unsafe { V::prefetch_l2(self.at.wrapping_offset(row as isize * self.row_stride)) }
        }
        self.at = self.at.wrapping_offset(self.step);
    }
}

/// What a tile reads of `a`: some rows, packed or as they lie.
pub(super) struct ARows {
    pub a: GemmOperand,
    pub depth: usize,
}

/// What a tile reads of `b`: one packed panel.
pub(super) struct BPanel {
    pub at: *const f32,
    pub columns: usize,
}

/// Computes a tile of `MR` rows and `NRV` vectors in registers, and returns `MR`. It stores the tile into `c`, or into
/// `untransposed` unless that is null.
///
/// # Safety
/// The CPU has `V`'s instructions; `a` and `b` point to what a tile of this size reads, at most `KC` deep, and `c` or
/// `untransposed` to what it writes; `meanwhile` packs from and to valid memory.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "the indices are the row and the column of a tile of registers")]
pub(super) unsafe fn tile<V: Vector, const MR: usize, const NRV: usize>(
    a: &ARows,
    b: &BPanel,
    c: &Destination,
    untransposed: *mut f32,
    meanwhile: &mut Meanwhile,
) -> usize {
    debug_assert!(a.depth <= KC);
    let last = b.columns - (NRV - 1) * V::LANES;
    // SAFETY: the pointers move along the depth, of `depth` steps; a packed panel is whole vectors. Of `c`, only `last`
    // lanes of the last vector are stored.
    unsafe {
        if untransposed.is_null() {
            for row in 0..MR {
                for v in 0..NRV {
                    V::prefetch_l1(c.at.wrapping_offset(row as isize * c.row_stride).wrapping_add(v * V::LANES));
                }
            }
        }
        let (mut a_at, mut b_at) = (a.a.at, b.at);
        let mut sums = [[V::zero(); NRV]; MR];
        for k in 0..a.depth {
            if k % ROUND == 0 {
                meanwhile.round::<V>();
            }
            let mut b_row = [V::zero(); NRV];
            for v in 0..NRV {
                b_row[v] = V::load(b_at.add(v * V::LANES));
            }
            for row in 0..MR {
                let a_element = V::splat(a_at.offset(row as isize * a.a.row_stride));
                for v in 0..NRV {
                    sums[row][v] = sums[row][v].fma(a_element, b_row[v]);
                }
            }
            a_at = a_at.wrapping_offset(a.a.column_stride);
            b_at = b_at.wrapping_add(NRV * V::LANES);
        }
        for row in 0..MR {
            for v in 0..NRV {
                let lanes = if v + 1 < NRV { V::LANES } else { last };
                if untransposed.is_null() {
                    store(sums[row][v], c, c.at.offset(row as isize * c.row_stride), v * V::LANES, lanes);
                } else {
                    sums[row][v].store(untransposed.add((row * NRV + v) * V::LANES));
                }
            }
        }
    }
    MR
}

/// Stores the first `lanes` of a sum at `line + offset`, plus the old values and the bias where these belong to it.
///
/// # Safety
/// The CPU has `V`'s instructions; `line` has `lanes` elements from `offset` on, and so has the bias unless it is null.
#[inline(always)]
unsafe fn store<V: Vector>(sum: V, c: &Destination, line: *mut f32, offset: usize, lanes: usize) {
    // SAFETY: only these `lanes` elements are read or written
    unsafe {
        let (line, mut sum) = (line.add(offset), sum);
        if c.accumulate {
            sum = load::<V>(line, lanes).add(sum);
        }
        if !c.bias.is_null() {
            sum = sum.add(load::<V>(c.bias.add(offset), lanes));
        }
        if lanes == V::LANES { sum.store(line) } else { sum.store_first(line, lanes) }
    }
}

/// # Safety
/// The CPU has `V`'s instructions; `from` has `lanes` elements.
#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, lanes: usize) -> V {
    // SAFETY: the whole vector is loaded only where it has all its lanes
    unsafe { if lanes == V::LANES { V::load(from) } else { V::load_first(from, lanes) } }
}

/// Stores the transpose of `rows` x `columns` sums, which lie in rows `stride` apart, into the columns of `c`.
///
/// # Safety
/// As [`tile`]; `sums` has so many rows of whole vectors.
#[inline(always)]
pub(super) unsafe fn store_transposed<V: Vector>(
    sums: *const f32,
    stride: usize,
    rows: usize,
    columns: usize,
    c: &Destination,
) {
    // one transpose of the widest vectors
    let mut lines = std::mem::MaybeUninit::<[CacheLine; 16]>::uninit();
    let to = lines.as_mut_ptr().cast::<f32>();
    // SAFETY: a transpose writes `count` vectors, at most LANES <= 16 of LANES <= 16 numbers, and `store` reads these
    // alone; rows and columns of `c` stay below `rows` and `columns`.
    unsafe {
        for row in (0..rows).step_by(V::LANES) {
            let lanes = (rows - row).min(V::LANES);
            for column in (0..columns).step_by(V::LANES) {
                let count = (columns - column).min(V::LANES);
                V::transpose(sums.add(row * stride + column), stride as isize, lanes, count, to, V::LANES);
                for j in 0..count {
                    let line = c.at.offset((column + j) as isize * c.column_stride);
                    store(V::load(to.add(j * V::LANES)), c, line, row, lanes);
                }
            }
        }
    }
}
