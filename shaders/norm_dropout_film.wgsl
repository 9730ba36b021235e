// include index, philox, columns, statistics
// y = film(dropout(batch_norm(leaky_relu(x)))); see src/engine/ops/norm_dropout_film.rs.

struct Params {
    // offsets in `parameters`
    weight_at: u32,
    bias_at: u32,
    running_mean_at: u32,
    running_var_at: u32,
    // offsets in `statistics`
    mean_at: u32,
    inv_std_at: u32,
    new_mean_at: u32,
    new_var_at: u32,
    // offsets in `dvectors`
    dweight_at: u32,
    dbias_at: u32,
    rows: u32,
    columns: u32,
    training: u32,
    eps: f32,
    momentum: f32,
    unbias: f32,
    slope: f32,
    key0: u32,
    key1: u32,
    tag: u32,
    step: u32,
    below: u32,
    keep: f32,
    // whether there is a dropout
    dropout: u32,
    // whether there is a modulation, the first column of gamma in it, its width
    film: u32,
    gamma_at: u32,
    width: u32,
    accumulate_x: u32,
    accumulate_weight: u32,
    accumulate_bias: u32,
    accumulate_modulation: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(4) var<storage, read> modulation: array<f32>;
@group(0) @binding(5) var<storage, read> strength: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<storage, read_write> mask: array<f32>;
@group(0) @binding(8) var<storage, read> dy: array<f32>;
@group(0) @binding(9) var<storage, read_write> dx: array<f32>;
@group(0) @binding(10) var<storage, read_write> dvectors: array<f32>;
@group(0) @binding(11) var<storage, read_write> dmodulation: array<f32>;

fn x_quad(row: u32, column: u32) -> vec4<f32> {
    let at = row * p.columns + quad(column);
    return vec4<f32>(x[at.x], x[at.y], x[at.z], x[at.w]);
}

fn dy_quad(row: u32, column: u32) -> vec4<f32> {
    let at = row * p.columns + quad(column);
    return vec4<f32>(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
}

// Four numbers of the modulation, counted from the first column of gamma or of beta.
fn modulation_quad(row: u32, first: u32, column: u32) -> vec4<f32> {
    let at = row * p.width + first + quad(column);
    return vec4<f32>(modulation[at.x], modulation[at.y], modulation[at.z], modulation[at.w]);
}

fn leaky(v: vec4<f32>) -> vec4<f32> {
    return select(p.slope * v, v, v > vec4<f32>());
}

// Four columns of a row, after the LeakyReLU.
fn values(row: u32, column: u32) -> vec4<f32> {
    return leaky(x_quad(row, column));
}

fn multipliers_of(row: u32, column: u32) -> vec4<f32> {
    if (p.below == 0u) {
        return vec4<f32>(p.keep);
    }
    return multipliers(column / 4u, row, Stream(p.key0, p.key1, p.tag, p.step), p.below, p.keep);
}

// The four vectors: two that the backward pass needs, and the two running statistics.
fn put_statistics(column: u32, batch: Statistics, inverse: vec4<f32>) {
    let running = moved(column, batch);
    for (var c = 0u; c < 4u; c++) {
        let j = column + c;
        if (j < p.columns) {
            statistics[p.mean_at + j] = batch.mean[c];
            statistics[p.inv_std_at + j] = inverse[c];
            statistics[p.new_mean_at + j] = running.mean[c];
            statistics[p.new_var_at + j] = running.variance[c];
        }
    }
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
        let m = multipliers_of(row, column);
        var v = ((values(row, column) - batch.mean) * scale + shift) * m;
        if (p.film != 0u) {
            let s = strength[row];
            let gamma = modulation_quad(row, p.gamma_at, column);
            v = ((1.0 - s) + s * gamma) * v + s * modulation_quad(row, p.gamma_at + p.columns, column);
        }
        for (var c = 0u; c < 4u; c++) {
            let at = row * p.columns + column + c;
            if (column + c < p.columns) {
                y[at] = v[c];
                // without dropout there is no mask, and a smaller buffer is bound instead
                if (p.dropout != 0u) {
                    mask[at] = m[c];
                }
            }
        }
    }
    if (first == 0u) {
        put_statistics(column, batch, inverse);
    }
}

// The gradient of the normalised values.
fn before_norm(row: u32, column: u32) -> vec4<f32> {
    var dn = dy_quad(row, column);
    if (p.film != 0u) {
        let s = strength[row];
        dn *= (1.0 - s) + s * modulation_quad(row, p.gamma_at, column);
    }
    return dn * multipliers_of(row, column);
}

// The gradients of gamma and beta in the rows of this thread.
fn add_to_modulation(row: u32, column: u32, normalized: vec4<f32>) {
    let of_beta = strength[row] * dy_quad(row, column);
    // the mask comes first: 0 times an infinite value would be NaN
    let of_gamma = normalized * multipliers_of(row, column) * of_beta;
    for (var c = 0u; c < 4u; c++) {
        if (column + c < p.columns) {
            let gamma = row * p.width + p.gamma_at + column + c;
            let beta = gamma + p.columns;
            if (p.accumulate_modulation == 0u) {
                dmodulation[gamma] = of_gamma[c];
                dmodulation[beta] = of_beta[c];
            } else {
                dmodulation[gamma] += of_gamma[c];
                dmodulation[beta] += of_beta[c];
            }
        }
    }
}

// Sets the other columns of the gradient of the modulation to 0, with all threads: other levels add to them.
fn clear_others(thread: u32, threads: u32) {
    for (var i = thread; i < p.rows * p.width; i += threads) {
        let column = i % p.width;
        if (column < p.gamma_at || column >= p.gamma_at + 2u * p.columns) {
            dmodulation[i] = 0.0;
        }
    }
}

// The whole backward pass of some columns. It computes mean and deviation again, which costs less than another binding
// to read them from.
@compute @workgroup_size(256)
fn backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    if (p.film != 0u && p.accumulate_modulation == 0u) {
        clear_others(number * 256u + lane, groups.x * groups.y * 256u);
    }
    let column = number * COLUMNS + lane % 4u * 4u;
    let first = lane / 4u;
    let batch = statistics_of(lane, column);
    let inverse = inverse_deviation(batch);
    let scale = vector(p.weight_at, column) * inverse;
    let shift = vector(p.bias_at, column);
    var own = vec4<f32>();
    var own_xhat = vec4<f32>();
    for (var row = first; row < p.rows; row += ROW_LANES) {
        let centred = values(row, column) - batch.mean;
        if (p.film != 0u) {
            add_to_modulation(row, column, centred * scale + shift);
        }
        let dn = before_norm(row, column);
        own += dn;
        own_xhat += dn * (centred * inverse);
    }
    let sum_dn = column_sums(lane, own);
    let sum_dn_xhat = column_sums(lane, own_xhat);
    for (var row = first; row < p.rows; row += ROW_LANES) {
        let v = x_quad(row, column);
        let xhat = (leaky(v) - batch.mean) * inverse;
        var da = before_norm(row, column);
        if (p.training != 0u) {
            da -= (sum_dn + xhat * sum_dn_xhat) / f32(p.rows);
        }
        da *= scale;
        da = select(p.slope * da, da, v > vec4<f32>());
        for (var c = 0u; c < 4u; c++) {
            let at = row * p.columns + column + c;
            if (column + c < p.columns) {
                dx[at] = added(dx[at], da[c], p.accumulate_x);
            }
        }
    }
    if (first == 0u) {
        for (var c = 0u; c < 4u; c++) {
            if (column + c < p.columns) {
                let weight = p.dweight_at + column + c;
                let bias = p.dbias_at + column + c;
                dvectors[weight] = added(dvectors[weight], sum_dn_xhat[c], p.accumulate_weight);
                dvectors[bias] = added(dvectors[bias], sum_dn[c], p.accumulate_bias);
            }
        }
    }
}
