//! The five loops around the micro-kernel; [the module](super) has a diagram.
//!
//! The first block of `a` packs the panels of `b`, each before its tiles. Where the rows of `b` are vectors as they
//! lie, the next panel is packed while the tiles of a panel are computed: the wait for memory is spent multiplying.
//!
//! For each block of depth, an element of `c` is one chain of fused multiply-adds in order, from zero. The chains are
//! added to the element in order, and the bias last. Blocks of depth begin at multiples of KC, however the product is
//! cut otherwise and whichever operand is `a`, so an element's bits depend on its row and its column alone (except for
//! a single row: see [`gemv`]).

use super::blocking::{KC, NC, NR_VECTORS, mc, panel_vectors};
use super::gemv::gemv;
use super::micro_kernel::{ARows, BPanel, Meanwhile, Prefetch, store_transposed, tile};
use super::operands::{CacheLine, Destination, GemmOperand, SerialGemm};
use super::pack::{self, RowPacker};
use super::vector::Vector;

/// Below so many B panels, packing `a` costs more than it saves.
const PANELS_TO_PACK_A: usize = 3;

const B_LINES: usize = KC * NC / 16;

/// What a thread packs operands into, and transposes tiles in.
pub(super) struct PackBuffers(Vec<CacheLine>);

impl PackBuffers {
    pub const EMPTY: PackBuffers = PackBuffers(Vec::new());

    /// Buffers for a block of A panels, for a block of B panels and for the sums of one panel of `c`, allocated at the
    /// first call.
    fn pointers(&mut self) -> [*mut f32; 3] {
        // one line to spare: see `pack::a_panels`
        let (a_lines, c_lines) = (mc() * KC / 16 + 1, mc() * NR_VECTORS);
        self.0.resize(a_lines + B_LINES + c_lines, CacheLine([0.0; 16]));
        let (a, rest) = self.0.split_at_mut(a_lines);
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
    if m == 1 && p.a.column_stride == 1 && p.b.row_stride == 1 && !p.c.transposed {
        // SAFETY: the caller's promise, and the strides that `gemv` needs were checked just now
        return unsafe { gemv::<V>(p) };
    }
    for column in (0..n).step_by(NC) {
        let columns = (n - column).min(NC);
        for depth_start in (0..k).step_by(KC) {
            let depth = (k - depth_start).min(KC);
            let b = p.b.from(depth_start, column);
            let pack_a = p.a.column_stride != 1 || columns > PANELS_TO_PACK_A * NR_VECTORS * V::LANES;
            for row in (0..m).step_by(mc()) {
                let rows = (m - row).min(mc());
                let a = p.a.from(row, depth_start);
                // SAFETY: the block lies within `a`; the buffer has MC x KC numbers and a line to spare
                let a = if pack_a { unsafe { pack::a_panels::<V>(a, rows, depth, packed_a) } } else { a };
                let macro_kernel = MacroKernel {
                    rows,
                    depth,
                    columns,
                    a,
                    a_is_packed: pack_a,
                    unpacked_b: (row == 0).then_some(b),
                    packed_b,
                    // no other block of `a` reads the panels again
                    two_panels: m <= mc(),
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
    a_is_packed: bool,
    /// `b` as it lies, while its panels are not packed.
    unpacked_b: Option<GemmOperand>,
    packed_b: *mut f32,
    /// Panels are packed over the last but one, so that they stay in the L2 cache.
    two_panels: bool,
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
        // SAFETY: the caller's promise; a panel begins at a column below `columns`
        unsafe {
            self.packer::<V>(0).advance::<V>(self.depth);
            let mut column = 0;
            while column < self.columns {
                column += match self.panel_width::<V>(column) {
                    3 => self.panel::<V, 3>(column),
                    2 => self.panel::<V, 2>(column),
                    _ => self.panel::<V, 1>(column),
                };
            }
        }
    }

    /// The vectors of the panel that begins at `column`.
    #[inline(always)]
    fn panel_width<V: Vector>(&self, column: usize) -> usize {
        panel_vectors((self.columns - column).div_ceil(V::LANES))
    }

    /// Where the panel that begins at `column` is packed.
    #[inline(always)]
    fn packed_panel<V: Vector>(&self, column: usize) -> *mut f32 {
        let column = if self.two_panels { column % (2 * NR_VECTORS * V::LANES) } else { column };
        self.packed_b.wrapping_add(column * self.depth)
    }

    /// Packs the panel that begins at `column` by its rows, unless it is packed, its rows are no vectors, or there is
    /// none.
    #[inline(always)]
    fn packer<V: Vector>(&self, column: usize) -> RowPacker {
        match self.unpacked_b {
            Some(b) if column < self.columns && b.column_stride == 1 => {
                let columns = (self.columns - column).min(self.panel_width::<V>(column) * V::LANES);
                RowPacker::new(b.from(0, column), self.depth, columns, self.packed_panel::<V>(column))
            }
            _ => RowPacker::NOTHING,
        }
    }

    /// The part of `a` that begins at this row.
    #[inline(always)]
    fn rows_of_a<V: Vector>(&self, row: usize) -> GemmOperand {
        if self.a_is_packed {
            let (panel, within) = (row / V::MR, row % V::MR);
            return GemmOperand { at: self.a.at.wrapping_add(panel * V::MR * self.depth + within), ..self.a };
        }
        self.a.from(row, 0)
    }

    /// Loop 1: the tiles of the panel that begins at `column`. Packs the next panel, and returns the width of this one.
    ///
    /// # Safety
    /// As [`MacroKernel::run`]; and the panel has more than `NRV - 1` vectors of columns, and is packed if its rows are
    /// vectors.
    #[inline(always)]
    unsafe fn panel<V: Vector, const NRV: usize>(&self, column: usize) -> usize {
        let columns = (self.columns - column).min(NRV * V::LANES);
        let packed = self.packed_panel::<V>(column);
        if let Some(b) = self.unpacked_b.filter(|b| b.column_stride != 1) {
            // SAFETY: the panel lies within `b`, and its buffer has room for it
            unsafe { pack::b_panel::<V>(b.from(0, column), self.depth, columns, packed) }
        }
        let panel = BPanel { at: packed, columns };
        let mut meanwhile = Meanwhile::pack(self.packer::<V>(column + NRV * V::LANES), self.rows.div_ceil(V::MR));
        let mut row = 0;
        while row < self.rows {
            let a = ARows { a: self.rows_of_a::<V>(row), depth: self.depth };
            let c = self.c.from(row, column);
            let sums =
                if c.transposed { self.untransposed.wrapping_add(row * NRV * V::LANES) } else { std::ptr::null_mut() };
            if !self.a_is_packed {
                meanwhile.prefetch = Prefetch::a(self.a.from(row + V::MR, 0), V::MR);
            }
            // SAFETY: a tile is no taller than the rows that are left; the caller's promise
            row += unsafe {
                // where fewer rows are left than MR, smaller tiles follow
                match self.rows - row {
                    8.. if V::MR == 8 => tile::<V, 8, NRV>(&a, &panel, &c, sums, &mut meanwhile),
                    4.. => tile::<V, 4, NRV>(&a, &panel, &c, sums, &mut meanwhile),
                    2.. => tile::<V, 2, NRV>(&a, &panel, &c, sums, &mut meanwhile),
                    _ => tile::<V, 1, NRV>(&a, &panel, &c, sums, &mut meanwhile),
                }
            };
        }
        // SAFETY: the caller's promise
        unsafe { meanwhile.pack.advance::<V>(self.depth) }
        if self.c.transposed {
            let c = self.c.from(0, column);
            // SAFETY: the tiles have written all `rows` of these sums
            unsafe { store_transposed::<V>(self.untransposed, NRV * V::LANES, self.rows, columns, &c) }
        }
        NRV * V::LANES
    }
}
