//! Matrix products over `matrixmultiply`, forked by shape.

use crate::tensor::{Real, View, ViewMut};
use ndarray::Axis;

/// Multiply-adds worth a task of their own (about 40 µs of one core).
const GRAIN: usize = 1 << 20;

/// A product is cut into at most this many tasks: each packs its operands anew.
const TASKS: usize = 8;

/// `c = a b` (`beta` 0: `c` is not read) or `c = a b + beta c`; `a` `[M, K]`, `b` `[K, N]`, `c` `[M, N]`; transposed views
/// (`.t()`) are as good as plain ones.
///
/// Each element of `c` sums over K in one order whatever the cut, so the bits do not depend on the number of threads.
///
/// # Panics
/// When the shapes do not fit.
pub fn gemm<T: Real>(a: View<T>, b: View<T>, beta: T, c: ViewMut<T>) {
    let ([m, k], [kb, n]) = ([a.nrows(), a.ncols()], [b.nrows(), b.ncols()]);
    assert!(k == kb && c.dim() == (m, n), "gemm: [{m}, {k}] x [{kb}, {n}] into {:?}", c.dim());
    recurse(a, b, beta, c, (m * k * n / TASKS).max(GRAIN));
}

fn recurse<T: Real>(a: View<T>, b: View<T>, beta: T, c: ViewMut<T>, grain: usize) {
    let (m, n, k) = (c.nrows(), c.ncols(), a.ncols());
    // tiles of the micro-kernels stay whole: rows and columns are cut at multiples of 32
    if m * n * k <= grain || m.max(n) < 64 {
        return product(a, b, beta, c);
    }
    if n >= m {
        let half = (n / 2).next_multiple_of(32);
        let ((b0, b1), (c0, c1)) = (b.split_at(Axis(1), half), c.split_at(Axis(1), half));
        rayon::join(|| recurse(a, b0, beta, c0, grain), || recurse(a, b1, beta, c1, grain));
    } else {
        let half = (m / 2).next_multiple_of(32);
        let ((a0, a1), (c0, c1)) = (a.split_at(Axis(0), half), c.split_at(Axis(0), half));
        rayon::join(|| recurse(a0, b, beta, c0, grain), || recurse(a1, b, beta, c1, grain));
    }
}

fn product<T: Real>(a: View<T>, b: View<T>, beta: T, mut c: ViewMut<T>) {
    let strides = |s: &[isize]| [s[0], s[1]];
    // SAFETY: the views are valid for their shapes and strides, the shapes fit (checked in `gemm`), and `c` is borrowed
    // mutably, so it overlaps neither operand.
    unsafe {
        T::gemm(
            [a.nrows(), a.ncols(), b.ncols()],
            T::one(),
            (a.as_ptr(), strides(a.strides())),
            (b.as_ptr(), strides(b.strides())),
            beta,
            (c.as_mut_ptr(), strides(c.strides())),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use ndarray::Array2;

    fn random(rows: usize, columns: usize, layer: u32) -> Array2<f32> {
        let mut values = vec![0.0; rows * columns];
        Stream::new(3, Purpose::Test, layer).normals(0, &mut values);
        Array2::from_shape_vec((rows, columns), values).unwrap()
    }

    /// Against plain f64 sums, in the three forms of a linear layer, across the sizes at which the product is cut.
    #[test]
    fn three_forms_match_f64() {
        for [m, k, n] in [[1, 1, 1], [3, 5, 7], [33, 65, 129], [200, 207, 513], [513, 31, 200]] {
            let (a, b) = (random(m, k, 0), random(k, n, 1));
            let (at, bt) = (a.t().as_standard_layout().to_owned(), b.t().as_standard_layout().to_owned());
            let start = random(m, n, 2);
            for (a, b) in [(a.view(), b.view()), (a.view(), bt.t()), (at.t(), b.view())] {
                for beta in [0.0_f32, 1.0] {
                    let mut c = if beta == 0.0 { Array2::from_elem((m, n), f32::NAN) } else { start.clone() };
                    gemm(a, b, beta, c.view_mut());
                    for ((i, j), got) in c.indexed_iter() {
                        let terms = || (0..k).map(|p| f64::from(a[[i, p]]) * f64::from(b[[p, j]]));
                        let base = if beta == 0.0 { 0.0 } else { f64::from(start[[i, j]]) };
                        let (want, size) =
                            (terms().sum::<f64>() + base, terms().map(f64::abs).sum::<f64>() + base.abs());
                        // k products and k sums, each rounded by at most 2^-24
                        let bound = 2.0 * (k + 1) as f64 * 2f64.powi(-24) * size;
                        assert!((f64::from(*got) - want).abs() <= bound, "{got} {want} at {i},{j} of {m}x{k}x{n}");
                    }
                }
            }
        }
    }
}
