// The three products of a Linear, a tile each: y = x W^T + b, dx = dy W, dW = dy^T x with db. x may be some columns of a wider
// tensor, and W some rows, which is how grouped_linear uses them. What lies outside is 0 in the tiles.
struct Params {
    rows: u32,
    inner: u32,
    // columns of x and of y in memory
    width: u32,
    outputs: u32,
    // of a backward pass, the workgroups for dx
    tiles_of_x: u32,
    fresh_w: u32,
    fresh_b: u32,
    fresh_x: u32,
    // of grouped_linear
    group_count: u32,
    column_tiles: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read_write> dw: array<f32>;
@group(0) @binding(8) var<storage, read_write> db: array<f32>;

// y[m0.., n0..n_end], from the columns of x that begin at x_first.
fn forward_tile(lane: u32, m0: u32, n0: u32, n_end: u32, x_first: u32) {
    clear_sums();
    for (var k0 = 0u; k0 < p.inner; k0 += DEPTH) {
        for (var e = lane; e < TILE * DEPTH; e += THREADS) {
            let k = k0 + e % DEPTH;
            let r = e / DEPTH;
            var a = 0.0;
            var b = 0.0;
            if (k < p.inner && m0 + r < p.rows) {
                a = x[(m0 + r) * p.width + x_first + k];
            }
            if (k < p.inner && n0 + r < n_end) {
                b = w[(n0 + r) * p.inner + k];
            }
            left[(e % DEPTH) * PITCH + r] = a;
            right[(e % DEPTH) * PITCH + r] = b;
        }
        workgroupBarrier();
        multiply_add(lane);
        workgroupBarrier();
    }
    join_slices(lane);
    for (var i = 0u; i < 4u && lane < 64u; i++) {
        let m = m0 + tile_row(lane, i);
        for (var j = 0u; j < 4u; j++) {
            let n = n0 + tile_column(lane, j);
            if (m < p.rows && n < n_end) {
                y[m * p.outputs + n] = sums[i][j] + bias[n];
            }
        }
    }
}

// dx[m0.., x_first + i0..], from the columns o_begin..o_end of dy.
fn input_tile(lane: u32, m0: u32, i0: u32, o_begin: u32, o_end: u32, x_first: u32) {
    clear_sums();
    for (var k0 = o_begin; k0 < o_end; k0 += DEPTH) {
        for (var e = lane; e < TILE * DEPTH; e += THREADS) {
            let k = k0 + e % DEPTH;
            let r = e / DEPTH;
            var a = 0.0;
            if (k < o_end && m0 + r < p.rows) {
                a = dy[(m0 + r) * p.outputs + k];
            }
            left[(e % DEPTH) * PITCH + r] = a;
            let along = e / TILE;
            let c = e % TILE;
            var b = 0.0;
            if (k0 + along < o_end && i0 + c < p.inner) {
                b = w[(k0 + along) * p.inner + i0 + c];
            }
            right[along * PITCH + c] = b;
        }
        workgroupBarrier();
        multiply_add(lane);
        workgroupBarrier();
    }
    join_slices(lane);
    for (var i = 0u; i < 4u && lane < 64u; i++) {
        let m = m0 + tile_row(lane, i);
        for (var j = 0u; j < 4u; j++) {
            let c = i0 + tile_column(lane, j);
            if (m < p.rows && c < p.inner) {
                let at = m * p.width + x_first + c;
                dx[at] = added(dx[at], sums[i][j], p.fresh_x);
            }
        }
    }
}

// dw[o0..o_end, i0..], and where i0 is 0 db[o0..o_end]: sums over the rows of the batch.
fn weight_tile(lane: u32, o0: u32, o_end: u32, i0: u32, x_first: u32) {
    clear_sums();
    var of_bias = 0.0;
    for (var k0 = 0u; k0 < p.rows; k0 += DEPTH) {
        for (var e = lane; e < TILE * DEPTH; e += THREADS) {
            let along = e / TILE;
            let c = e % TILE;
            var a = 0.0;
            var b = 0.0;
            if (k0 + along < p.rows && o0 + c < o_end) {
                a = dy[(k0 + along) * p.outputs + o0 + c];
            }
            if (k0 + along < p.rows && i0 + c < p.inner) {
                b = x[(k0 + along) * p.width + x_first + i0 + c];
            }
            left[along * PITCH + c] = a;
            right[along * PITCH + c] = b;
        }
        workgroupBarrier();
        multiply_add(lane);
        if (i0 == 0u && lane < TILE) {
            for (var k = 0u; k < DEPTH; k++) {
                of_bias += left[k * PITCH + lane];
            }
        }
        workgroupBarrier();
    }
    join_slices(lane);
    for (var i = 0u; i < 4u && lane < 64u; i++) {
        let o = o0 + tile_row(lane, i);
        for (var j = 0u; j < 4u; j++) {
            let c = i0 + tile_column(lane, j);
            if (o < o_end && c < p.inner) {
                let at = o * p.inner + c;
                dw[at] = added(dw[at], sums[i][j], p.fresh_w);
            }
        }
    }
    if (i0 == 0u && lane < TILE && o0 + lane < o_end) {
        db[o0 + lane] = added(db[o0 + lane], of_bias, p.fresh_b);
    }
}
