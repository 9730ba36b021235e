//! Recording: compute passes, deferred copies and readback.

use super::read;
use abr_film::engine::device::gpu::{Checks, Gpu};
use abr_film::engine::device::{
    AdamBuffers, AdamSettings, Buffer, Clip, Counts, Cpu, Device, Role, ScalarHandle, ScalarValues, Target,
};
use abr_film::engine::op::{AnyOp, Op};
use abr_film::engine::ops::NormDropoutFilm;
use common::gpu::context;

/// A `norm_dropout_film` in training with its tensors. Its statistics are contiguous, as on the tape, unless `apart`.
struct Block {
    op: AnyOp,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
}

impl Block {
    fn new(gpu: &mut Gpu, columns: usize, apart: bool) -> Self {
        let op = NormDropoutFilm { slope: 0.2, training: true, dropout: None, film: None };
        let shapes = [[2, columns], [1, columns], [1, columns], [1, columns], [1, columns]];
        let mut inputs = gpu.alloc(Role::Activation, &shapes[..1]).expect("memory");
        inputs.extend(gpu.alloc(Role::Parameter, &shapes[1..]).expect("memory"));
        gpu.write(inputs[0], &(0..2 * columns).map(|i| 1.0 + i as f32).collect::<Vec<_>>());
        let outputs = gpu.alloc(Role::Activation, &op.output_shapes(&shapes)).expect("memory");
        if !apart {
            gpu.reshape(&outputs, &op.output_shapes(&shapes)).expect("memory");
        }
        Block { op: op.into(), inputs, outputs }
    }

    fn forward(&self, gpu: &mut Gpu) {
        gpu.forward(&self.op, &self.inputs, &self.outputs);
    }
}

#[test]
fn running_statistics_do_not_end_a_compute_pass() {
    let Some(mut gpu) = context(Checks::Off).map(Gpu::new) else { return };
    let block = Block::new(&mut gpu, 7, false);
    let mut gradients = gpu.alloc(Role::Activation, &[[2, 7]; 2]).expect("memory");
    gradients.extend(gpu.alloc(Role::Gradient, &[[1, 7]; 2]).expect("memory"));
    let target = |i: usize| Some(Target { buffer: gradients[i], accumulate: false, last: true });
    block.forward(&mut gpu);
    gpu.copy(block.outputs[3], block.inputs[3]);
    gpu.copy(block.outputs[4], block.inputs[4]);
    let targets = [target(1), target(2), target(3), None, None];
    gpu.backward(&block.op, &block.inputs, &block.outputs, gradients[0], &targets);
    // the optimizer step works on the arena of the running statistics
    let moments = [(); 2].map(|()| gpu.alloc(Role::Moment, &[[1, 7]; 2]).expect("memory"));
    let parameter = |i: usize| {
        let (value, gradient) = (block.inputs[1 + i], gradients[2 + i]);
        AdamBuffers { value, gradient, m: moments[0][i], v: moments[1][i], learning_rate: 1e-3, weight_decay: 0.0 }
    };
    gpu.adam(1, &AdamSettings::DEFAULT, None, &[parameter(0), parameter(1)]);
    let Counts { dispatches, compute_passes, waits, .. } = gpu.counts();
    assert_eq!((dispatches, compute_passes, waits), (3, 1, 0));
    // the first column has 1 and 8, and so on: a tenth of the mean and of the unbiased variance, rounded a few times
    let [means, variances] = [3, 4].map(|i| read(&gpu, block.inputs[i], 7));
    for (column, (mean, variance)) in means.into_iter().zip(variances).enumerate() {
        let wanted = 0.45 + 0.1 * column as f32;
        assert!((mean - wanted).abs() < 1e-6 && (variance - 2.45).abs() < 1e-5, "{column}: {mean}, {variance}");
    }
}

#[test]
fn copies_leave_what_lies_between_them() {
    let Some(mut gpu) = context(Checks::Off).map(Gpu::new) else { return };
    let [from, to] = [1.0, 2.0].map(|value| {
        let whole = gpu.alloc(Role::Activation, &[[1, 200]]).expect("memory")[0];
        gpu.write(whole, &[value; 200]);
        whole
    });
    // separate, contiguous, and at different offsets
    for (offset, len) in [(0, 10), (64, 10), (74, 6), (128, 4)] {
        let [from, to] =
            [(from, offset), (to, if offset == 128 { 140 } else { offset })].map(|(of, at)| gpu.view(of, at, [1, len]));
        gpu.copy(from, to);
    }
    let is_copied = |i: usize| [0..10, 64..80, 140..144].iter().any(|range| range.contains(&i));
    let wanted: Vec<f32> = (0..200).map(|i| if is_copied(i) { 1.0 } else { 2.0 }).collect();
    assert_eq!(read(&gpu, to, 200), wanted);
}

#[test]
fn joined_outputs_are_copied_back_before_scratch_memory_grows() {
    let Some(mut gpu) = context(Checks::Off).map(Gpu::new) else { return };
    let [small, large] = [7, 700].map(|columns| Block::new(&mut gpu, columns, true));
    small.forward(&mut gpu);
    large.forward(&mut gpu);
    assert_eq!(read(&gpu, small.outputs[1], 7)[0], 4.5);
    assert_eq!(read(&gpu, large.outputs[1], 700)[0], 351.0);
}

/// A parameter with its gradient [3, 4] and moments.
fn parameter(device: &mut dyn Device) -> AdamBuffers {
    let roles = [Role::Parameter, Role::Gradient, Role::Moment, Role::Moment];
    let [value, gradient, m, v] = roles.map(|role| device.alloc(role, &[[1, 2]]).expect("memory")[0]);
    device.write(gradient, &[3.0, 4.0]);
    AdamBuffers { value, gradient, m, v, learning_rate: 1e-3, weight_decay: 0.0 }
}

#[test]
fn norms_are_read_back_by_their_handle() {
    let Some(context) = context(Checks::Off) else { return };
    let devices: [Box<dyn Device>; 2] = [Box::new(Gpu::new(context)), Box::new(Cpu::<f32>::new())];
    for mut device in devices {
        let parameter = parameter(&mut *device);
        for step in 1..5 {
            let others = device.norms(&[vec![], vec![parameter.gradient]]).expect("norms");
            let norm = device.norms(&[vec![parameter.gradient]]).expect("a norm").get(0);
            device.adam(step, &AdamSettings::DEFAULT, Some(Clip { max_norm: 1.0, norm }), &[parameter]);
            // not in the order in which they were computed
            let first = ScalarHandle::First(parameter.gradient);
            let scalars = [norm, others.get(1), first, others.get(0)];
            let ticket = device.readback(&scalars).expect("a readback");
            let mut values = ScalarValues::default();
            device.wait(ticket, &mut values).expect("values");
            assert_eq!(scalars.map(|scalar| values.get(scalar)), [5.0, 5.0, 3.0, 0.0], "{}", device.name());
        }
    }
}

#[test]
fn tickets_are_waited_for_in_any_order() {
    let Some(context) = context(Checks::Off) else { return };
    let devices: [Box<dyn Device>; 2] = [Box::new(Gpu::new(context)), Box::new(Cpu::<f32>::new())];
    for mut device in devices {
        let buffer = device.alloc(Role::Activation, &[[1, 1]]).expect("memory")[0];
        let tickets = [1.0, 2.0, 3.0].map(|value| {
            device.write(buffer, &[value]);
            device.readback(&[ScalarHandle::First(buffer)]).expect("a readback")
        });
        let [first, second, third] = tickets;
        let mut values = ScalarValues::default();
        for (ticket, value) in [(third, 3.0), (first, 1.0), (second, 2.0)] {
            device.wait(ticket, &mut values).expect("a value");
            assert_eq!(values.get(ScalarHandle::First(buffer)), value, "{}", device.name());
        }
    }
}

#[test]
fn a_copy_within_an_allocation_is_a_copy() {
    let Some(context) = context(Checks::Off) else { return };
    let devices: [Box<dyn Device>; 2] = [Box::new(Gpu::new(context)), Box::new(Cpu::<f32>::new())];
    for mut device in devices {
        let [one, other] = device.alloc(Role::Parameter, &[[1, 4]; 2]).expect("memory")[..] else { unreachable!() };
        device.write(one, &[1.0, 2.0, 3.0, 4.0]);
        device.copy(one, other);
        let [from, to] = [0, 2].map(|offset| device.view(other, offset, [1, 2]));
        device.copy(from, to);
        assert_eq!(read(&*device, one, 4), [1.0, 2.0, 3.0, 4.0], "{}", device.name());
        assert_eq!(read(&*device, other, 4), [1.0, 2.0, 1.0, 2.0], "{}", device.name());
    }
}

#[test]
fn the_norm_of_nothing_is_0() {
    let Some(context) = context(Checks::Off) else { return };
    let devices: [Box<dyn Device>; 2] = [Box::new(Gpu::new(context)), Box::new(Cpu::<f32>::new())];
    for mut device in devices {
        let norm = device.norms(&[vec![]]).expect("a norm").get(0);
        let mut values = ScalarValues::default();
        let ticket = device.readback(&[norm]).expect("a readback");
        device.wait(ticket, &mut values).expect("a value");
        assert_eq!(values.get(norm), 0.0, "{}", device.name());
    }
}

#[test]
#[should_panic(expected = "a norm from before the last optimizer step")]
fn a_stale_norm_is_refused_on_a_gpu() {
    let context = context(Checks::Off).expect("a norm from before the last optimizer step needs an adapter");
    let mut gpu = Gpu::new(context);
    let parameter = parameter(&mut gpu);
    let norm = gpu.norms(&[vec![parameter.gradient]]).expect("a norm").get(0);
    gpu.adam(1, &AdamSettings::DEFAULT, None, &[parameter]);
    let _ = gpu.norms(&[vec![parameter.gradient]]).expect("a norm");
    let _ = gpu.readback(&[norm]);
}
