//! What the CPU device refuses: handles and tickets that are not valid. See `tests/gpu/recording.rs` for a GPU.

use abr_film::engine::device::{AdamBuffers, AdamSettings, Cpu, Device, Role, ScalarHandle, ScalarValues};

#[test]
#[should_panic(expected = "a norm from before the last optimizer step")]
fn a_stale_norm_is_refused() {
    let mut cpu = Cpu::<f32>::new();
    let roles = [Role::Parameter, Role::Gradient, Role::Moment, Role::Moment];
    let [value, gradient, m, v] = roles.map(|role| cpu.alloc(role, &[[1, 2]]).expect("memory")[0]);
    let norm = cpu.norms(&[vec![gradient]]).expect("a norm").get(0);
    let parameter = AdamBuffers { value, gradient, m, v, learning_rate: 0.1, weight_decay: 0.0 };
    cpu.adam(1, &AdamSettings::DEFAULT, None, &[parameter]);
    // still valid: no other norm was computed
    let ticket = cpu.readback(&[norm]).expect("a readback");
    cpu.wait(ticket, &mut ScalarValues::default()).expect("a value");
    let _ = cpu.norms(&[vec![gradient]]).expect("a norm");
    let _ = cpu.readback(&[norm]);
}

#[test]
#[should_panic(expected = "a ticket of device")]
fn a_ticket_of_another_device_is_refused() {
    let [mut one, mut other] = [(); 2].map(|()| Cpu::<f32>::new());
    let buffers = [&mut one, &mut other].map(|device| device.alloc(Role::Activation, &[[1, 1]]).expect("memory")[0]);
    let _own = one.readback(&[ScalarHandle::First(buffers[0])]).expect("a readback");
    let ticket = other.readback(&[ScalarHandle::First(buffers[1])]).expect("a readback");
    let _ = one.wait(ticket, &mut ScalarValues::default());
}

#[test]
#[should_panic(expected = "was not read back")]
fn a_value_that_was_not_read_back_is_refused() {
    let mut cpu = Cpu::<f32>::new();
    let buffers = cpu.alloc(Role::Activation, &[[1, 1]; 2]).expect("memory");
    let ticket = cpu.readback(&[ScalarHandle::First(buffers[0])]).expect("a readback");
    let mut values = ScalarValues::default();
    cpu.wait(ticket, &mut values).expect("a value");
    let _ = values.get(ScalarHandle::First(buffers[1]));
}
