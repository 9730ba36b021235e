// What batch norm knows of the four columns of a quad. The shader gives the `values` that are normalised, four columns of a row.

// weight, bias, running mean and variance, at places that the shader is told
@group(0) @binding(2) var<storage, read> parameters: array<f32>;

// Four columns. The last stands for those that are not there, so that no load waits for a condition; what comes of these nobody keeps.
fn quad(column: u32) -> vec4<u32> {
    return min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.columns - 1u));
}

// Four parameters from one of their places on.
fn vector(place: u32, column: u32) -> vec4<f32> {
    let at = place + quad(column);
    return vec4<f32>(parameters[at.x], parameters[at.y], parameters[at.z], parameters[at.w]);
}

struct Statistics { mean: vec4<f32>, variance: vec4<f32> }

// Those of the batch in training, the running ones in evaluation.
fn statistics_of(lane: u32, column: u32) -> Statistics {
    if (p.training == 0u) {
        return Statistics(vector(p.running_mean_at, column), vector(p.running_var_at, column));
    }
    var sum = vec4<f32>();
    for (var row = lane / 4u; row < p.rows; row += ROW_LANES) {
        sum += values(row, column);
    }
    let mu = column_sums(lane, sum) / f32(p.rows);
    sum = vec4<f32>();
    for (var row = lane / 4u; row < p.rows; row += ROW_LANES) {
        let d = values(row, column) - mu;
        sum += d * d;
    }
    return Statistics(mu, column_sums(lane, sum) / f32(p.rows));
}

fn inverse_deviation(batch: Statistics) -> vec4<f32> {
    return 1.0 / sqrt(batch.variance + p.eps);
}

// The running statistics after this batch, which evaluation leaves as they are.
fn moved(column: u32, batch: Statistics) -> Statistics {
    let old = Statistics(vector(p.running_mean_at, column), vector(p.running_var_at, column));
    if (p.training == 0u) {
        return old;
    }
    return Statistics(
        old.mean + p.momentum * (batch.mean - old.mean),
        old.variance + p.momentum * (batch.variance * p.unbias - old.variance),
    );
}
