// include index, columns, statistics
// y = (x - mean) / sqrt(var + eps) * weight + bias; see src/engine/ops/batch_norm.rs.

struct Params {
    // offsets in `parameters`
    weight_at: u32,
    bias_at: u32,
    running_mean_at: u32,
    running_var_at: u32,
    rows: u32,
    columns: u32,
    training: u32,
    eps: f32,
    momentum: f32,
    unbias: f32,
    accumulate_x: u32,
    accumulate_weight: u32,
    accumulate_bias: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> inv_std: array<f32>;
@group(0) @binding(6) var<storage, read_write> new_mean: array<f32>;
@group(0) @binding(7) var<storage, read_write> new_var: array<f32>;
@group(0) @binding(8) var<storage, read> weight: array<f32>;
@group(0) @binding(9) var<storage, read> kept_mean: array<f32>;
@group(0) @binding(10) var<storage, read> kept_inv_std: array<f32>;
@group(0) @binding(11) var<storage, read> dy: array<f32>;
@group(0) @binding(12) var<storage, read_write> dx: array<f32>;
@group(0) @binding(13) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(14) var<storage, read_write> dbias: array<f32>;

fn values(row: u32, column: u32) -> vec4<f32> {
    let at = row * p.columns + quad(column);
    return vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]);
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group_number(group, groups) * COLUMNS + lane % 4u * 4u;
    let first = lane / 4u;
    let batch = statistics_of(lane, column);
    let inverse = inverse_deviation(batch);
    let scale = vector(p.weight_at, column) * inverse;
    let shift = vector(p.bias_at, column);
    for (var row = first; row < p.rows; row += ROW_LANES) {
        let v = (values(row, column) - batch.mean) * scale + shift;
        for (var c = 0u; c < 4u && column + c < p.columns; c++) {
            y[row * p.columns + column + c] = v[c];
        }
    }
    if (first == 0u) {
        let running = moved(column, batch);
        for (var c = 0u; c < 4u && column + c < p.columns; c++) {
            mean[column + c] = batch.mean[c];
            inv_std[column + c] = inverse[c];
            new_mean[column + c] = running.mean[c];
            new_var[column + c] = running.variance[c];
        }
    }
}

@compute @workgroup_size(256)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group_number(group, groups) * COLUMNS + lane % 4u * 4u;
    let first = lane / 4u;
    var own = vec4<f32>();
    var own_xhat = vec4<f32>();
    for (var row = first; row < p.rows; row += ROW_LANES) {
        for (var c = 0u; c < 4u && column + c < p.columns; c++) {
            let at = row * p.columns + column + c;
            own[c] += dy[at];
            own_xhat[c] += dy[at] * ((x[at] - kept_mean[column + c]) * kept_inv_std[column + c]);
        }
    }
    let sum_dy = column_sums(lane, own);
    let sum_dy_xhat = column_sums(lane, own_xhat);
    for (var c = 0u; c < 4u && column + c < p.columns; c++) {
        let j = column + c;
        for (var row = first; row < p.rows; row += ROW_LANES) {
            let at = row * p.columns + j;
            let xhat = (x[at] - kept_mean[j]) * kept_inv_std[j];
            var dn = dy[at];
            if (p.training != 0u) {
                dn -= (sum_dy[c] + xhat * sum_dy_xhat[c]) / f32(p.rows);
            }
            dx[at] = added(dx[at], weight[j] * kept_inv_std[j] * dn, p.accumulate_x);
        }
        if (first == 0u) {
            dweight[j] = added(dweight[j], sum_dy_xhat[c], p.accumulate_weight);
            dbias[j] = added(dbias[j], sum_dy[c], p.accumulate_bias);
        }
    }
}
