//! `y = x W^T + b`, PyTorch's `Linear`.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x | `[B, I]` |
//! | W (weight) | `[O, I]` |
//! | b (bias) | `[1, O]` |
//! | y | `[B, O]` |
//!
//! Gradient: `dx = dy W`, `dW = dy^T x`, `db = column sums of dy`.

use super::{Case, Fill, Op, Shapes, want};
use crate::kernels::{
    gemm::{gemm, gemm_bias},
    reduce::column_sums,
};
use crate::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear;

impl Op for Linear {
    const NAME: &'static str = "linear";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x, w, b] if x[1] == w[1] && *b == [1, w[0]]);
        want(fits, Self::NAME, "x [B, I], weight [O, I], bias [1, O]", inputs);
        [[inputs[0][0], inputs[1][0]]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        gemm_bias(inputs[0], inputs[1].t(), inputs[2], outputs[0].view_mut());
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let [dx, dw, db] = dinputs else { unreachable!("three inputs") };
        if let Some(dx) = dx {
            gemm(doutput, inputs[1], dx.beta(), dx.values.view_mut());
        }
        if let Some(dw) = dw {
            gemm(doutput.t(), inputs[0], dw.beta(), dw.values.view_mut());
        }
        if let Some(db) = db {
            column_sums(doutput, db);
        }
    }

    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case> {
        let inputs = [([rows, inner], Fill::Normal), ([columns, inner], Fill::Normal), ([1, columns], Fill::Normal)];
        vec![Case::new("weight_and_bias", Linear, inputs)]
    }
}
