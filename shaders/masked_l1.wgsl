// include index, sum, mean
// y = sum(|x - labels| valid) / max(1, sum(valid)); see src/engine/ops/masked_l1.rs.

struct Params {
    count: u32,
    chunk: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> labels: array<f32>;
@group(0) @binding(5) var<storage, read> valid: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read_write> total: array<f32>;
@group(0) @binding(8) var<storage, read_write> dx: array<f32>;

// the sum of the errors, and the count of valid elements
alias Sum = vec2<f32>;

fn term(i: u32) -> Sum {
    return Sum(abs(x[i] - labels[i]) * valid[i], valid[i]);
}

fn result(sum: Sum) -> f32 {
    return sum.x / at_least(sum.y, 1.0);
}

@compute @workgroup_size(256)
fn count(@builtin(local_invocation_index) lane: u32) {
    var own = Sum();
    for (var i = lane; i < p.count; i += 256u) {
        own.y += valid[i];
    }
    let sum = workgroup_sum(lane, own);
    if (lane == 0u) {
        total[0] = at_least(sum.y, 1.0);
    }
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let error = x[i] - labels[i];
    let sign = select(select(select(0.0, -1.0, error < 0.0), 1.0, error > 0.0), error, is_nan(error));
    dx[i] = added(dx[i], sign * valid[i] * dy[0] / total[0], p.accumulate);
}
