//! The matrices of a product as the kernels see them: pointers and strides.

/// An operand, by its strides in elements.
#[derive(Clone, Copy)]
pub(super) struct GemmOperand {
    pub at: *const f32,
    pub row_stride: isize,
    pub column_stride: isize,
}

impl GemmOperand {
    /// The part that begins at this row and column. The operand need not have them: nothing is read here.
    #[inline(always)]
    pub fn from(self, row: usize, column: usize) -> Self {
        let offset = row as isize * self.row_stride + column as isize * self.column_stride;
        GemmOperand { at: self.at.wrapping_offset(offset), ..self }
    }
}

/// The matrix that a product writes.
#[derive(Clone, Copy)]
pub(super) struct Destination {
    pub at: *mut f32,
    pub row_stride: isize,
    pub column_stride: isize,
    /// The elements of a column are consecutive, not those of a row.
    pub transposed: bool,
    /// The product is added to what lies there (BLAS: beta = 1) and does not overwrite it (beta = 0).
    pub accumulate: bool,
    /// The bias along the direction of consecutive elements, which is added last; or null.
    pub bias: *const f32,
}

impl Destination {
    /// The part that begins at this row and column.
    #[inline(always)]
    pub fn from(&self, row: usize, column: usize) -> Destination {
        let along = if self.transposed { row } else { column };
        let offset = row as isize * self.row_stride + column as isize * self.column_stride;
        Destination {
            at: self.at.wrapping_offset(offset),
            bias: if self.bias.is_null() { self.bias } else { self.bias.wrapping_add(along) },
            ..*self
        }
    }

    /// The same elements for one of several blocks of depth: all but the first accumulate, and the last adds the bias.
    #[inline(always)]
    pub fn for_block(self, first: bool, last: bool) -> Destination {
        Destination {
            accumulate: self.accumulate || !first,
            bias: if last { self.bias } else { std::ptr::null() },
            ..self
        }
    }

    /// Stores one element: `sum`, plus the old value and the bias where these belong to it.
    ///
    /// # Safety
    /// The destination has an element at `at`, and a bias there unless that is null.
    #[inline(always)]
    pub unsafe fn store_one(&self, sum: f32) {
        // SAFETY: the caller promises that both pointers are valid for one element
        unsafe {
            let sum = if self.accumulate { *self.at + sum } else { sum };
            *self.at = if self.bias.is_null() { sum } else { sum + *self.bias };
        }
    }
}

/// `c = a b` or `c += a b`, plus a bias, on one thread; `a` `[m, k]`, `b` `[k, n]`, `c` `[m, n]`; no size is 0.
pub(super) struct SerialGemm {
    /// `[m, k, n]`
    pub sizes: [usize; 3],
    pub a: GemmOperand,
    pub b: GemmOperand,
    pub c: Destination,
}

/// A cache line: A unit of aligned memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct CacheLine(pub [f32; 16]);
