//! Devices and whole models on the GPU: the optimizer, recording, limits; losses, gradients, trainings, NaN, and
//! errors.

#![cfg(feature = "gpu")]

mod adam;
#[cfg(feature = "abr")]
mod model;
#[cfg(feature = "abr")]
mod nan;
mod recording;
#[cfg(feature = "abr")]
mod training;
mod twice;

use abr_film::engine::device::gpu::{Checks, Gpu};
use abr_film::engine::device::{Buffer, Device, Role};
use abr_film::engine::ops::LeakyRelu;
use common::gpu::context;

/// The unit roundoff of f32.
const U: f64 = 1.0 / (1 << 24) as f64;

fn read(device: &dyn Device, buffer: Buffer, len: usize) -> Vec<f32> {
    let mut values = vec![f32::NAN; len];
    device.read(buffer, &mut values).expect("values");
    values
}

#[test]
fn too_large_a_tensor_is_an_error() {
    let Some(mut gpu) = context(Checks::Off).map(Gpu::new) else { return };
    let error = gpu.alloc(Role::Activation, &[[1 << 20, 1 << 20]]).expect_err("4 TiB");
    assert!(error.exit_code() == 1 && error.to_string().contains("beyond its limit"), "{error}");
    // the device still works
    let buffer = gpu.alloc(Role::Activation, &[[1, 2]]).expect("memory")[0];
    gpu.write(buffer, &[1.0, 2.0]);
    assert_eq!(read(&gpu, buffer, 2), [1.0, 2.0]);
}

#[test]
fn more_workgroups_than_one_dimension_has() {
    let Some(context) = context(Checks::Off) else { return };
    // 65,793 workgroups of 256 threads, the last one not full
    let shape = [65_537, 257];
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|i| (i % 101) as f32 - 50.0).collect();
    let mut gpu = Gpu::new(context);
    let [x, y] = gpu.alloc(Role::Activation, &[shape; 2]).expect("memory")[..] else { unreachable!("two shapes") };
    gpu.write(x, &values);
    gpu.forward(&LeakyRelu::RELU.into(), &[x], &[y]);
    let wrong = values.iter().zip(&read(&gpu, y, values.len())).position(|(x, y)| x.max(0.0) != *y);
    assert_eq!(wrong, None, "the first wrong element");
}
