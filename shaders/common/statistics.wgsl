// The statistics of batch norm for the four columns of a quad. The shader defines the `values` to normalise, four
// columns of a row.

// weight, bias, running mean and variance, at the offsets in the uniform
@group(0) @binding(2) var<storage, read> parameters: array<f32>;

// Four parameters from an offset on.
fn vector(place: u32, column: u32) -> vec4<f32> {
    let at = place + quad(column);
    return vec4<f32>(parameters[at.x], parameters[at.y], parameters[at.z], parameters[at.w]);
}

// Rows whose loads a thread has in flight at once; the last row replaces missing ones.
const ROWS_AT_ONCE: u32 = 4u;

struct Statistics { mean: vec4<f32>, variance: vec4<f32> }

// The statistics of the batch in training, the running ones in evaluation.
fn statistics_of(lane: u32, column: u32) -> Statistics {
    if (p.training == 0u) {
        return Statistics(vector(p.running_mean_at, column), vector(p.running_var_at, column));
    }
    let mu = column_sums(lane, own_sum(lane, column, vec4<f32>(), false)) / f32(p.rows);
    return Statistics(mu, column_sums(lane, own_sum(lane, column, mu, true)) / f32(p.rows));
}

// The part of this thread's rows in the sum of the values' distances from a number, or of the squares of these.
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

// The running statistics after this batch; evaluation does not change them.
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
