//! `y = min(max(x, lo), hi)`: keeps the posterior's mean and log-variance in a range that `exp` survives.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y | `[B, N]` |
//!
//! Gradient: `dx = dy` where `lo < x < hi`, 0 elsewhere; 0 on a bound too, as in PyTorch 2.15. A NaN stays NaN.

use super::{Case, Fill, Op, Shapes, accumulate, assign, slice, want};
use crate::tensor::{Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clamp {
    pub lo: f64,
    pub hi: f64,
}

impl Op for Clamp {
    const NAME: &'static str = "clamp";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(inputs.len() == 1, Self::NAME, "x [B, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (x, lo, hi) = (slice(&inputs[0]), T::of(self.lo), T::of(self.hi));
        // comparisons instead of min and max, which would swallow a NaN
        assign(&mut outputs[0], |i| if x[i] < lo { lo } else { if x[i] > hi { hi } else { x[i] } });
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<ViewMut<T>>],
    ) {
        let (x, dy, lo, hi) = (slice(&inputs[0]), slice(&doutput), T::of(self.lo), T::of(self.hi));
        accumulate(&mut dinputs[0], |i| if x[i] > lo && x[i] < hi { dy[i] } else { T::zero() });
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        let x = ([rows, columns], Fill::Around(&[-2.0, -0.5, 0.5, 3.0]));
        vec![Case::new("both_sides", Clamp { lo: -1.0, hi: 2.0 }, [x])]
    }
}
