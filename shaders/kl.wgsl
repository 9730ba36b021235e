// include index, sum, mean
// y = mean over rows of -1/2 sum(1 + logvar - mu^2 - exp(logvar)); see src/engine/ops/kl.rs.

struct Params {
    count: u32,
    chunk: u32,
    latent: u32,
    scale: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(3) var<storage, read> posterior: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dposterior: array<f32>;

alias Sum = f32;

fn term(i: u32) -> Sum {
    let at = i / p.latent * 2u * p.latent + i % p.latent;
    let mu = posterior[at];
    let logvar = posterior[at + p.latent];
    return mu * mu + exp(logvar) - logvar - 1.0;
}

fn result(sum: Sum) -> f32 {
    return sum * p.scale;
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let factor = dy[0] * p.scale;
    let v = posterior[i];
    let part = select(0.5 * factor * (exp(v) - 1.0), factor * v, i % (2u * p.latent) < p.latent);
    dposterior[i] = added(dposterior[i], part, p.accumulate);
}
