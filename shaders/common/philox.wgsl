// Philox 4x32-10, with the same bits as src/engine/rng.rs. WGSL has no 64-bit product, so it multiplies 16-bit halves.
struct Stream { key0: u32, key1: u32, tag: u32, step: u32 }

fn high_word(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    // neither sum overflows: (2^16 - 1)^2 + 2^16 - 1 < 2^32
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return a1 * b1 + (middle >> 16u) + (other >> 16u);
}

// The random bits of elements 4 quad .. 4 quad + 4 of a sample, 32 for each.
fn philox(quad: u32, sample: u32, stream: Stream) -> vec4<u32> {
    var counter = vec4<u32>(quad, sample, stream.step, stream.tag);
    var key = vec2<u32>(stream.key0, stream.key1);
    for (var round = 0u; round < 10u; round++) {
        let a = counter.x;
        let b = counter.z;
        counter = vec4<u32>(
            high_word(0xCD9E8D57u, b) ^ counter.y ^ key.x,
            0xCD9E8D57u * b,
            high_word(0xD2511F53u, a) ^ counter.w ^ key.y,
            0xD2511F53u * a,
        );
        key += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

// The multipliers of dropout for four elements.
fn multipliers(quad: u32, sample: u32, stream: Stream, below: u32, keep: f32) -> vec4<f32> {
    return select(vec4<f32>(keep), vec4<f32>(0.0), philox(quad, sample, stream) < vec4<u32>(below));
}
