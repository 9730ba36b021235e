// include index, philox
// y = x * mask; see src/engine/ops/dropout.rs.

struct Params {
    rows: u32,
    columns: u32,
    // of a backward pass, with `accumulate`
    count: u32,
    key0: u32,
    key1: u32,
    tag: u32,
    step: u32,
    below: u32,
    keep: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> mask: array<f32>;
@group(0) @binding(4) var<storage, read> kept: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    let quads = (p.columns + 3u) / 4u;
    if (i >= p.rows * quads) { return; }
    let row = i / quads;
    let column = i % quads * 4u;
    let m = multipliers(i % quads, row, Stream(p.key0, p.key1, p.tag, p.step), p.below, p.keep);
    for (var c = 0u; c < 4u && column + c < p.columns; c++) {
        let at = row * p.columns + column + c;
        mask[at] = m[c];
        y[at] = x[at] * m[c];
    }
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    dx[i] = added(dx[i], kept[i] * dy[i], p.accumulate);
}
