//! `y = r L / (2 max(m, floor))`: the reconstruction error r under a Gaussian likelihood whose variance is the current
//! mean squared error m, sigma-VAE (Rybkin, Daniilidis and Levine 2021, arXiv:2006.13202, section 4).
//!
//! With the optimal variance the negative log-likelihood is `L/2 ln(m)` plus a constant. For r = m its gradient is that
//! of y with m held constant: y has the gradient of the likelihood, not its value. So m gets no gradient, and the terms
//! of r keep their relative weights.
//!
//! | tensor | shape |
//! | --- | --- |
//! | r, y | `[1, 1]` |
//! | m (no gradient) | `[1, 1]` |
//!
//! Gradient: `dr = dy L / (2 max(m, floor))`.

use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SigmaVaeNll {
    /// The number of samples of a trace (L).
    pub length: usize,
}

impl SigmaVaeNll {
    /// The smallest variance, so that a perfect fit does not divide by 0.
    pub const FLOOR: f64 = 1e-6;

    fn factor<T: Real>(&self, m: T) -> T {
        T::of(0.5 * self.length as f64) / if m < T::of(Self::FLOOR) { T::of(Self::FLOOR) } else { m }
    }
}

impl Op for SigmaVaeNll {
    const NAME: &'static str = "sigma_vae_nll";

    fn differentiable(&self, input: usize) -> bool {
        input == 0
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(inputs == [[1, 1], [1, 1]], Self::NAME, "r [1, 1], m [1, 1]", inputs);
        [[1, 1]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        outputs[0][[0, 0]] = inputs[0][[0, 0]] * self.factor(inputs[1][[0, 0]]);
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        if let Some(dr) = &mut dinputs[0] {
            add(&mut dr.values[[0, 0]], doutput[[0, 0]] * self.factor(inputs[1][[0, 0]]), dr.accumulate);
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for SigmaVaeNll {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/sigma_vae_nll.wgsl")
    }

    fn forward_dispatches(&self, _inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = Dispatch::new("forward", 1).bind("r", Operand::Input(0)).bind("m", Operand::Input(1));
        vec![dispatch.bind("y", Operand::Output(0)).f("half_length", 0.5 * self.length as f64).f("floor", Self::FLOOR)]
    }

    fn backward_dispatches(
        &self,
        _inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let dispatch = Dispatch::new("backward", 1).bind("m", Operand::Input(1)).bind("dy", Operand::DOutput);
        let dispatch = dispatch.f("half_length", 0.5 * self.length as f64).f("floor", Self::FLOOR);
        vec![dispatch.gradient(["dr", "accumulate"], 0, targets, 1)]
    }
}

impl Cases for SigmaVaeNll {
    fn cases(_rows: usize, _inner: usize, _columns: usize) -> Vec<Case<Self>> {
        let with = |m| [([1, 1], Fill::Normal), ([1, 1], m)];
        vec![
            Case::new("variance", SigmaVaeNll { length: 200 }, with(Fill::Uniform(0.1, 1.0))),
            Case::new("floor", SigmaVaeNll { length: 200 }, with(Fill::Value(1e-9))),
        ]
    }
}
