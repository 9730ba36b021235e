// A thread of those that have an element each, in workgroups of 256.
struct Thread {
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
}

// The number of its element; there are more threads than elements.
fn element(thread: Thread) -> u32 {
    return thread.id.y * thread.groups.x * 256u + thread.id.x;
}

// The number of a workgroup: what is beyond 65,535 of them is folded into a second dimension.
fn group_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

// Elements of a thread of a sum whose loads are under way together; the last element stands for those that are not
// there.
const ELEMENTS_AT_ONCE: u32 = 8u;

// A gradient with a part added; a fresh one holds nothing yet.
fn added(old: f32, part: f32, fresh: u32) -> f32 {
    return select(old + part, part, fresh != 0u);
}

// By its bits: compilers take it that no number is unequal to itself, and make `max` and `min`, which swallow a NaN, of
// comparisons.
fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// The number between two bounds that is nearest; a NaN stays one.
fn clamped(v: f32, lo: f32, hi: f32) -> f32 {
    return select(select(select(v, hi, v > hi), lo, v < lo), v, is_nan(v));
}

// The larger of a number and a bound; a NaN stays one.
fn at_least(v: f32, lo: f32) -> f32 {
    return select(v, lo, v < lo && !is_nan(v));
}
