// include index, gemm, linear
// y_g = x_g W_g^T + b_g; see src/engine/ops/grouped_linear.rs.

// the first output of each group, and the end of the last group
@group(0) @binding(10) var<storage, read> starts: array<u32>;

fn finished(row: u32, column: u32, sums: vec4<f32>) -> vec4<f32> {
    return sums;
}

fn arriving(row: u32, column: u32, end: u32) -> vec4<f32> {
    return dy_quad(row, column, end);
}

// A tile of outputs of one group.
struct Outputs { group: u32, first: u32, end: u32 }

fn outputs_of(tile: u32) -> Outputs {
    var before = 0u;
    for (var g = 0u; g < p.group_count; g++) {
        let count = tiles_over(starts[g + 1u] - starts[g]);
        if (tile < before + count) {
            return Outputs(g, starts[g] + (tile - before) * TILE, starts[g + 1u]);
        }
        before += count;
    }
    return Outputs(0u, 0u, 0u);
}

@compute @workgroup_size(256)
fn forward(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    let number = number_of(group);
    let count = tiles_over(p.rows) * p.column_tiles;
    let tile = number % count;
    if (number < count * p.splits) {
        let outputs = outputs_of(tile % p.column_tiles);
        let m0 = tile / p.column_tiles * TILE;
        forward_tile(lane, number / count, m0, outputs.first, outputs.end, outputs.group * p.inner);
    }
}

@compute @workgroup_size(256)
fn forward_join(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    join_forward(number_of(group) * 256u + lane);
}

@compute @workgroup_size(256)
fn backward(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    let number = number_of(group);
    let across = tiles_over(p.inner);
    if (number < p.groups_of_x) {
        let in_a_row = across * p.group_count;
        let count = tiles_over(p.rows) * in_a_row;
        let tile = number % count;
        let g = tile % in_a_row / across;
        let m0 = tile / in_a_row * TILE;
        input_tile(lane, number / count, m0, tile % across * TILE, starts[g], starts[g + 1u], g * p.inner);
    } else {
        let count = p.column_tiles * across;
        let of_w = number - p.groups_of_x;
        let tile = of_w % count;
        if (of_w < count * p.splits_of_w) {
            let outputs = outputs_of(tile / across);
            weight_tile(lane, of_w / count, outputs.first, outputs.end, tile % across * TILE, outputs.group * p.inner);
        }
    }
}

@compute @workgroup_size(256)
fn backward_join(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    join_backward(number_of(group) * 256u + lane);
}
