// include index
// y = min(max(x, lo), hi); see src/engine/ops/clamp.rs.

struct Params {
    count: u32,
    lo: f32,
    hi: f32,
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
    y[i] = clamped(x[i], p.lo, p.hi);
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let slope = select(0.0, 1.0, x[i] > p.lo && x[i] < p.hi);
    dx[i] = added(dx[i], slope * dy[i], p.accumulate);
}
