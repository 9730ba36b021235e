// include index, sum
// Sums of squares: a workgroup sums one chunk of one buffer. The CPU adds up these few numbers in f64. Only the clip
// factor is computed here as well, as the GPU needs it at once.

struct Params {
    chunks: u32,
    // the largest norm
    largest: f32,
}

alias Sum = f32;

// The first element of a chunk, and its length.
struct Chunk { first: u32, len: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;
@group(0) @binding(4) var<storage, read_write> scale: array<f32>;

@compute @workgroup_size(256)
fn squares(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    if (number >= p.chunks) {
        return;
    }
    let chunk = chunks[number];
    var own = 0.0;
    for (var start = lane; start < chunk.len; start += ELEMENTS_AT_ONCE * 256u) {
        for (var i = 0u; i < ELEMENTS_AT_ONCE; i++) {
            let at = start + i * 256u;
            let v = values[chunk.first + min(at, chunk.len - 1u)];
            own += select(0.0, v * v, at < chunk.len);
        }
    }
    let sum = workgroup_sum(lane, own);
    if (lane == 0u) {
        sums[number] = sum;
    }
}

// One workgroup: the clip factor for gradients with these sums of squares; a NaN makes it NaN.
@compute @workgroup_size(256)
fn clip(@builtin(local_invocation_index) lane: u32) {
    var own = 0.0;
    for (var i = lane; i < p.chunks; i += 256u) {
        own += sums[i];
    }
    let norm = sqrt(workgroup_sum(lane, own)) + 1e-6;
    if (lane == 0u) {
        scale[0] = select(select(1.0, p.largest / norm, norm > p.largest), norm, is_nan(norm));
    }
}
