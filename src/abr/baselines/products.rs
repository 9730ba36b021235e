//! Sums of outer products over many rows, a chunk at a time: an f64 copy of all rows would take more memory than the
//! rows.

use ndarray::{Array2, ArrayView2, linalg::general_mat_mul};

/// Rows per chunk.
pub const CHUNK: usize = 128;

/// `Σ aᵀ b` over rows `a [A]` and `b [B]`. The products within a chunk run in f32, which is fast and far more precise
/// than recordings; chunks are added in f64.
pub struct CrossProduct {
    sum: Array2<f64>,
    a: Vec<f32>,
    b: Vec<f32>,
    chunk: Array2<f32>,
}

impl CrossProduct {
    pub fn new(a: usize, b: usize) -> CrossProduct {
        CrossProduct { sum: Array2::zeros((a, b)), a: Vec::new(), b: Vec::new(), chunk: Array2::zeros((a, b)) }
    }

    /// Adds one row of each.
    ///
    /// # Panics
    /// If the lengths do not match the sum.
    pub fn add(&mut self, a: impl IntoIterator<Item = f32>, b: impl IntoIterator<Item = f32>) {
        self.a.extend(a);
        self.b.extend(b);
        if self.a.len() >= CHUNK * self.sum.nrows() {
            self.take_in();
        }
    }

    fn take_in(&mut self) {
        let (width, other) = self.sum.dim();
        let rows = self.a.len() / width;
        let view = |values, width| ArrayView2::from_shape((rows, width), values).expect("whole rows");
        general_mat_mul(1.0, &view(&self.a, width).t(), &view(&self.b, other), 0.0, &mut self.chunk);
        self.sum.zip_mut_with(&self.chunk, |sum, v| *sum += f64::from(*v));
        self.a.clear();
        self.b.clear();
    }

    /// The sum.
    pub fn finish(mut self) -> Array2<f64> {
        self.take_in();
        self.sum
    }
}
