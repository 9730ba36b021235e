// include index
// One step of Adam or AdamW over all parameters; see src/engine/kernels/adam.rs. A workgroup updates one chunk of one
// parameter.

struct Params {
    chunks: u32,
    b1: f32,
    b2: f32,
    // 1 - b1, 1 - b2
    c1: f32,
    c2: f32,
    inverse_root: f32,
    eps: f32,
}

// The first element of a chunk in each buffer, and the chunk's length.
struct Chunk {
    value: u32,
    gradient: u32,
    m: u32,
    v: u32,
    len: u32,
    // index into `factors`
    group: u32,
}

// The learning rate over the bias correction, the factor that decoupled decay applies to a value, and the factor of the
// value in the gradient for decay that is not decoupled.
struct Factors { step_size: f32, keep: f32, l2: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(2) var<storage, read> factors: array<Factors>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read> gradients: array<f32>;
@group(0) @binding(5) var<storage, read_write> first: array<f32>;
@group(0) @binding(6) var<storage, read_write> second: array<f32>;
// one number, the factor for every gradient
@group(0) @binding(7) var<storage, read> scale: array<f32>;

@compute @workgroup_size(256)
fn update(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    if (number >= p.chunks) {
        return;
    }
    let chunk = chunks[number];
    let f = factors[chunk.group];
    for (var i = lane; i < chunk.len; i += 256u) {
        let x = values[chunk.value + i];
        let g = gradients[chunk.gradient + i] * scale[0] + f.l2 * x;
        let m = p.b1 * first[chunk.m + i] + p.c1 * g;
        let v = p.b2 * second[chunk.v + i] + p.c2 * g * g;
        first[chunk.m + i] = m;
        second[chunk.v + i] = v;
        values[chunk.value + i] = f.keep * x - f.step_size * m / (sqrt(v) * p.inverse_root + p.eps);
    }
}
