// include index, sum, columns
// y = v x, where v has a number for each row or for each column; see src/engine/ops/scale.rs.

struct Params {
    count: u32,
    rows: u32,
    columns: u32,
    by_row: u32,
    accumulate_x: u32,
    accumulate_v: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<storage, read_write> dv: array<f32>;

alias Sum = f32;

fn factor(i: u32) -> f32 {
    return v[select(i % p.columns, i / p.columns, p.by_row != 0u)];
}

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    y[i] = factor(i) * x[i];
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    dx[i] = added(dx[i], factor(i) * dy[i], p.accumulate_x);
}

// A workgroup for each row.
@compute @workgroup_size(256)
fn backward_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group, groups);
    if (row >= p.rows) {
        return;
    }
    let first = row * p.columns;
    var own = 0.0;
    for (var j = lane; j < p.columns; j += 256u) {
        own += x[first + j] * dy[first + j];
    }
    let of_row = workgroup_sum(lane, own);
    if (lane == 0u) {
        dv[row] = added(dv[row], of_row, p.accumulate_v);
    }
}

// COLUMNS columns for each workgroup.
@compute @workgroup_size(256)
fn backward_columns(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group_number(group, groups) * COLUMNS + lane % 4u * 4u;
    var own = vec4<f32>();
    for (var row = lane / 4u; row < p.rows; row += ROW_LANES) {
        let at = row * p.columns + quad(column);
        own += vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]) * vec4<f32>(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
    }
    let sums = column_sums(lane, own);
    if (lane < 4u) {
        for (var c = 0u; c < 4u && column + c < p.columns; c++) {
            let j = column + c;
            dv[j] = added(dv[j], sums[c], p.accumulate_v);
        }
    }
}
