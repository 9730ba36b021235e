// include index, gemm
// y = A B, dA = dy B^T and dB = A^T dy; see src/engine/ops/matmul.rs. Each is the product of two operands, left and
// right. An operand is `along` if its rows in memory run along the terms of the sums, and not down them.
//
// A product of few tiles and many terms may be split-K: its tiles are made `splits` times, each time from `split_depth`
// terms, into `partials`, which `join` adds up in order.
struct Params {
    // of the result
    rows: u32,
    columns: u32,
    // of a sum
    terms: u32,
    splits: u32,
    split_depth: u32,
    // in a backward pass: the result is dB
    of_b: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> left: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> right: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;

struct Workgroup { @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32> }

fn number_of(group: Workgroup) -> u32 {
    return group_number(group.id, group.count);
}

fn tiles_over(extent: u32) -> u32 {
    return (extent + TILE - 1u) / TILE;
}

// Four numbers of a row of an operand of `rows` rows of `pitch` numbers. Beyond the last row or column they are some
// other number: sums with it are not stored, and `put_block` sets such terms to 0.
fn left_quad(row: u32, rows: u32, column: u32, pitch: u32) -> vec4<f32> {
    let at = places(min(row, last_of(rows)), pitch, column, pitch);
    if (ALIGNED) {
        return left[at.x / 4u];
    }
    return vec4<f32>(
        left[at.x / 4u][at.x % 4u], left[at.y / 4u][at.y % 4u], left[at.z / 4u][at.z % 4u], left[at.w / 4u][at.w % 4u],
    );
}

fn right_quad(row: u32, rows: u32, column: u32, pitch: u32) -> vec4<f32> {
    let at = places(min(row, last_of(rows)), pitch, column, pitch);
    if (ALIGNED) {
        return right[at.x / 4u];
    }
    return vec4<f32>(
        right[at.x / 4u][at.x % 4u], right[at.y / 4u][at.y % 4u],
        right[at.z / 4u][at.z % 4u], right[at.w / 4u][at.w % 4u],
    );
}

// A thread's block, and whether its operand is along: of the left operand from line i0, or of the right one from j0.
fn operand_block(lane: u32, along: bool, i0: u32, j0: u32, k0: u32) -> mat4x4<f32> {
    let at = block_of(lane, along);
    let of_left = lane < 128u;
    let lines = select(p.columns, p.rows, of_left);
    let k = k0 + at.k;
    let line = select(j0, i0, of_left) + at.line;
    let row = select(k, line, along);
    let column = select(line, k, along);
    let rows = select(p.terms, lines, along);
    let pitch = select(lines, p.terms, along);
    if (of_left) {
        return mat4x4<f32>(
            left_quad(row, rows, column, pitch), left_quad(row + 1u, rows, column, pitch),
            left_quad(row + 2u, rows, column, pitch), left_quad(row + 3u, rows, column, pitch),
        );
    }
    return mat4x4<f32>(
        right_quad(row, rows, column, pitch), right_quad(row + 1u, rows, column, pitch),
        right_quad(row + 2u, rows, column, pitch), right_quad(row + 3u, rows, column, pitch),
    );
}

// Stores the first `count` of four sums.
fn put_sums(row: u32, column: u32, split: u32, v: vec4<f32>) {
    let count = columns_from(column, p.columns);
    if (p.splits > 1u) {
        let at = places(split * p.rows + row, p.columns, column, p.columns);
        partials[at.x] = v.x;
        if (count > 1u) { partials[at.y] = v.y; }
        if (count > 2u) { partials[at.z] = v.z; }
        if (count > 3u) { partials[at.w] = v.w; }
        return;
    }
    let at = places(row, p.columns, column, p.columns);
    result[at.x] = added(result[at.x], v.x, p.accumulate);
    if (count > 1u) { result[at.y] = added(result[at.y], v.y, p.accumulate); }
    if (count > 2u) { result[at.z] = added(result[at.z], v.z, p.accumulate); }
    if (count > 3u) { result[at.w] = added(result[at.w], v.w, p.accumulate); }
}

// One tile of a product, from the terms of one split.
fn product_tile(lane: u32, split: u32, i0: u32, j0: u32, along: bool) {
    clear_sums();
    let begin = split * p.split_depth;
    let end = min(begin + p.split_depth, p.terms);
    var block = mat4x4<f32>();
    if (begin < end) {
        block = operand_block(lane, along, i0, j0, begin);
    }
    for (var k0 = begin; k0 < end; k0 += DEPTH) {
        put_block(lane, block, along, end - k0);
        workgroupBarrier();
        block = operand_block(lane, along, i0, j0, k0 + DEPTH);
        multiply_add(lane);
        workgroupBarrier();
    }
    for (var q = 0u; q < QUADRANTS; q++) {
        var sums = joined(lane, quadrant(q));
        let row = i0 + first_row(lane) + q / 2u * TILE / 2u;
        let column = j0 + first_column(lane) + q % 2u * TILE / 2u;
        for (var r = 0u; r < ROWS; r++) {
            if (row + r < p.rows && column < p.columns) {
                put_sums(row + r, column, split, sums[r]);
            }
        }
    }
}

// The tiles of one split follow each other.
fn product(group: Workgroup, lane: u32, along: bool) {
    let number = number_of(group);
    let across = tiles_over(p.columns);
    let count = tiles_over(p.rows) * across;
    let tile = number % count;
    if (number < count * p.splits) {
        product_tile(lane, number / count, tile / across * TILE, tile % across * TILE, along);
    }
}

@compute @workgroup_size(256)
fn forward(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    product(group, lane, lane < 128u);
}

// In dA = dy B^T both operands are along, in dB = A^T dy neither.
@compute @workgroup_size(256)
fn backward(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    product(group, lane, p.of_b == 0u);
}

@compute @workgroup_size(256)
fn join(group: Workgroup, @builtin(local_invocation_index) lane: u32) {
    let i = number_of(group) * 256u + lane;
    let size = p.rows * p.columns;
    if (i >= size) {
        return;
    }
    var sum = partials[i];
    for (var split = 1u; split < p.splits; split++) {
        sum += partials[split * size + i];
    }
    result[i] = added(result[i], sum, p.accumulate);
}
