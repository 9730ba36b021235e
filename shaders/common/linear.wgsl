// The three products of a Linear, one tile each: y = x W^T + b, dx = dy W, dW = dy^T x with db. For grouped_linear, x
// is some columns of a wider tensor, and W some rows. Terms beyond the last are 0 in the tiles. A shader that includes
// this defines `finished`, the epilogue for four columns of a row of x W^T + b, and `arriving`, which reads dy.
//
// A product of few tiles and many terms may be split-K: its tiles are made `splits` times, each time from `split_depth`
// terms, into `partials`, which `join_forward` or `join_backward` adds up in order.
struct Params {
    rows: u32,
    inner: u32,
    // columns of x and of y in memory
    width: u32,
    outputs: u32,
    // of y, or of dx
    splits: u32,
    split_depth: u32,
    // of a backward pass; first the workgroups for dx
    groups_of_x: u32,
    splits_of_w: u32,
    split_depth_of_w: u32,
    accumulate_x: u32,
    accumulate_w: u32,
    accumulate_b: u32,
    // of grouped_linear: groups, and the tiles of all groups side by side
    group_count: u32,
    column_tiles: u32,
    // of linear_relu: its dropout
    key0: u32,
    key1: u32,
    tag: u32,
    step: u32,
    below: u32,
    keep: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<storage, read_write> dw: array<f32>;
@group(0) @binding(8) var<storage, read_write> db: array<f32>;
@group(0) @binding(9) var<storage, read_write> partials: array<f32>;

struct Workgroup { @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32> }

fn number_of(group: Workgroup) -> u32 {
    return group_number(group.id, group.count);
}

fn tiles_over(extent: u32) -> u32 {
    return (extent + TILE - 1u) / TILE;
}

// Four numbers of a row of x, of W, of dy. Beyond the last row or column they are some other number: sums with it are
// not stored, and `put_block` sets such terms to 0.
fn x_quad(row: u32, first: u32, column: u32) -> vec4<f32> {
    let at = places(min(row, last_of(p.rows)), p.width, first + column, first + p.inner);
    if (ALIGNED) {
        return x[at.x / 4u];
    }
    return vec4<f32>(x[at.x / 4u][at.x % 4u], x[at.y / 4u][at.y % 4u], x[at.z / 4u][at.z % 4u], x[at.w / 4u][at.w % 4u]);
}

fn w_quad(row: u32, row_end: u32, column: u32) -> vec4<f32> {
    let at = places(min(row, last_of(row_end)), p.inner, column, p.inner);
    if (ALIGNED) {
        return w[at.x / 4u];
    }
    return vec4<f32>(w[at.x / 4u][at.x % 4u], w[at.y / 4u][at.y % 4u], w[at.z / 4u][at.z % 4u], w[at.w / 4u][at.w % 4u]);
}

fn dy_quad(row: u32, column: u32, end: u32) -> vec4<f32> {
    let at = places(min(row, last_of(p.rows)), p.outputs, column, end);
    if (ALIGNED) {
        return dy[at.x / 4u];
    }
    return vec4<f32>(
        dy[at.x / 4u][at.x % 4u], dy[at.y / 4u][at.y % 4u], dy[at.z / 4u][at.z % 4u], dy[at.w / 4u][at.w % 4u],
    );
}

// Stores those of four sums whose columns exist.
fn put_partial(at: vec4<u32>, count: u32, v: vec4<f32>) {
    partials[at.x] = v.x;
    if (count > 1u) { partials[at.y] = v.y; }
    if (count > 2u) { partials[at.z] = v.z; }
    if (count > 3u) { partials[at.w] = v.w; }
}

// The sum of the partial sums of a number, `size` apart, in order.
fn partial_sum(first: u32, size: u32, splits: u32) -> f32 {
    var sum = partials[first];
    for (var split = 1u; split < splits; split++) {
        sum += partials[first + split * size];
    }
    return sum;
}

fn put_y(m: u32, n: u32, n_end: u32, sums: vec4<f32>) {
    let of_bias = places(0u, 0u, n, n_end);
    let v = finished(m, n, sums + vec4<f32>(bias[of_bias.x], bias[of_bias.y], bias[of_bias.z], bias[of_bias.w]));
    let at = places(m, p.outputs, n, n_end);
    let count = columns_from(n, n_end);
    y[at.x] = v.x;
    if (count > 1u) { y[at.y] = v.y; }
    if (count > 2u) { y[at.z] = v.z; }
    if (count > 3u) { y[at.w] = v.w; }
}

fn put_forward(m: u32, n: u32, n_end: u32, split: u32, sums: mat4x4<f32>) {
    var rows = sums;
    for (var j = 0u; j < ROWS; j++) {
        if (m + j < p.rows && n < n_end) {
            if (p.splits > 1u) {
                put_partial(places(split * p.rows + m + j, p.outputs, n, n_end), columns_from(n, n_end), rows[j]);
            } else {
                put_y(m + j, n, n_end, rows[j]);
            }
        }
    }
}

fn forward_block(lane: u32, m0: u32, n0: u32, n_end: u32, x_first: u32, k0: u32) -> mat4x4<f32> {
    let at = block_of(lane, true);
    let k = k0 + at.k;
    if (lane < 128u) {
        let m = m0 + at.line;
        return mat4x4<f32>(
            x_quad(m, x_first, k), x_quad(m + 1u, x_first, k), x_quad(m + 2u, x_first, k), x_quad(m + 3u, x_first, k),
        );
    }
    let n = n0 + at.line;
    return mat4x4<f32>(w_quad(n, n_end, k), w_quad(n + 1u, n_end, k), w_quad(n + 2u, n_end, k), w_quad(n + 3u, n_end, k));
}

// y[m0.., n0..n_end], from the columns of x that begin at x_first.
fn forward_tile(lane: u32, split: u32, m0: u32, n0: u32, n_end: u32, x_first: u32) {
    clear_sums();
    let begin = split * p.split_depth;
    let end = min(begin + p.split_depth, p.inner);
    var block = mat4x4<f32>();
    if (begin < end) {
        block = forward_block(lane, m0, n0, n_end, x_first, begin);
    }
    for (var k0 = begin; k0 < end; k0 += DEPTH) {
        put_block(lane, block, true, end - k0);
        workgroupBarrier();
        block = forward_block(lane, m0, n0, n_end, x_first, k0 + DEPTH);
        multiply_add(lane);
        workgroupBarrier();
    }
    let m = m0 + first_row(lane);
    let n = n0 + first_column(lane);
    for (var q = 0u; q < QUADRANTS; q++) {
        put_forward(m + q / 2u * TILE / 2u, n + q % 2u * TILE / 2u, n_end, split, joined(lane, quadrant(q)));
    }
}

// y from its partial sums: one thread per quad.
fn join_forward(i: u32) {
    let quads = (p.outputs + 3u) / 4u;
    if (i >= p.rows * quads) {
        return;
    }
    let m = i / quads;
    let n = i % quads * 4u;
    var sums = vec4<f32>();
    for (var c = 0u; c < columns_from(n, p.outputs); c++) {
        sums[c] = partial_sum(m * p.outputs + n + c, p.rows * p.outputs, p.splits);
    }
    put_y(m, n, p.outputs, sums);
}

fn put_input(m: u32, i: u32, x_first: u32, split: u32, sums: mat4x4<f32>) {
    var rows = sums;
    let count = columns_from(i, p.inner);
    for (var j = 0u; j < ROWS; j++) {
        if (m + j < p.rows && i < p.inner) {
            var v = rows[j];
            if (p.splits > 1u) {
                put_partial(places(split * p.rows + m + j, p.width, x_first + i, x_first + p.inner), count, v);
                continue;
            }
            let at = places(m + j, p.width, x_first + i, x_first + p.inner);
            if (p.accumulate_x != 0u) {
                v += vec4<f32>(dx[at.x], dx[at.y], dx[at.z], dx[at.w]);
            }
            dx[at.x] = v.x;
            if (count > 1u) { dx[at.y] = v.y; }
            if (count > 2u) { dx[at.z] = v.z; }
            if (count > 3u) { dx[at.w] = v.w; }
        }
    }
}

fn input_block(lane: u32, m0: u32, i0: u32, o_end: u32, k0: u32) -> mat4x4<f32> {
    let at = block_of(lane, lane < 128u);
    let k = k0 + at.k;
    if (lane < 128u) {
        let m = m0 + at.line;
        return mat4x4<f32>(
            arriving(m, k, o_end), arriving(m + 1u, k, o_end), arriving(m + 2u, k, o_end), arriving(m + 3u, k, o_end),
        );
    }
    let i = i0 + at.line;
    return mat4x4<f32>(w_quad(k, o_end, i), w_quad(k + 1u, o_end, i), w_quad(k + 2u, o_end, i), w_quad(k + 3u, o_end, i));
}

// dx[m0.., x_first + i0..], from the columns o_begin..o_end of dy.
fn input_tile(lane: u32, split: u32, m0: u32, i0: u32, o_begin: u32, o_end: u32, x_first: u32) {
    clear_sums();
    let begin = o_begin + split * p.split_depth;
    let end = min(begin + p.split_depth, o_end);
    var block = mat4x4<f32>();
    if (begin < end) {
        block = input_block(lane, m0, i0, o_end, begin);
    }
    for (var k0 = begin; k0 < end; k0 += DEPTH) {
        put_block(lane, block, lane < 128u, end - k0);
        workgroupBarrier();
        block = input_block(lane, m0, i0, o_end, k0 + DEPTH);
        multiply_add(lane);
        workgroupBarrier();
    }
    let m = m0 + first_row(lane);
    let i = i0 + first_column(lane);
    for (var q = 0u; q < QUADRANTS; q++) {
        put_input(m + q / 2u * TILE / 2u, i + q % 2u * TILE / 2u, x_first, split, joined(lane, quadrant(q)));
    }
}

// The first of the partial sums of dW, which follow those of dx, and of those of db.
fn partials_of_w() -> u32 {
    return select(0u, p.splits * p.rows * p.width, p.splits > 1u);
}

fn partials_of_b() -> u32 {
    return partials_of_w() + p.splits_of_w * p.outputs * p.inner;
}

fn put_weight(o: u32, o_end: u32, i: u32, split: u32, sums: mat4x4<f32>) {
    var rows = sums;
    let count = columns_from(i, p.inner);
    for (var j = 0u; j < ROWS; j++) {
        if (o + j < o_end && i < p.inner) {
            var v = rows[j];
            if (p.splits_of_w > 1u) {
                put_partial(partials_of_w() + places(split * p.outputs + o + j, p.inner, i, p.inner), count, v);
                continue;
            }
            let at = places(o + j, p.inner, i, p.inner);
            if (p.accumulate_w != 0u) {
                v += vec4<f32>(dw[at.x], dw[at.y], dw[at.z], dw[at.w]);
            }
            dw[at.x] = v.x;
            if (count > 1u) { dw[at.y] = v.y; }
            if (count > 2u) { dw[at.z] = v.z; }
            if (count > 3u) { dw[at.w] = v.w; }
        }
    }
}

fn weight_block(lane: u32, o0: u32, o_end: u32, i0: u32, x_first: u32, k0: u32) -> mat4x4<f32> {
    let at = block_of(lane, false);
    let k = k0 + at.k;
    if (lane < 128u) {
        let o = o0 + at.line;
        return mat4x4<f32>(
            arriving(k, o, o_end), arriving(k + 1u, o, o_end), arriving(k + 2u, o, o_end), arriving(k + 3u, o, o_end),
        );
    }
    let i = i0 + at.line;
    return mat4x4<f32>(
        x_quad(k, x_first, i), x_quad(k + 1u, x_first, i), x_quad(k + 2u, x_first, i), x_quad(k + 3u, x_first, i),
    );
}

// dw[o0..o_end, i0..], and where i0 is 0 db[o0..o_end]: sums over the rows of the batch.
fn weight_tile(lane: u32, split: u32, o0: u32, o_end: u32, i0: u32, x_first: u32) {
    clear_sums();
    let begin = split * p.split_depth_of_w;
    let end = min(begin + p.split_depth_of_w, p.rows);
    var of_bias = 0.0;
    var block = mat4x4<f32>();
    if (begin < end) {
        block = weight_block(lane, o0, o_end, i0, x_first, begin);
    }
    for (var k0 = begin; k0 < end; k0 += DEPTH) {
        put_block(lane, block, false, end - k0);
        workgroupBarrier();
        block = weight_block(lane, o0, o_end, i0, x_first, k0 + DEPTH);
        multiply_add(lane);
        if (i0 == 0u && lane < TILE) {
            for (var k = 0u; k < DEPTH; k++) {
                of_bias += tiles[quad_place(k, lane / 4u)][lane % 4u];
            }
        }
        workgroupBarrier();
    }
    let o = o0 + first_row(lane);
    let i = i0 + first_column(lane);
    for (var q = 0u; q < QUADRANTS; q++) {
        put_weight(o + q / 2u * TILE / 2u, o_end, i + q % 2u * TILE / 2u, split, joined(lane, quadrant(q)));
    }
    let b = o0 + lane;
    if (i0 == 0u && lane < TILE && b < o_end) {
        if (p.splits_of_w > 1u) {
            partials[partials_of_b() + split * p.outputs + b] = of_bias;
        } else {
            db[b] = added(db[b], of_bias, p.accumulate_b);
        }
    }
}

// dx, dW and db from their partial sums, where they are split: one thread per number.
fn join_backward(thread: u32) {
    var i = thread;
    if (p.splits > 1u) {
        let size = p.rows * p.width;
        if (i < size) {
            dx[i] = added(dx[i], partial_sum(i, size, p.splits), p.accumulate_x);
            return;
        }
        i -= size;
    }
    if (p.splits_of_w == 1u) {
        return;
    }
    let size = p.outputs * p.inner;
    if (i < size) {
        dw[i] = added(dw[i], partial_sum(partials_of_w() + i, size, p.splits_of_w), p.accumulate_w);
    } else if (i - size < p.outputs) {
        let b = i - size;
        db[b] = added(db[b], partial_sum(partials_of_b() + b, p.outputs, p.splits_of_w), p.accumulate_b);
    }
}
