//! `y = x * mask`, where the mask is 0 with probability p and `1 / (1 - p)` otherwise (Srivastava et al. 2014, inverted).
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y, mask (kept) | `[B, N]` |
//!
//! Gradient: `dx = dy * mask`. An element is dropped when its Philox word is below `p * 2^32`, an integer comparison: the mask
//! has the same bits on every device. The word is that of (seed, layer, step, row of the batch, column).

use super::{Case, Fill, Op, Shapes, accumulate, slice, slice_mut, want};
use crate::kernels::split::{By, split};
use crate::rng::{Purpose, Stream};
use crate::tensor::{Real, Shape, View, ViewMut};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Below 1.
    pub p: f64,
    pub stream: Stream,
}

/// An event of probability `p` happens where a random word is below this.
pub fn threshold(p: f64) -> u32 {
    (p * 4_294_967_296.0) as u32
}

impl Op for Dropout {
    const NAME: &'static str = "dropout";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(inputs.len() == 1, Self::NAME, "x [B, N]", inputs);
        [inputs[0]; 2].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let [y, mask] = outputs else { unreachable!("two outputs") };
        let (x, rows, columns) = (slice(&inputs[0]), y.nrows(), y.ncols());
        let (drop_below, keep) = (threshold(self.p), T::of(1.0 / (1.0 - self.p)));
        // a Philox word costs about as much as eight elements of plain arithmetic
        split(By::Rows, rows, 8 * columns, (y.view_mut(), mask.view_mut()), &|range: Range<usize>, (mut y, mut mask)| {
            let (y, mask) = (slice_mut(&mut y), slice_mut(&mut mask));
            for (r, row) in range.enumerate() {
                let (x, at) = (&x[row * columns..][..columns], r * columns..(r + 1) * columns);
                let (y, mask) = (&mut y[at.clone()], &mut mask[at]);
                for (quad, mask) in mask.chunks_mut(4).enumerate() {
                    let words = self.stream.words(row as u32, quad as u32);
                    for (m, word) in mask.iter_mut().zip(words) {
                        *m = if word < drop_below { T::zero() } else { keep };
                    }
                }
                for ((y, x), m) in y.iter_mut().zip(x).zip(mask) {
                    *y = *x * *m;
                }
            }
        });
    }

    fn backward<T: Real>(
        &self,
        _inputs: &[View<T>],
        outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<ViewMut<T>>],
    ) {
        let (mask, dy) = (slice(&outputs[1]), slice(&doutput));
        accumulate(&mut dinputs[0], |i| mask[i] * dy[i]);
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        let stream = Stream::new(11, Purpose::Dropout, 2).at(5);
        vec![Case::new("third", Dropout { p: 0.3, stream }, [([rows, columns], Fill::Normal)])]
    }
}
