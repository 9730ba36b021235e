// include index
// y = [a, b]; see src/engine/ops/concat.rs.

struct Params {
    count: u32,
    // columns of y
    width: u32,
    // of y: forward the first column of b, backward that of the input whose gradient this is
    first: u32,
    // columns of that input
    own: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> d: array<f32>;

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let row = i / p.width;
    let column = i % p.width;
    if (column < p.first) {
        y[i] = a[row * p.first + column];
    } else {
        y[i] = b[row * (p.width - p.first) + column - p.first];
    }
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    d[i] = added(d[i], dy[i / p.own * p.width + p.first + i % p.own], p.accumulate);
}
