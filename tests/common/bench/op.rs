//! An op with random inputs.

use abr_film::engine::check::draw;
use abr_film::engine::op::{AnyOp, Case, Fill};
use abr_film::engine::tensor::Gradient;
use ndarray::{Array2, ArrayView2};

/// An op with all its inputs and outputs.
pub struct Bench {
    pub op: AnyOp,
    pub inputs: Vec<Array2<f32>>,
    pub outputs: Vec<Array2<f32>>,
    pub cotangent: Array2<f32>,
    pub gradients: Vec<Array2<f32>>,
}

impl Bench {
    /// Runs forward once, so that backward finds its outputs.
    pub fn new(case: &Case<AnyOp>) -> Self {
        let (op, shapes) = (case.op.clone(), case.inputs.iter().map(|(shape, _)| *shape).collect::<Vec<_>>());
        let inputs = case.inputs.iter().enumerate().map(|(i, (shape, fill))| draw(*shape, *fill, i as u32)).collect();
        let outputs: Vec<Array2<f32>> = op.output_shapes(&shapes).into_iter().map(Array2::zeros).collect();
        let cotangent = draw([outputs[0].nrows(), outputs[0].ncols()], Fill::Normal, 100);
        let gradients = shapes.iter().map(|s| Array2::zeros(*s)).collect();
        let mut bench = Bench { op, inputs, outputs, cotangent, gradients };
        bench.forward();
        bench
    }

    /// One forward pass.
    pub fn forward(&mut self) {
        let inputs: Vec<ArrayView2<f32>> = self.inputs.iter().map(|x| x.view()).collect();
        let mut outputs: Vec<_> = self.outputs.iter_mut().map(|y| y.view_mut()).collect();
        self.op.forward(&inputs, &mut outputs);
    }

    /// One backward pass that overwrites gradients, as for most gradients of a training step.
    pub fn backward(&mut self) {
        let inputs: Vec<ArrayView2<f32>> = self.inputs.iter().map(|x| x.view()).collect();
        let outputs: Vec<ArrayView2<f32>> = self.outputs.iter().map(|y| y.view()).collect();
        let op = &self.op;
        let gradients = self.gradients.iter_mut().map(|d| Gradient { values: d.view_mut(), accumulate: false });
        let mut gradients: Vec<_> = gradients.enumerate().map(|(i, d)| op.differentiable(i).then_some(d)).collect();
        op.backward(&inputs, &outputs, self.cotangent.view(), &mut gradients);
    }
}
