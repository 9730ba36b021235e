// y = scale * sums of x over its rows, its columns, or both: of `rows` rows of `columns` numbers. Common/mean.wgsl sums
// over both, and has the sum over one row.
struct Params {
    count: u32,
    chunk: u32,
    rows: u32,
    columns: u32,
    scale: f32,
    // how far apart the sums of adjacent rows, and of adjacent columns, are in y: 0 where they share one sum
    row_step: u32,
    column_step: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

alias Sum = f32;

fn term(i: u32) -> Sum {
    return x[i];
}

fn result(sum: Sum) -> f32 {
    return sum * p.scale;
}

// A workgroup sums down COLUMNS columns.
@compute @workgroup_size(256)
fn over_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group_number(group, groups) * COLUMNS + lane % 4u * 4u;
    var own = vec4<f32>();
    for (var row = lane / 4u; row < p.rows; row += ROW_LANES) {
        let at = row * p.columns + quad(column);
        own += vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]);
    }
    let sums = column_sums(lane, own);
    if (lane < 4u) {
        for (var c = 0u; c < 4u && column + c < p.columns; c++) {
            y[column + c] = result(sums[c]);
        }
    }
}

// A workgroup sums along one row, which is a chunk.
@compute @workgroup_size(256)
fn over_columns(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group, groups);
    if (row >= p.rows) {
        return;
    }
    let sum = chunk_sum(row, lane);
    if (lane == 0u) {
        y[row] = result(sum);
    }
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let sum_at = i / p.columns * p.row_step + i % p.columns * p.column_step;
    dx[i] = added(dx[i], p.scale * dy[sum_at], p.accumulate);
}
