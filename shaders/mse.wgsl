// include index, sum, mean
// y = mean((x - labels)^2); see src/engine/ops/mse.rs.

struct Params {
    count: u32,
    chunk: u32,
    scale: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> labels: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

alias Sum = f32;

fn term(i: u32) -> Sum {
    let error = x[i] - labels[i];
    return error * error;
}

fn result(sum: Sum) -> f32 {
    return sum * p.scale;
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    dx[i] = added(dx[i], p.scale * dy[0] * (x[i] - labels[i]), p.accumulate);
}
