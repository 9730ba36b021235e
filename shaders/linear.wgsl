// include index, gemm, linear, dense
// y = x W^T + b; see src/ops/linear.rs.

fn finished(row: u32, column: u32, sums: vec4<f32>) -> vec4<f32> {
    return sums;
}

fn arriving(row: u32, column: u32, end: u32) -> vec4<f32> {
    return dy_quad(row, column, end);
}

@compute @workgroup_size(256)
fn forward(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    dense_forward(number_of(group), lane);
}

@compute @workgroup_size(256)
fn forward_join(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    join_forward(number_of(group) * 256u + lane);
}

@compute @workgroup_size(256)
fn backward(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    dense_backward(number_of(group), lane);
}

@compute @workgroup_size(256)
fn backward_join(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    join_backward(number_of(group) * 256u + lane);
}
