//! `y = a * b`, the product of two equal shapes; with `add` the composed form that `film` fuses.
//!
//! | tensor | shape |
//! | --- | --- |
//! | a, b, y | `[B, N]` |
//!
//! Gradient: `da = b dy`, `db = a dy`.

use super::{Case, Fill, Op, Shapes, accumulate, assign, slice, want};
use crate::tensor::{Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mul;

impl Op for Mul {
    const NAME: &'static str = "mul";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [a, b] if a == b), Self::NAME, "a [B, N], b [B, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (a, b) = (slice(&inputs[0]), slice(&inputs[1]));
        assign(&mut outputs[0], |i| a[i] * b[i]);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<ViewMut<T>>],
    ) {
        let (a, b, dy) = (slice(&inputs[0]), slice(&inputs[1]), slice(&doutput));
        accumulate(&mut dinputs[0], |i| b[i] * dy[i]);
        accumulate(&mut dinputs[1], |i| a[i] * dy[i]);
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        vec![Case::new("product", Mul, [([rows, columns], Fill::Normal); 2])]
    }
}
