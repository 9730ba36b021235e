//! AVX2 with FMA: 8 lanes, 16 registers; a tile of 4 x 24 keeps its sums in 12 of them.

use super::vector::Vector;
use std::arch::x86_64::*;

/// A window into this, at `8 - lanes`, is the mask of the first `lanes`.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

#[inline(always)]
unsafe fn mask_of_first(lanes: usize) -> __m256i {
    // SAFETY: the window begins at 8 - lanes, at most 8, and 8 numbers follow it
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - lanes).cast()) }
}

impl Vector for __m256 {
    const LANES: usize = 8;
    const MR: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has AVX2 and FMA
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has AVX2 and FMA, and `from` has all lanes
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, lanes: usize) -> Self {
        // SAFETY: the caller has AVX2 and FMA; masked lanes are not read
        unsafe { _mm256_maskload_ps(from, mask_of_first(lanes)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has AVX2 and FMA, and `to` has all lanes
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, lanes: usize) {
        // SAFETY: the caller has AVX2 and FMA; masked lanes are not written
        unsafe { _mm256_maskstore_ps(to, mask_of_first(lanes), self) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the caller has AVX2 and FMA, and `from` has one number
        unsafe { _mm256_broadcast_ss(&*from) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has AVX2 and FMA
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller has AVX2 and FMA
        unsafe { _mm256_fmadd_ps(a, b, self) }
    }

    #[inline(always)]
    unsafe fn transpose(
        from: *const f32,
        row_stride: isize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_stride: usize,
    ) {
        // SAFETY: the caller has AVX2 and FMA. Only rows below `rows` are loaded, and of each only `columns`
        // numbers; only vectors below `columns` are stored, whole.
        unsafe {
            let mut x = [Self::zero(); 8];
            for (i, x) in x.iter_mut().enumerate() {
                if i < rows {
                    let row = from.offset(i as isize * row_stride);
                    *x = if columns == 8 { Self::load(row) } else { Self::load_first(row, columns) };
                }
            }
            // transpose 4 x 4 numbers within each half register: then y[4 i + j] holds, in half q, column 4 q + j of
            // rows 4 i to 4 i + 3
            let mut y = [Self::zero(); 8];
            for i in [0, 4] {
                let (a, b) = (_mm256_unpacklo_ps(x[i], x[i + 1]), _mm256_unpackhi_ps(x[i], x[i + 1]));
                let (c, d) = (_mm256_unpacklo_ps(x[i + 2], x[i + 3]), _mm256_unpackhi_ps(x[i + 2], x[i + 3]));
                y[i] = _mm256_shuffle_ps::<0x44>(a, c);
                y[i + 1] = _mm256_shuffle_ps::<0xee>(a, c);
                y[i + 2] = _mm256_shuffle_ps::<0x44>(b, d);
                y[i + 3] = _mm256_shuffle_ps::<0xee>(b, d);
            }
            // then transpose 2 x 2 halves
            for j in 0..4 {
                x[j] = _mm256_permute2f128_ps::<0x20>(y[j], y[j + 4]);
                x[j + 4] = _mm256_permute2f128_ps::<0x31>(y[j], y[j + 4]);
            }
            for (j, x) in x.iter().enumerate() {
                if j < columns {
                    x.store(to.add(j * to_stride));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn prefetch_l1(at: *const f32) {
        // SAFETY: the caller has AVX2 and FMA; a prefetch reads nothing
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn prefetch_l2(at: *const f32) {
        // SAFETY: the caller has AVX2 and FMA; a prefetch reads nothing
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
}
