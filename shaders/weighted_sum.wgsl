// include index
// y = sum of w_i x_i; see src/ops/weighted_sum.rs.

struct Params {
    terms: u32,
    w0: f32,
    w1: f32,
    w2: f32,
    w3: f32,
    w4: f32,
    w5: f32,
    w6: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> x0: array<f32>;
@group(0) @binding(3) var<storage, read> x1: array<f32>;
@group(0) @binding(4) var<storage, read> x2: array<f32>;
@group(0) @binding(5) var<storage, read> x3: array<f32>;
@group(0) @binding(6) var<storage, read> x4: array<f32>;
@group(0) @binding(7) var<storage, read> x5: array<f32>;
@group(0) @binding(8) var<storage, read> x6: array<f32>;
@group(0) @binding(9) var<storage, read> dy: array<f32>;
@group(0) @binding(10) var<storage, read_write> d: array<f32>;

struct Backward {
    weight: f32,
    fresh: u32,
}

@group(0) @binding(0) var<uniform> back: Backward;

@compute @workgroup_size(1)
fn forward() {
    // a term that is not there adds nothing, not even 0 times what lies there
    var sum = p.w0 * x0[0];
    sum += select(0.0, p.w1 * x1[0], p.terms > 1u);
    sum += select(0.0, p.w2 * x2[0], p.terms > 2u);
    sum += select(0.0, p.w3 * x3[0], p.terms > 3u);
    sum += select(0.0, p.w4 * x4[0], p.terms > 4u);
    sum += select(0.0, p.w5 * x5[0], p.terms > 5u);
    sum += select(0.0, p.w6 * x6[0], p.terms > 6u);
    y[0] = sum;
}

@compute @workgroup_size(1)
fn backward() {
    d[0] = added(d[0], back.weight * dy[0], back.fresh);
}
