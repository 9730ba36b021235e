// One thread per element, in workgroups of 256.
struct Thread {
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
}

// The number of a thread's element; there may be more threads than elements.
fn element(thread: Thread) -> u32 {
    return thread.id.y * thread.groups.x * 256u + thread.id.x;
}

// The number of a workgroup: more than 65,535 of them are folded into a second dimension.
fn group_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

// Elements of a sum whose loads a thread has in flight at once; the last element replaces missing ones.
const ELEMENTS_AT_ONCE: u32 = 8u;

// A gradient plus one more contribution, or that alone.
fn added(old: f32, part: f32, accumulate: u32) -> f32 {
    return select(part, old + part, accumulate != 0u);
}

// Tests the bits: compilers assume that every number equals itself, and turn comparisons into `max` and `min`, which
// drop a NaN.
fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// The nearest number between two bounds; a NaN stays NaN.
fn clamped(v: f32, lo: f32, hi: f32) -> f32 {
    return select(select(select(v, hi, v > hi), lo, v < lo), v, is_nan(v));
}

// The larger of a number and a bound; a NaN stays NaN.
fn at_least(v: f32, lo: f32) -> f32 {
    return select(v, lo, v < lo && !is_nan(v));
}
