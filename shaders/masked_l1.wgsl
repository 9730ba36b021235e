// include index, sum
// y = sum(|x - labels| valid) / max(1, sum(valid)); see src/ops/masked_l1.rs.

struct Params {
    count: u32,
    chunk: u32,
    fresh: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<f32>;
@group(0) @binding(3) var<storage, read> valid: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> total: array<f32>;
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;

// the error, and the count of what is valid
fn term(i: u32) -> vec2<f32> {
    return vec2<f32>(abs(x[i] - labels[i]) * valid[i], valid[i]);
}

// The sum over this workgroup's part.
fn part(number: u32, lane: u32) -> vec2<f32> {
    var sum = vec2<f32>();
    let end = min((number + 1u) * p.chunk, p.count);
    for (var i = number * p.chunk + lane; i < end; i += 256u) {
        sum += term(i);
    }
    return vec2<f32>(workgroup_sum(lane, sum.x), workgroup_sum(lane, sum.y));
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let sum = part(0u, lane);
    if (lane == 0u) {
        y[0] = sum.x / at_least(sum.y, 1.0);
    }
}

@compute @workgroup_size(256)
fn partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    let sum = part(number, lane);
    if (lane == 0u) {
        partials[2u * number] = sum.x;
        partials[2u * number + 1u] = sum.y;
    }
}

@compute @workgroup_size(256)
fn finish(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var own = vec2<f32>();
    for (var i = lane; i < p.count; i += 256u) {
        own += vec2<f32>(partials[2u * i], partials[2u * i + 1u]);
    }
    let sum = vec2<f32>(workgroup_sum(lane, own.x), workgroup_sum(lane, own.y));
    if (lane == 0u) {
        y[0] = sum.x / at_least(sum.y, 1.0);
    }
}

@compute @workgroup_size(256)
fn count(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var own = 0.0;
    for (var i = lane; i < p.count; i += 256u) {
        own += valid[i];
    }
    let sum = workgroup_sum(lane, own);
    if (lane == 0u) {
        total[0] = at_least(sum, 1.0);
    }
}

@compute @workgroup_size(256)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, groups, lane);
    if (i >= p.count) {
        return;
    }
    let error = x[i] - labels[i];
    let sign = select(select(select(0.0, -1.0, error < 0.0), 1.0, error > 0.0), error, is_nan(error));
    dx[i] = added(dx[i], sign * valid[i] * dy[0] / total[0], p.fresh);
}
