// include index, sum
// y = ((1 - c) + c gamma) * x + c beta; see src/engine/ops/film.rs.

struct Params {
    count: u32,
    rows: u32,
    columns: u32,
    accumulate_x: u32,
    accumulate_gamma: u32,
    accumulate_beta: u32,
    accumulate_strength: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> strength: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;
@group(0) @binding(8) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(9) var<storage, read_write> dbeta: array<f32>;
@group(0) @binding(10) var<storage, read_write> dstrength: array<f32>;

alias Sum = f32;

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let c = strength[i / p.columns];
    y[i] = ((1.0 - c) + c * gamma[i]) * x[i] + c * beta[i];
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let c = strength[i / p.columns];
    dx[i] = added(dx[i], ((1.0 - c) + c * gamma[i]) * dy[i], p.accumulate_x);
    dgamma[i] = added(dgamma[i], c * x[i] * dy[i], p.accumulate_gamma);
    dbeta[i] = added(dbeta[i], c * dy[i], p.accumulate_beta);
}

// A workgroup for each row.
@compute @workgroup_size(256)
fn backward_strength(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group, groups);
    if (row >= p.rows) {
        return;
    }
    var own = 0.0;
    for (var j = lane; j < p.columns; j += 256u) {
        let i = row * p.columns + j;
        own += ((gamma[i] - 1.0) * x[i] + beta[i]) * dy[i];
    }
    let sum = workgroup_sum(lane, own);
    if (lane == 0u) {
        dstrength[row] = added(dstrength[row], sum, p.accumulate_strength);
    }
}
