// include index
// y = [clamp(mu), clamp(logvar)]; see src/engine/ops/clamp_posterior.rs.

struct Params {
    count: u32,
    columns: u32,
    mu_lo: f32,
    mu_hi: f32,
    logvar_lo: f32,
    logvar_hi: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

// lo and hi of an element; the first half of a row is mu
fn bounds(i: u32) -> vec2<f32> {
    let mu = i % p.columns < p.columns / 2u;
    return select(vec2<f32>(p.logvar_lo, p.logvar_hi), vec2<f32>(p.mu_lo, p.mu_hi), mu);
}

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let b = bounds(i);
    y[i] = clamped(x[i], b.x, b.y);
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let b = bounds(i);
    let slope = select(0.0, 1.0, x[i] > b.x && x[i] < b.y);
    dx[i] = added(dx[i], slope * dy[i], p.accumulate);
}
