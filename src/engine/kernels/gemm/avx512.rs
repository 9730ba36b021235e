//! AVX-512F: 16 lanes, 32 registers; a tile of 8 x 48 keeps its sums in 24 of them.

use super::vector::Vector;
use std::arch::x86_64::*;

#[inline(always)]
fn mask_of_first(lanes: usize) -> __mmask16 {
    ((1_u32 << lanes) - 1) as __mmask16
}

impl Vector for __m512 {
    const LANES: usize = 16;
    const MR: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller has AVX-512F
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has AVX-512F, and `from` has all lanes
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, lanes: usize) -> Self {
        // SAFETY: the caller has AVX-512F; masked lanes are not read
        unsafe { _mm512_maskz_loadu_ps(mask_of_first(lanes), from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has AVX-512F, and `to` has all lanes
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, lanes: usize) {
        // SAFETY: the caller has AVX-512F; masked lanes are not written
        unsafe { _mm512_mask_storeu_ps(to, mask_of_first(lanes), self) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        // SAFETY: the caller has AVX-512F, and `from` has one number
        unsafe { _mm512_set1_ps(*from) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller has AVX-512F
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller has AVX-512F
        unsafe { _mm512_fmadd_ps(a, b, self) }
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
        // SAFETY: the caller has AVX-512F. Only rows below `rows` are loaded, and of each only `columns`
        // numbers; only vectors below `columns` are stored, whole.
        unsafe {
            // whole lines, each read once: at a stride of 4 KiB all rows compete for one set of the L1 cache
            let mut x = [Self::zero(); 16];
            for (i, x) in x.iter_mut().enumerate() {
                if i < rows {
                    *x = Self::load_first(from.offset(i as isize * row_stride), columns);
                }
            }
            // transpose 4 x 4 numbers within each quarter register: then y[4 i + j] holds, in quarter q, column 4 q + j
            // of rows 4 i to 4 i + 3
            let mut y = [Self::zero(); 16];
            for i in [0, 4, 8, 12] {
                let (a, b) = (_mm512_unpacklo_ps(x[i], x[i + 1]), _mm512_unpackhi_ps(x[i], x[i + 1]));
                let (c, d) = (_mm512_unpacklo_ps(x[i + 2], x[i + 3]), _mm512_unpackhi_ps(x[i + 2], x[i + 3]));
                let (a, b, c, d) = (_mm512_castps_pd(a), _mm512_castps_pd(b), _mm512_castps_pd(c), _mm512_castps_pd(d));
                y[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                y[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                y[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                y[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
            }
            // then transpose 4 x 4 quarters
            for j in 0..4 {
                let (a, b) =
                    (_mm512_shuffle_f32x4::<0x88>(y[j], y[j + 4]), _mm512_shuffle_f32x4::<0xdd>(y[j], y[j + 4]));
                let (c, d) = (
                    _mm512_shuffle_f32x4::<0x88>(y[j + 8], y[j + 12]),
                    _mm512_shuffle_f32x4::<0xdd>(y[j + 8], y[j + 12]),
                );
                x[j] = _mm512_shuffle_f32x4::<0x88>(a, c);
                x[j + 4] = _mm512_shuffle_f32x4::<0x88>(b, d);
                x[j + 8] = _mm512_shuffle_f32x4::<0xdd>(a, c);
                x[j + 12] = _mm512_shuffle_f32x4::<0xdd>(b, d);
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
        // SAFETY: the caller has AVX-512F; a prefetch reads nothing
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn prefetch_l2(at: *const f32) {
        // SAFETY: the caller has AVX-512F; a prefetch reads nothing
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
}
