// include index
// y = r L / (2 max(m, floor)); see src/engine/ops/sigma_vae_nll.rs.

struct Params {
    half_length: f32,
    floor: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> r: array<f32>;
@group(0) @binding(2) var<storage, read> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dr: array<f32>;

fn factor() -> f32 {
    return p.half_length / at_least(m[0], p.floor);
}

@compute @workgroup_size(1)
fn forward() {
    y[0] = r[0] * factor();
}

@compute @workgroup_size(1)
fn backward() {
    dr[0] = added(dr[0], dy[0] * factor(), p.accumulate);
}
