// include index
// y = a * b; see src/engine/ops/mul.rs.

struct Params {
    count: u32,
    accumulate_a: u32,
    accumulate_b: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> da: array<f32>;
@group(0) @binding(6) var<storage, read_write> db: array<f32>;

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    y[i] = a[i] * b[i];
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    da[i] = added(da[i], b[i] * dy[i], p.accumulate_a);
    db[i] = added(db[i], a[i] * dy[i], p.accumulate_b);
}
