//! Euclidean distances between rows.

use ndarray::ArrayView2;
use rayon::prelude::*;

/// The number of partial sums, which the compiler keeps in vector registers.
const LANES: usize = 8;

/// Calls `of(i, distances)` for each row i of `points [N, F]` with its distances to the rows of `among [M, F]`, in
/// order.
///
/// # Panics
/// If the points differ in dimension.
pub(super) fn distances_from<T: Send>(
    points: ArrayView2<f64>,
    among: ArrayView2<f64>,
    of: impl Fn(usize, &mut [f64]) -> T + Sync,
) -> Vec<T> {
    assert_eq!(points.ncols(), among.ncols(), "distances: the points' dimensions");
    let (points, among) = (points.as_standard_layout(), among.as_standard_layout());
    let rows = (0..points.nrows()).into_par_iter();
    let of_row = |row: usize| {
        let point = points.row(row);
        let point = point.as_slice().expect("a contiguous row");
        let to = among.outer_iter().map(|other| distance(point, other.as_slice().expect("a contiguous row")));
        of(row, &mut to.collect::<Vec<f64>>())
    };
    rows.map(of_row).collect()
}

/// `|a - b|`
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    (sums.iter().sum::<f64>() + rest).sqrt()
}

/// The k-th smallest distance, k from 1; the largest if there are fewer, NaN if there are none.
pub(super) fn nth(distances: &mut [f64], k: usize) -> f64 {
    let Some(last) = distances.len().checked_sub(1) else { return f64::NAN };
    *distances.select_nth_unstable_by((k - 1).min(last), f64::total_cmp).1
}
