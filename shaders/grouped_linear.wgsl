// include index, gemm, linear
// y_g = x_g W_g^T + b_g; see src/ops/grouped_linear.rs.

// where the outputs of each group begin, and where the last end
@group(0) @binding(9) var<storage, read> starts: array<u32>;

// A tile of outputs that are all of one group.
struct Outputs { group: u32, first: u32, end: u32 }

fn outputs_of(tile: u32) -> Outputs {
    var before = 0u;
    for (var g = 0u; g < p.group_count; g++) {
        let count = (starts[g + 1u] - starts[g] + TILE - 1u) / TILE;
        if (tile < before + count) {
            return Outputs(g, starts[g] + (tile - before) * TILE, starts[g + 1u]);
        }
        before += count;
    }
    return Outputs(0u, 0u, 0u);
}

fn inner_tiles() -> u32 {
    return (p.inner + TILE - 1u) / TILE;
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = group_number(group, groups);
    let m0 = tile / p.column_tiles * TILE;
    if (m0 < p.rows) {
        let outputs = outputs_of(tile % p.column_tiles);
        forward_tile(lane, m0, outputs.first, outputs.end, outputs.group * p.inner);
    }
}

fn weight(lane: u32, tile: u32) {
    let across = inner_tiles();
    if (tile / across < p.column_tiles) {
        let outputs = outputs_of(tile / across);
        weight_tile(lane, outputs.first, outputs.end, tile % across * TILE, outputs.group * p.inner);
    }
}

@compute @workgroup_size(256)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = group_number(group, groups);
    if (tile < p.tiles_of_x) {
        let across = inner_tiles() * p.group_count;
        let g = tile % across / inner_tiles();
        let i0 = tile % inner_tiles() * TILE;
        input_tile(lane, tile / across * TILE, i0, starts[g], starts[g + 1u], g * p.inner);
    } else {
        weight(lane, tile - p.tiles_of_x);
    }
}

@compute @workgroup_size(256)
fn backward_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    weight(lane, group_number(group, groups));
}
