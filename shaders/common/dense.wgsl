// The workgroups of a Linear over all columns of x and all rows of W: each makes one tile, and the tiles of one split
// follow each other.
@compute @workgroup_size(256)
fn forward(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    let number = number_of(group);
    let across = tiles_over(p.outputs);
    let count = tiles_over(p.rows) * across;
    let tile = number % count;
    if (number < count * p.splits) {
        forward_tile(lane, number / count, tile / across * TILE, tile % across * TILE, p.outputs, 0u);
    }
}

// First the tiles of dx, then those of dW.
@compute @workgroup_size(256)
fn backward(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    let number = number_of(group);
    let across = tiles_over(p.inner);
    if (number < p.groups_of_x) {
        let count = tiles_over(p.rows) * across;
        let tile = number % count;
        input_tile(lane, number / count, tile / across * TILE, tile % across * TILE, 0u, p.outputs, 0u);
    } else {
        let count = tiles_over(p.outputs) * across;
        let of_w = number - p.groups_of_x;
        let tile = of_w % count;
        if (of_w < count * p.splits_of_w) {
            weight_tile(lane, of_w / count, tile / across * TILE, p.outputs, tile % across * TILE, 0u);
        }
    }
}

@compute @workgroup_size(256)
fn forward_join(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    join_forward(number_of(group) * 256u + lane);
}

@compute @workgroup_size(256)
fn backward_join(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    join_backward(number_of(group) * 256u + lane);
}
