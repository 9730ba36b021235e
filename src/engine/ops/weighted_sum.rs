//! `y = sum of w_i x_i` over scalars: joins the terms of a loss.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x_0 … x_n, y | `[1, 1]` |
//!
//! Gradient: `dx_i = w_i dy`.

use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets};
use crate::engine::op::{Case, Cases, Fill, GpuOp, MAX_INPUTS, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use arrayvec::ArrayVec;

#[derive(Debug, Clone, PartialEq)]
pub struct WeightedSum {
    /// One per input.
    pub weights: ArrayVec<f64, MAX_INPUTS>,
}

impl WeightedSum {
    /// The weights; 0 for a missing term.
    fn uniforms(&self, dispatch: Dispatch) -> Dispatch {
        let weights = self.weights.iter().copied().chain(std::iter::repeat(0.0));
        ["w0", "w1", "w2", "w3", "w4", "w5", "w6"].into_iter().zip(weights).fold(dispatch, |d, (name, w)| d.f(name, w))
    }
}

impl Op for WeightedSum {
    const NAME: &'static str = "weighted_sum";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = inputs.len() == self.weights.len() && inputs.iter().all(|s| *s == [1, 1]);
        want(fits, Self::NAME, "one scalar [1, 1] per weight", inputs);
        [[1, 1]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        outputs[0][[0, 0]] = inputs.iter().zip(&self.weights).map(|(x, w)| x[[0, 0]] * T::of(*w)).sum();
    }

    fn backward<T: Real>(
        &self,
        _inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        for (dinput, w) in dinputs.iter_mut().zip(&self.weights) {
            if let Some(dinput) = dinput {
                add(&mut dinput.values[[0, 0]], T::of(*w) * doutput[[0, 0]], dinput.accumulate);
            }
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for WeightedSum {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/weighted_sum.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = Dispatch::new("forward", 1).bind("y", Operand::Output(0)).u("terms", inputs.len());
        // a missing term is bound to the first one and not read
        let term =
            |dispatch: Dispatch, (i, name)| dispatch.bind(name, Operand::Input(if i < inputs.len() { i } else { 0 }));
        let dispatch = ["x0", "x1", "x2", "x3", "x4", "x5", "x6"].into_iter().enumerate().fold(dispatch, term);
        vec![self.uniforms(dispatch)]
    }

    fn backward_dispatches(
        &self,
        _inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let dispatch = self.uniforms(Dispatch::new("backward", 1).bind("dy", Operand::DOutput));
        let gradients = ["d0", "d1", "d2", "d3", "d4", "d5", "d6"].into_iter();
        let accumulate =
            ["accumulate0", "accumulate1", "accumulate2", "accumulate3", "accumulate4", "accumulate5", "accumulate6"];
        let gradients = gradients.zip(accumulate).enumerate();
        vec![
            gradients.fold(dispatch, |dispatch, (i, (name, accumulate))| {
                dispatch.gradient([name, accumulate], i, targets, 1)
            }),
        ]
    }
}

impl Cases for WeightedSum {
    fn cases(_rows: usize, _inner: usize, _columns: usize) -> Vec<Case<Self>> {
        let weights = [1.0, 0.01, -2.0].into_iter().collect();
        vec![Case::new("three_terms", WeightedSum { weights }, [([1, 1], Fill::Normal); 3])]
    }
}
