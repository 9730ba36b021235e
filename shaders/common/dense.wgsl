// What the workgroups of a Linear do that has all columns of x and all rows of W: a tile each, those of one split behind each other.
fn dense_forward(number: u32, lane: u32) {
    let across = tiles_over(p.outputs);
    let count = tiles_over(p.rows) * across;
    let tile = number % count;
    if (number < count * p.splits) {
        forward_tile(lane, number / count, tile / across * TILE, tile % across * TILE, p.outputs, 0u);
    }
}

// First the tiles of dx, then those of dW.
fn dense_backward(number: u32, lane: u32) {
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
