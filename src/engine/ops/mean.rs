//! `y = means of x over an axis`, PyTorch's `x.mean(dim, keepdim=True)`: a [`Sum`](super::Sum) over n numbers, divided
//! by n.
//!
//! | axis | n | y |
//! | --- | --- | --- |
//! | `OverRows` | B | `[1, N]` |
//! | `OverColumns` | N | `[B, 1]` |
//! | `OverAll` | B N | `[1, 1]` |
//!
//! x is `[B, N]`. Gradient: each element of x gets the `dy / n` of its mean. A mean of nothing is NaN, as in PyTorch.

use super::sum::{ReduceAxis, TERMS};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatches, Targets};
use crate::engine::kernels::reduce::spread;
use crate::engine::op::{Case, Cases, GpuOp, Op, Shapes};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    pub axis: ReduceAxis,
}

impl Mean {
    /// `1 / n` for an x of this shape; infinite if n is 0.
    fn scale(self, shape: Shape) -> f64 {
        1.0 / self.axis.terms(shape) as f64
    }
}

impl Op for Mean {
    const NAME: &'static str = "mean";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        self.axis.output_shapes(Self::NAME, inputs)
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (x, y) = (inputs[0], &mut outputs[0]);
        let scale = T::of(self.scale([x.nrows(), x.ncols()]));
        self.axis.forward(x, y.view_mut());
        // infinity times a sum of nothing is NaN
        y.mapv_inplace(|sum| scale * sum);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let scale = self.scale([inputs[0].nrows(), inputs[0].ncols()]);
        spread(doutput, T::of(scale), &mut dinputs[0]);
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Mean {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/mean.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        self.axis.forward_dispatches(inputs[0], self.scale(inputs[0]))
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        self.axis.backward_dispatches(inputs[0], self.scale(inputs[0]), targets)
    }
}

impl Cases for Mean {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        ReduceAxis::NAMED.map(|(name, axis)| Case::new(name, Mean { axis }, [([rows, columns], TERMS)])).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn the_mean_of_nothing_is_nan() {
        let (x, mut y) = (Array2::<f32>::zeros((0, 2)), Array2::zeros((1, 2)));
        Mean { axis: ReduceAxis::OverRows }.forward(&[x.view()], &mut [y.view_mut()]);
        assert!(y.iter().all(|y| y.is_nan()));
    }
}
