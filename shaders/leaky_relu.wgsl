// include index
// y = x above 0, slope x elsewhere; see src/engine/ops/leaky_relu.rs.

struct Params {
    count: u32,
    slope: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    y[i] = select(p.slope * x[i], x[i], x[i] > 0.0);
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    dx[i] = added(dx[i], select(p.slope * dy[i], dy[i], x[i] > 0.0), p.accumulate);
}
