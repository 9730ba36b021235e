// include index
// z = mu + eps * exp(logvar / 2); see src/engine/ops/reparameterize.rs.

struct Params {
    count: u32,
    latent: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> posterior: array<f32>;
@group(0) @binding(2) var<storage, read> eps: array<f32>;
@group(0) @binding(3) var<storage, read_write> z: array<f32>;
@group(0) @binding(4) var<storage, read> dz: array<f32>;
@group(0) @binding(5) var<storage, read_write> dposterior: array<f32>;

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let mu = i / p.latent * 2u * p.latent + i % p.latent;
    z[i] = posterior[mu] + eps[i] * exp(0.5 * posterior[mu + p.latent]);
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let mu = i / p.latent * 2u * p.latent + i % p.latent;
    let logvar = mu + p.latent;
    dposterior[mu] = added(dposterior[mu], dz[i], p.accumulate);
    let part = dz[i] * eps[i] * 0.5 * exp(0.5 * posterior[logvar]);
    dposterior[logvar] = added(dposterior[logvar], part, p.accumulate);
}
