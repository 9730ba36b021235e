// The number of a workgroup: what is beyond 65,535 of them is folded into a second dimension.
fn group_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

// The number of a thread, where a workgroup has 256.
fn thread_number(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 {
    return group_number(group, groups) * 256u + lane;
}

// A gradient with a part added; a fresh one holds nothing yet.
fn added(old: f32, part: f32, fresh: u32) -> f32 {
    return select(old + part, part, fresh != 0u);
}
