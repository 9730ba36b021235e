// include index
// y[b, i] = x[b, columns[i]]; see src/engine/ops/select_columns.rs.

struct Params {
    count: u32,
    width: u32,
    own: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> columns: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
// for each column of x: 1 + its place in y, or 0
@group(0) @binding(4) var<storage, read> places: array<u32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    y[i] = x[i / p.own * p.width + columns[i % p.own]];
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let place = places[i % p.width];
    // the column 0 replaces one that is not selected
    let part = dy[i / p.width * p.own + max(place, 1u) - 1u];
    dx[i] = added(dx[i], select(0.0, part, place != 0u), p.accumulate);
}
