//! The five loops around the micro-kernel; [the module](super) has a diagram.
//!
//! Where the rows of `b` are vectors as they lie, its panels are not packed in a pass of their own: the first tile of
//! each panel multiplies from where `b` lies, and packs the panel meanwhile. The wait for memory is spent multiplying.
//!
//! For each block of depth, an element of `c` is one chain of fused multiply-adds in order, from zero. The chains are
//! added to the element in order, and the bias last. Blocks of depth begin at multiples of KC, however the product is
//! cut otherwise and whichever operand is `a`, so an element's bits depend on its row and its column alone (except for
//! a single row: see [`gemv`]).

use super::blocking::{KC, MC, NC, NR_VECTORS, PACKED_STRIDE, panel_vectors};
use super::gemv::gemv;
use super::micro_kernel::{ARows, BPanel, Prefetch, store_transposed, tile};
use super::operands::{CacheLine, Destination, GemmOperand, SerialGemm};
use super::pack;
use super::vector::Vector;

/// Below so many B panels, packing `a` costs more than it saves.
const PANELS_TO_PACK_A: usize = 3;

const A_LINES: usize = MC * PACKED_STRIDE / 16;
const B_LINES: usize = KC * NC / 16;
const C_LINES: usize = MC * NR_VECTORS;

/// What a thread packs operands into, and transposes tiles in.
pub(super) struct PackBuffers(Vec<CacheLine>);

impl PackBuffers {
    pub const EMPTY: PackBuffers = PackBuffers(Vec::new());

    /// Buffers for an A panel, for a block of B panels and for the sums of one panel of `c`, allocated at the first
    /// call.
    fn pointers(&mut self) -> [*mut f32; 3] {
        self.0.resize(A_LINES + B_LINES + C_LINES, CacheLine([0.0; 16]));
        let (a, rest) = self.0.split_at_mut(A_LINES);
        let (b, c) = rest.split_at_mut(B_LINES);
        [a, b, c].map(|lines| lines.as_mut_ptr().cast())
    }

    /// Allocates the buffers now.
    pub fn reserve(&mut self) {
        self.pointers();
    }
}

/// Computes a product on this thread: loops 5 to 3.
///
/// # Safety
/// The CPU has `V`'s instructions; `a`, `b` and `c` point to elements for all of `sizes` at their strides, the bias to
/// one per element of a row (or a column, where `c` is transposed) unless it is null; `c` overlaps neither operand.
#[inline(always)]
pub(super) unsafe fn gemm<V: Vector>(p: &SerialGemm, buffers: &mut PackBuffers) {
    let [packed_a, packed_b, untransposed] = buffers.pointers();
    let [m, k, n] = p.sizes;
    let b_as_it_lies = p.b.column_stride == 1;
    if m == 1 && p.a.column_stride == 1 && p.b.row_stride == 1 && !p.c.transposed {
        // SAFETY: the caller's promise, and the strides that `gemv` needs were checked just now
        return unsafe { gemv::<V>(p) };
    }
    for column in (0..n).step_by(NC) {
        let columns = (n - column).min(NC);
        for depth_start in (0..k).step_by(KC) {
            let depth = (k - depth_start).min(KC);
            let b = p.b.from(depth_start, column);
            if !b_as_it_lies {
                // SAFETY: the block lies within `b`; the buffer has KC x NC numbers, and NC is whole vectors
                unsafe { pack::b_panels::<V>(b, depth, columns, packed_b) }
            }
            let pack_a = p.a.column_stride != 1 || columns > PANELS_TO_PACK_A * NR_VECTORS * V::LANES;
            for row in (0..m).step_by(MC) {
                let rows = (m - row).min(MC);
                let a = p.a.from(row, depth_start);
                // SAFETY: the block lies within `a`; the buffer has MC rows of PACKED_STRIDE
                let a = if pack_a { unsafe { pack::a_panel(a, rows, depth, packed_a) } } else { a };
                let macro_kernel = MacroKernel {
                    rows,
                    depth,
                    columns,
                    a,
                    next_a: p.a.from(row + if pack_a { MC } else { V::MR }, depth_start),
                    unpacked_b: (b_as_it_lies && row == 0).then_some(b),
                    // a single tile reads each panel once
                    pack_b: m > V::MR || !m.is_power_of_two(),
                    packed_b,
                    c: p.c.from(row, column).for_block(depth_start == 0, depth_start + depth == k),
                    untransposed,
                };
                // SAFETY: the block lies within `c`, and is no larger than the buffers
                unsafe { macro_kernel.run::<V>() }
            }
        }
    }
}

/// The product of one block of `a` by one block of `b`.
struct MacroKernel {
    rows: usize,
    depth: usize,
    columns: usize,
    a: GemmOperand,
    /// The part of `a` that comes next, which is prefetched meanwhile.
    next_a: GemmOperand,
    /// `b` as it lies, while its panels are not packed.
    unpacked_b: Option<GemmOperand>,
    /// Whether the first tiles pack panels that are not packed yet.
    pack_b: bool,
    packed_b: *mut f32,
    c: Destination,
    /// A buffer for the sums of a panel, where `c` is transposed.
    untransposed: *mut f32,
}

impl MacroKernel {
    /// Loop 2: the panels of `b`.
    ///
    /// # Safety
    /// The CPU has `V`'s instructions; the pointers are valid for `rows`, `depth` and `columns`, which are at most MC,
    /// KC and NC.
    #[inline(always)]
    unsafe fn run<V: Vector>(&self) {
        let vectors = self.columns.div_ceil(V::LANES);
        let mut first = 0;
        while first < vectors {
            let width = panel_vectors(vectors - first);
            // SAFETY: the caller's promise; a panel begins at a column below `columns`
            unsafe {
                match width {
                    3 => self.panel::<V, 3>(first * V::LANES),
                    2 => self.panel::<V, 2>(first * V::LANES),
                    _ => self.panel::<V, 1>(first * V::LANES),
                }
            }
            first += width;
        }
    }

    /// Loop 1: the tiles of the panel that begins at `column`.
    ///
    /// # Safety
    /// As [`MacroKernel::run`]; and the panel has more than `NRV - 1` vectors of columns.
    #[inline(always)]
    unsafe fn panel<V: Vector, const NRV: usize>(&self, column: usize) {
        let columns = (self.columns - column).min(NRV * V::LANES);
        let packed = self.packed_b.wrapping_add(column * self.depth);
        let mut prefetch = match self.unpacked_b {
            Some(b) => Prefetch::b(b.from(0, column + NRV * V::LANES), columns, self.rows.div_ceil(V::MR)),
            None => Prefetch::a(self.next_a, V::MR),
        };
        let mut row = 0;
        while row < self.rows {
            let a = ARows { a: self.a.from(row, 0), depth: self.depth };
            let mut panel =
                BPanel { at: packed, row_stride: (NRV * V::LANES) as isize, columns, pack_into: std::ptr::null_mut() };
            let c = self.c.from(row, column);
            let sums =
                if c.transposed { self.untransposed.wrapping_add(row * NRV * V::LANES) } else { std::ptr::null_mut() };
            if self.unpacked_b.is_none() {
                prefetch = Prefetch::a(self.next_a.from(row, 0), V::MR);
            }
            let unpacked = self.unpacked_b.filter(|_| row == 0);
            if let Some(b) = unpacked {
                panel = BPanel {
                    at: b.from(0, column).at,
                    row_stride: b.row_stride,
                    columns,
                    pack_into: if self.pack_b { packed } else { std::ptr::null_mut() },
                };
            }
            // SAFETY: a tile is no taller than the rows that are left; the panel is packed, unless `unpacked` says that
            // it is read as it lies
            row += unsafe {
                // where fewer rows are left than MR, smaller tiles follow
                match (self.rows - row, unpacked.is_some()) {
                    (8.., true) if V::MR == 8 => tile::<V, 8, NRV, true>(&a, &panel, &c, sums, &mut prefetch),
                    (8.., false) if V::MR == 8 => tile::<V, 8, NRV, false>(&a, &panel, &c, sums, &mut prefetch),
                    (4.., true) => tile::<V, 4, NRV, true>(&a, &panel, &c, sums, &mut prefetch),
                    (4.., false) => tile::<V, 4, NRV, false>(&a, &panel, &c, sums, &mut prefetch),
                    (2.., true) => tile::<V, 2, NRV, true>(&a, &panel, &c, sums, &mut prefetch),
                    (2.., false) => tile::<V, 2, NRV, false>(&a, &panel, &c, sums, &mut prefetch),
                    (_, true) => tile::<V, 1, NRV, true>(&a, &panel, &c, sums, &mut prefetch),
                    (_, false) => tile::<V, 1, NRV, false>(&a, &panel, &c, sums, &mut prefetch),
                }
            };
        }
        if self.c.transposed {
            let c = self.c.from(0, column);
            // SAFETY: the tiles have written all `rows` of these sums
            unsafe { store_transposed::<V>(self.untransposed, NRV * V::LANES, self.rows, columns, &c) }
        }
    }
}
