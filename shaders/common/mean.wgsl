// The result of a sum over many elements, always in the same order. For few elements `forward` does all of it;
// otherwise `partial` makes one sum per workgroup and `finish` adds these up (`reduction` in src/engine/dispatch.rs).
// The shader defines the type `Sum`, the `term` that an element adds, and the `result` of a sum. `p.count` elements lie
// in chunks of `p.chunk`, one per workgroup.
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<Sum>;

fn chunk_sum(number: u32, lane: u32) -> Sum {
    var own = Sum();
    let end = min((number + 1u) * p.chunk, p.count);
    for (var start = number * p.chunk + lane; start < end; start += ELEMENTS_AT_ONCE * 256u) {
        for (var i = 0u; i < ELEMENTS_AT_ONCE; i++) {
            let at = start + i * 256u;
            own += select(Sum(), term(min(at, end - 1u)), at < end);
        }
    }
    return workgroup_sum(lane, own);
}

@compute @workgroup_size(256)
fn forward(@builtin(local_invocation_index) lane: u32) {
    let sum = chunk_sum(0u, lane);
    if (lane == 0u) {
        y[0] = result(sum);
    }
}

@compute @workgroup_size(256)
fn partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    let sum = chunk_sum(number, lane);
    if (lane == 0u) {
        partials[number] = sum;
    }
}

// Here `p.count` is the number of partial sums.
@compute @workgroup_size(256)
fn finish(@builtin(local_invocation_index) lane: u32) {
    var own = Sum();
    for (var i = lane; i < p.count; i += 256u) {
        own += partials[i];
    }
    let sum = workgroup_sum(lane, own);
    if (lane == 0u) {
        y[0] = result(sum);
    }
}
