// include index, philox
// y = dropout(relu(x)); see src/ops/relu_dropout.rs.

struct Params {
    rows: u32,
    columns: u32,
    key0: u32,
    key1: u32,
    tag: u32,
    step: u32,
    below: u32,
    keep: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> kept: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

struct Backward {
    count: u32,
    keep: f32,
    fresh: u32,
}

@group(0) @binding(0) var<uniform> back: Backward;

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, groups, lane);
    let quads = (p.columns + 3u) / 4u;
    if (i >= p.rows * quads) {
        return;
    }
    let row = i / quads;
    let column = i % quads * 4u;
    let m = multipliers(i % quads, row, Stream(p.key0, p.key1, p.tag, p.step), p.below, p.keep);
    for (var c = 0u; c < 4u && column + c < p.columns; c++) {
        let at = row * p.columns + column + c;
        y[at] = select(0.0, x[at], x[at] > 0.0 || is_nan(x[at])) * m[c];
    }
}

@compute @workgroup_size(256)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, groups, lane);
    if (i >= back.count) {
        return;
    }
    // what is 0 in y was dropped or cut off
    dx[i] = added(dx[i], select(0.0, back.keep * dy[i], kept[i] > 0.0), back.fresh);
}
