//! Eigenvalues and linear equations of symmetric matrices.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use ndarray::{Array1, Array2, Axis};

fn dense(matrix: &Array2<f64>) -> DMatrix<f64> {
    DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[[i, j]])
}

/// The eigenvalues of a symmetric matrix, unordered. The matrix must be finite, or the iteration never ends.
pub(super) fn eigenvalues(matrix: &Array2<f64>) -> Array1<f64> {
    dense(matrix).symmetric_eigenvalues().iter().copied().collect()
}

/// The square root of a finite, positive semidefinite matrix; eigenvalues that rounding made negative count as 0.
pub(super) fn square_root(matrix: &Array2<f64>) -> Array2<f64> {
    let eigen = SymmetricEigen::new(dense(matrix));
    let vectors = Array2::from_shape_fn(matrix.dim(), |(i, j)| eigen.eigenvectors[(i, j)]);
    let roots: Array1<f64> = eigen.eigenvalues.iter().map(|value| value.max(0.0).sqrt()).collect();
    (&vectors * &roots.insert_axis(Axis(0))).dot(&vectors.t())
}

/// Solves `matrix x = right` for a positive definite matrix (by Cholesky decomposition).
///
/// # Panics
/// If the matrix is not positive definite.
pub(super) fn solve(matrix: &Array2<f64>, right: &Array1<f64>) -> Array1<f64> {
    let decomposition = dense(matrix).cholesky().expect("a positive definite matrix");
    decomposition.solve(&DVector::from_iterator(right.len(), right.iter().copied())).iter().copied().collect()
}
