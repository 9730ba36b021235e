// include index
// y[b T + t] = x[b, t] weight[t] + name[t]; see src/engine/ops/token_embedding.rs.

struct Params {
    count: u32,
    rows: u32,
    tokens: u32,
    width: u32,
    accumulate_x: u32,
    accumulate_weight: u32,
    accumulate_name: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> name: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(8) var<storage, read_write> dname: array<f32>;

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let token = i / p.width;
    let at = token % p.tokens * p.width + i % p.width;
    y[i] = x[token] * weight[at] + name[at];
}

// A thread for each value of x.
@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let own = i % p.tokens * p.width;
    var sum = 0.0;
    for (var j = 0u; j < p.width; j++) {
        sum += weight[own + j] * dy[i * p.width + j];
    }
    dx[i] = added(dx[i], sum, p.accumulate_x);
}

// A thread for each number of weight and name.
@compute @workgroup_size(256)
fn backward_parameters(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let token = i / p.width;
    var sum = 0.0;
    var sum_x = 0.0;
    for (var b = 0u; b < p.rows; b++) {
        let at = b * p.tokens + token;
        let d = dy[at * p.width + i % p.width];
        sum += d;
        sum_x += x[at] * d;
    }
    dweight[i] = added(dweight[i], sum_x, p.accumulate_weight);
    dname[i] = added(dname[i], sum, p.accumulate_name);
}
