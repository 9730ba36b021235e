//! One variable twice in an op: no dispatch may write one buffer by two bindings.

use abr_film::engine::device::gpu::{Checks, Gpu};
use abr_film::engine::device::{Cpu, Device};
use abr_film::engine::ops::{Add, Film, Linear, Mse, Mul};
use abr_film::engine::tape::Tape;
use common::gpu::context;

/// The gradients of two parameters that ops have in several places.
fn gradients(device: Box<dyn Device>) -> [Vec<f32>; 2] {
    let mut tape = Tape::new(device);
    let p = tape.parameters(&[([3, 3], true), ([1, 3], true)]).expect("memory");
    tape.write(p[0], &[0.5, -1.0, 2.0, 1.5, 0.25, -0.75, 1.0, 3.0, -2.0]);
    tape.write(p[1], &[0.1, 0.2, -0.3]);
    let square = tape.apply(Mul, &[p[0], p[0]]).expect("memory");
    let sum = tape.apply(Add, &[square, square]).expect("memory");
    let product = tape.apply(Linear, &[p[0], p[0], p[1]]).expect("memory");
    let strength = tape.input([3, 1], &[1.0, 0.5, 0.0]).expect("memory");
    let film = tape.apply(Film, &[product, p[0], p[0], strength]).expect("memory");
    let loss = tape.apply(Mse, &[film, sum]).expect("memory");
    tape.backward(loss).expect("memory");
    [0, 1].map(|i| tape.read_gradient(p[i]).expect("values"))
}

#[test]
fn gradients_of_both_uses() {
    let Some(context) = context(Checks::Off) else { return };
    let (got, want) = (gradients(Box::new(Gpu::new(context))), gradients(Box::new(Cpu::<f64>::new())));
    for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
        // some twenty roundings of numbers up to the largest gradient, which is below 64
        assert!((got - want).abs() <= 20.0 * 64.0 * f32::EPSILON / 2.0, "{got} and {want}");
    }
    // what the bound is worth
    assert!(want.iter().flatten().any(|g| g.abs() > 1.0) && want.iter().flatten().all(|g| g.abs() < 64.0), "{want:?}");
}
