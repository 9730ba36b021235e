// include index
// y = sum of w_i x_i; see src/engine/ops/weighted_sum.rs.

struct Params {
    terms: u32,
    w0: f32,
    w1: f32,
    w2: f32,
    w3: f32,
    w4: f32,
    w5: f32,
    w6: f32,
    accumulate0: u32,
    accumulate1: u32,
    accumulate2: u32,
    accumulate3: u32,
    accumulate4: u32,
    accumulate5: u32,
    accumulate6: u32,
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
@group(0) @binding(10) var<storage, read_write> d0: array<f32>;
@group(0) @binding(11) var<storage, read_write> d1: array<f32>;
@group(0) @binding(12) var<storage, read_write> d2: array<f32>;
@group(0) @binding(13) var<storage, read_write> d3: array<f32>;
@group(0) @binding(14) var<storage, read_write> d4: array<f32>;
@group(0) @binding(15) var<storage, read_write> d5: array<f32>;
@group(0) @binding(16) var<storage, read_write> d6: array<f32>;

@compute @workgroup_size(1)
fn forward() {
    // a missing term adds nothing, not even 0 times the value at its address, which may be NaN
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
    d0[0] = added(d0[0], p.w0 * dy[0], p.accumulate0);
    d1[0] = added(d1[0], p.w1 * dy[0], p.accumulate1);
    d2[0] = added(d2[0], p.w2 * dy[0], p.accumulate2);
    d3[0] = added(d3[0], p.w3 * dy[0], p.accumulate3);
    d4[0] = added(d4[0], p.w4 * dy[0], p.accumulate4);
    d5[0] = added(d5[0], p.w5 * dy[0], p.accumulate5);
    d6[0] = added(d6[0], p.w6 * dy[0], p.accumulate6);
}
