// include index, gemm, linear
// y = x W^T + b; see src/ops/linear.rs.

fn tiles(extent: u32) -> u32 {
    return (extent + TILE - 1u) / TILE;
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = group_number(group, groups);
    let across = tiles(p.outputs);
    if (tile < tiles(p.rows) * across) {
        forward_tile(lane, tile / across * TILE, tile % across * TILE, p.outputs, 0u);
    }
}

@compute @workgroup_size(256)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = group_number(group, groups);
    let across = tiles(p.inner);
    if (tile < p.tiles_of_x) {
        input_tile(lane, tile / across * TILE, tile % across * TILE, 0u, p.outputs, 0u);
    } else if (tile - p.tiles_of_x < tiles(p.outputs) * across) {
        let of_w = tile - p.tiles_of_x;
        weight_tile(lane, of_w / across * TILE, p.outputs, of_w % across * TILE, 0u);
    }
}

@compute @workgroup_size(256)
fn backward_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = group_number(group, groups);
    let across = tiles(p.inner);
    if (tile < tiles(p.outputs) * across) {
        weight_tile(lane, tile / across * TILE, p.outputs, tile % across * TILE, 0u);
    }
}
