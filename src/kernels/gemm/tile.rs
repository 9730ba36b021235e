//! The micro-kernel, and how its sums come into `c`.

use super::blocks::{DEEP, Line, Matrix};
use super::vector::Vector;

/// Vectors of the widest tile.
pub(super) const WIDTH: usize = 3;

/// Steps along the depth of a tile between two requests.
const PACE: usize = 8;

/// Asks for what the next tiles read, a little at a time: rows of a weight matrix are pages apart, which no CPU
/// foresees.
pub(super) struct Ahead {
    pub at: *const f32,
    /// Rows asked for at once, how far apart, and the cache lines of each.
    pub rows: usize,
    pub row: isize,
    pub lines: usize,
    /// From one request to the next.
    pub step: isize,
    /// Into the second cache, not the first.
    pub second: bool,
}

impl Ahead {
    /// The next `height` rows of `a` while as many are multiplied.
    #[inline(always)]
    pub fn left(a: Matrix, height: usize) -> Ahead {
        Ahead { at: a.at, rows: height, row: a.row, lines: 1, step: PACE as isize * a.column, second: true }
    }

    /// The next panel of `b`, `lanes` wide, while `tiles` are multiplied.
    #[inline(always)]
    pub fn right(b: Matrix, lanes: usize, tiles: usize) -> Ahead {
        let rows = PACE.div_ceil(tiles);
        Ahead { at: b.at, rows, row: b.row, lines: lanes.div_ceil(16), step: rows as isize * b.row, second: false }
    }

    #[inline(always)]
    unsafe fn ask<V: Vector>(&mut self) {
        for row in 0..self.rows {
            let at = self.at.wrapping_offset(row as isize * self.row);
            for line in 0..self.lines {
                let at = at.wrapping_add(16 * line);
                unsafe { if self.second { V::prefetch_second(at) } else { V::prefetch(at) } }
            }
        }
        self.at = self.at.wrapping_offset(self.step);
    }
}

/// The rows of `a` of a tile.
pub(super) struct Left {
    pub a: Matrix,
    pub depth: usize,
}

/// The panel of `b` of a tile.
pub(super) struct Right {
    pub at: *const f32,
    /// Row stride.
    pub row: isize,
    /// Columns.
    pub lanes: usize,
    /// Where to pack it as well, or null.
    pub pack: *mut f32,
}

/// What is written.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub at: *mut f32,
    pub row: isize,
    pub column: isize,
    /// Columns are consecutive elements, not rows.
    pub turned: bool,
    /// It is added to, not overwritten.
    pub add: bool,
    /// What to add last along the direction of consecutive elements, or null.
    pub bias: *const f32,
}

impl Target {
    /// The part from this row and column on, of a later chain (`more`), or of one that others follow (`unfinished`).
    #[inline(always)]
    pub fn block(&self, row: usize, column: usize, more: bool, unfinished: bool) -> Target {
        let along = if self.turned { row } else { column };
        Target {
            at: self.at.wrapping_offset(row as isize * self.row + column as isize * self.column),
            add: self.add || more,
            bias: if unfinished || self.bias.is_null() { std::ptr::null() } else { self.bias.wrapping_add(along) },
            ..*self
        }
    }
}

/// `HEIGHT` rows of `WIDTH` vectors in registers, stored into `c`, or into `turned` unless that is null; gives
/// `HEIGHT`. `FRESH`: the panel is read where it lies.
///
/// # Safety
/// The CPU has `V`'s instructions; the pointers are valid for a tile; no tile is deeper than `DEEP`.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "a row and a column of registers: the indices are what is meant")]
pub(super) unsafe fn tile<V: Vector, const HEIGHT: usize, const WIDTH: usize, const FRESH: bool>(
    left: &Left,
    right: &Right,
    c: &Target,
    turned: *mut f32,
    ahead: &mut Ahead,
) -> usize {
    let last = right.lanes - (WIDTH - 1) * V::LANES;
    unsafe {
        if turned.is_null() {
            for h in 0..HEIGHT {
                for w in 0..WIDTH {
                    V::prefetch(c.at.wrapping_offset(h as isize * c.row).wrapping_add(w * V::LANES));
                }
            }
        }
        debug_assert!(left.depth <= DEEP);
        let (mut a, mut b, mut pack) = (left.a.at, right.at, right.pack);
        let mut sums = [[V::zero(); WIDTH]; HEIGHT];
        for k in 0..left.depth {
            if k % PACE == 0 {
                ahead.ask::<V>();
            }
            let mut x = [V::zero(); WIDTH];
            for w in 0..WIDTH {
                let b = b.add(w * V::LANES);
                x[w] = if FRESH && w + 1 == WIDTH { V::load_first(b, last) } else { V::load(b) };
            }
            if FRESH && !pack.is_null() {
                for w in 0..WIDTH {
                    x[w].store(pack.add(w * V::LANES));
                }
                pack = pack.add(WIDTH * V::LANES);
            }
            for h in 0..HEIGHT {
                let left = V::splat(a.offset(h as isize * left.a.row));
                for w in 0..WIDTH {
                    sums[h][w] = sums[h][w].plus_product(left, x[w]);
                }
            }
            a = a.wrapping_offset(left.a.column);
            b = b.wrapping_offset(right.row);
        }
        for h in 0..HEIGHT {
            for w in 0..WIDTH {
                let lanes = if w + 1 < WIDTH { V::LANES } else { last };
                if turned.is_null() {
                    finish(sums[h][w], c, c.at.offset(h as isize * c.row), w * V::LANES, lanes);
                } else {
                    sums[h][w].store(turned.add((h * WIDTH + w) * V::LANES));
                }
            }
        }
    }
    HEIGHT
}

/// Adds what belongs to a sum and stores its first `lanes` at `line + offset`.
#[inline(always)]
unsafe fn finish<V: Vector>(sum: V, c: &Target, line: *mut f32, offset: usize, lanes: usize) {
    unsafe {
        let (line, mut sum) = (line.add(offset), sum);
        if c.add {
            sum = load::<V>(line, lanes).add(sum);
        }
        if !c.bias.is_null() {
            sum = sum.add(load::<V>(c.bias.add(offset), lanes));
        }
        if lanes == V::LANES { sum.store(line) } else { sum.store_first(line, lanes) }
    }
}

/// Adds what belongs to the sum of a single element and stores it.
///
/// # Safety
/// `c` is valid for an element.
#[inline(always)]
pub(super) unsafe fn finish_one(sum: f32, c: &Target) {
    unsafe {
        let sum = if c.add { *c.at + sum } else { sum };
        *c.at = if c.bias.is_null() { sum } else { sum + *c.bias };
    }
}

#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, lanes: usize) -> V {
    unsafe { if lanes == V::LANES { V::load(from) } else { V::load_first(from, lanes) } }
}

/// Stores the transpose of `rows` x `columns` sums, which lie in rows `stride` apart, into `c`'s columns.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(super) unsafe fn turn<V: Vector>(sums: *const f32, stride: usize, rows: usize, columns: usize, c: &Target) {
    // one transpose of the widest vectors
    let mut lines = std::mem::MaybeUninit::<[Line; 16]>::uninit();
    let to = lines.as_mut_ptr().cast::<f32>();
    unsafe {
        for row in (0..rows).step_by(V::LANES) {
            let lanes = (rows - row).min(V::LANES);
            for column in (0..columns).step_by(V::LANES) {
                let count = (columns - column).min(V::LANES);
                V::transpose(sums.add(row * stride + column), stride as isize, lanes, count, to, V::LANES);
                for j in 0..count {
                    let line = c.at.offset((column + j) as isize * c.column);
                    finish(V::load(to.add(j * V::LANES)), c, line, row, lanes);
                }
            }
        }
    }
}
