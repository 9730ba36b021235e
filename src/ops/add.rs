//! `y = a + b`, the sum of two equal shapes; with `mul` the composed form that `film` fuses.
//!
//! | tensor | shape |
//! | --- | --- |
//! | a, b, y | `[B, N]` |
//!
//! Gradient: `da = dy`, `db = dy`.

use super::{Case, Fill, Op, Shapes, accumulate, assign, slice, want};
use crate::tensor::{Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Add;

impl Op for Add {
    const NAME: &'static str = "add";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [a, b] if a == b), Self::NAME, "a [B, N], b [B, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (a, b) = (slice(&inputs[0]), slice(&inputs[1]));
        assign(&mut outputs[0], |i| a[i] + b[i]);
    }

    fn backward<T: Real>(
        &self,
        _inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<ViewMut<T>>],
    ) {
        let dy = slice(&doutput);
        for dinput in dinputs {
            accumulate(dinput, |i| dy[i]);
        }
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        vec![Case::new("sum", Add, [([rows, columns], Fill::Normal); 2])]
    }
}
