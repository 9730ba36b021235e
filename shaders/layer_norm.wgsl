// include index, sum, columns
// y = (x - mean) / sqrt(var + eps) * weight + bias, for each row; see src/engine/ops/layer_norm.rs.

struct Params {
    rows: u32,
    columns: u32,
    eps: f32,
    accumulate_x: u32,
    accumulate_weight: u32,
    accumulate_bias: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> inv_std: array<f32>;
@group(0) @binding(7) var<storage, read> kept_mean: array<f32>;
@group(0) @binding(8) var<storage, read> kept_inv_std: array<f32>;
@group(0) @binding(9) var<storage, read> dy: array<f32>;
@group(0) @binding(10) var<storage, read_write> dx: array<f32>;
@group(0) @binding(11) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(12) var<storage, read_write> dbias: array<f32>;

// The sum over a row of two things.
alias Sum = vec2<f32>;

// A workgroup normalises one row.
@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group, groups);
    if (row >= p.rows) {
        return;
    }
    let first = row * p.columns;
    let count = f32(p.columns);
    var own = Sum();
    for (var j = lane; j < p.columns; j += 256u) {
        own.x += x[first + j];
    }
    let mu = workgroup_sum(lane, own).x / count;
    own = Sum();
    for (var j = lane; j < p.columns; j += 256u) {
        let d = x[first + j] - mu;
        own.x += d * d;
    }
    let inverse = 1.0 / sqrt(workgroup_sum(lane, own).x / count + p.eps);
    for (var j = lane; j < p.columns; j += 256u) {
        y[first + j] = (x[first + j] - mu) * inverse * weight[j] + bias[j];
    }
    if (lane == 0u) {
        mean[row] = mu;
        inv_std[row] = inverse;
    }
}

// dx: a workgroup for each row.
@compute @workgroup_size(256)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group, groups);
    if (row >= p.rows) {
        return;
    }
    let first = row * p.columns;
    let mu = kept_mean[row];
    let inverse = kept_inv_std[row];
    var own = Sum();
    for (var j = lane; j < p.columns; j += 256u) {
        let dn = dy[first + j] * weight[j];
        own += Sum(dn, dn * ((x[first + j] - mu) * inverse));
    }
    let means = workgroup_sum(lane, own) / f32(p.columns);
    for (var j = lane; j < p.columns; j += 256u) {
        let at = first + j;
        let xhat = (x[at] - mu) * inverse;
        dx[at] = added(dx[at], inverse * (dy[at] * weight[j] - (means.x + xhat * means.y)), p.accumulate_x);
    }
}

// dweight and dbias: sums down the columns, COLUMNS of them for each workgroup.
@compute @workgroup_size(256)
fn backward_parameters(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group_number(group, groups) * COLUMNS + lane % 4u * 4u;
    var own = vec4<f32>();
    var own_xhat = vec4<f32>();
    for (var row = lane / 4u; row < p.rows; row += ROW_LANES) {
        let at = row * p.columns + quad(column);
        let d = vec4<f32>(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
        let v = vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]);
        own += d;
        own_xhat += d * ((v - kept_mean[row]) * kept_inv_std[row]);
    }
    let sum_dy = column_sums(lane, own);
    let sum_dy_xhat = column_sums(lane, own_xhat);
    if (lane < 4u) {
        for (var c = 0u; c < 4u && column + c < p.columns; c++) {
            let j = column + c;
            dweight[j] = added(dweight[j], sum_dy_xhat[c], p.accumulate_weight);
            dbias[j] = added(dbias[j], sum_dy[c], p.accumulate_bias);
        }
    }
}
