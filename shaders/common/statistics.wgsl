// What batch norm knows of the four columns of a quad. The shader gives the `values` that are normalised, four columns
// of a row.

// weight, bias, running mean and variance, at places that the shader is told
@group(0) @binding(2) var<storage, read> parameters: array<f32>;

// Four columns. The last stands for those that are not there, so that no load waits for a condition; what comes of
// these nobody keeps.
fn quad(column: u32) -> vec4<u32> {
    return min(column + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.columns - 1u));
}

// Four parameters from one of their places on.
fn vector(place: u32, column: u32) -> vec4<f32> {
    let at = place + quad(column);
    return vec4<f32>(parameters[at.x], parameters[at.y], parameters[at.z], parameters[at.w]);
}

// Rows of a thread whose loads are under way together; the last row stands for those that are not there.
const ROWS_AT_ONCE: u32 = 4u;

struct Statistics { mean: vec4<f32>, variance: vec4<f32> }

// Those of the batch in training, the running ones in evaluation.
fn statistics_of(lane: u32, column: u32) -> Statistics {
    if (p.training == 0u) {
        return Statistics(vector(p.running_mean_at, column), vector(p.running_var_at, column));
    }
    let mu = column_sums(lane, own_sum(lane, column, vec4<f32>(), false)) / f32(p.rows);
    return Statistics(mu, column_sums(lane, own_sum(lane, column, mu, true)) / f32(p.rows));
}

// What this thread's rows add to the sum of the values' distances from a number, or of their squares.
fn own_sum(lane: u32, column: u32, origin: vec4<f32>, squared: bool) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var start = lane / 4u; start < p.rows; start += ROWS_AT_ONCE * ROW_LANES) {
        for (var i = 0u; i < ROWS_AT_ONCE; i++) {
            let row = start + i * ROW_LANES;
            let d = values(min(row, p.rows - 1u), column) - origin;
            sum += select(vec4<f32>(), select(d, d * d, squared), row < p.rows);
        }
    }
    return sum;
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
