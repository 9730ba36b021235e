//! An op of another crate, on the CPU and on a GPU: `cargo run --release --example custom_op`.
//!
//! SiLU, `y = x / (1 + e^-x)` (Elfwing et al. 2018), with the gradient `dx = (s + y (1 - s)) dy` where
//! `s = 1 / (1 + e^-x)`.

use abr_film::engine::check::{self, Fill};
use abr_film::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len, product::TileChooser};
use abr_film::engine::kernels::map::{accumulate, assign};
use abr_film::engine::op::{GpuOp, Shapes, want};
use abr_film::engine::prelude::*;
use abr_film::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone)]
struct Silu;

fn sigmoid<T: Real>(x: T) -> T {
    T::one() / (T::one() + (-x).exp())
}

impl Op for Silu {
    const NAME: &'static str = "silu";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(inputs.len() == 1, Self::NAME, "x [B, N]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        assign(&mut outputs[0], [&inputs[0]], |[x]| x * sigmoid(x));
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        accumulate(&mut dinputs[0], [&inputs[0], &outputs[0], &doutput], |[x, y, dy]| {
            let s = sigmoid(x);
            (s + y * (T::one() - s)) * dy
        });
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Silu {
    fn shader(&self) -> &'static str {
        include_str!("custom_op.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = Dispatch::over("forward", len(inputs[0]));
        vec![dispatch.bind("x", Operand::Input(0)).bind("y", Operand::Output(0))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let dispatch = Dispatch::over("backward", len(inputs[0])).bind("x", Operand::Input(0));
        let dispatch = dispatch.bind("dy", Operand::DOutput);
        vec![dispatch.gradient(["dx", "accumulate"], 0, targets, len(inputs[0]))]
    }
}

fn main() -> Result<()> {
    // the first check: f64 differences
    let inputs = vec![([7, 33], Fill::Normal)];
    println!("gradients: off by {:.0e} at most", check::gradients(&Silu, std::slice::from_ref(&inputs)));

    // the second check: f32 on the CPU, and on a GPU if there is one or ABR_FILM_ADAPTER names one
    with(Kind::Auto, None, |mut device| {
        let name = device.name();
        for tensor in check::parity(&Silu, &inputs, device.as_mut(), false) {
            println!("{name}: {} is at {:.2} of its bound", tensor.tensor, tensor.error(1.0));
        }
        Ok(())
    })?;

    // and in a network on the tape
    with(Kind::Auto, None, |device| {
        let (mut tape, mut parameters) = (Tape::new(device), Parameters::default());
        let net = Sequential::builder(&mut parameters, "net").linear(1, 16).op(Silu).linear(16, 1).build();
        parameters.allocate(&mut tape, 1)?;
        let mut adam = Optimizer::adam(0.02, &parameters, &mut tape)?;
        let x: Vec<f32> = (0..64).map(|i| i as f32 / 16.0 - 2.0).collect();
        let target: Vec<f32> = x.iter().map(|x| (2.0 * x).sin()).collect();
        for step in 1..=1000 {
            tape.rewind();
            let (x, target) = (tape.input([64, 1], &x)?, tape.input([64, 1], &target)?);
            let y = net.forward(&mut ForwardContext::new(&mut tape, &parameters, Mode::Eval), x)?;
            let loss = tape.apply(Mse, &[y, target])?;
            tape.backward(loss)?;
            adam.step(&mut tape, None)?;
            if step == 1000 {
                println!("sine: loss {:.4} after {step} steps", tape.item(loss)?);
            }
        }
        Ok(())
    })
}
