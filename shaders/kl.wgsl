// include index, sum
// y = mean over rows of -1/2 sum(1 + logvar - mu^2 - exp(logvar)); see src/ops/kl.rs.

struct Params {
    count: u32,
    chunk: u32,
    latent: u32,
    scale: f32,
    fresh: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> posterior: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dposterior: array<f32>;

fn term(i: u32) -> f32 {
    let at = i / p.latent * 2u * p.latent + i % p.latent;
    let mu = posterior[at];
    let logvar = posterior[at + p.latent];
    return mu * mu + exp(logvar) - logvar - 1.0;
}

// The sum over this workgroup's part.
fn part(number: u32, lane: u32) -> f32 {
    var sum = 0.0;
    let end = min((number + 1u) * p.chunk, p.count);
    for (var i = number * p.chunk + lane; i < end; i += 256u) {
        sum += term(i);
    }
    return workgroup_sum(lane, sum);
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let sum = part(0u, lane);
    if (lane == 0u) {
        y[0] = sum * p.scale;
    }
}

@compute @workgroup_size(256)
fn partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    let sum = part(number, lane);
    if (lane == 0u) {
        partials[number] = sum;
    }
}

@compute @workgroup_size(256)
fn finish(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var own = 0.0;
    for (var i = lane; i < p.count; i += 256u) {
        own += partials[i];
    }
    let sum = workgroup_sum(lane, own);
    if (lane == 0u) {
        y[0] = sum * p.scale;
    }
}

@compute @workgroup_size(256)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, groups, lane);
    if (i >= p.count) {
        return;
    }
    let factor = dy[0] * p.scale;
    let v = posterior[i];
    let part = select(0.5 * factor * (exp(v) - 1.0), factor * v, i % (2u * p.latent) < p.latent);
    dposterior[i] = added(dposterior[i], part, p.fresh);
}
