// include index, sum, mean
// y = mean over rows of -sum(labels log_softmax(logits)); see src/engine/ops/cross_entropy.rs. A workgroup makes the
// logarithms of one row, and its loss; common/mean.wgsl makes the mean.

struct Params {
    count: u32,
    chunk: u32,
    rows: u32,
    columns: u32,
    scale: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(3) var<storage, read_write> losses: array<f32>;
@group(0) @binding(4) var<storage, read> logits: array<f32>;
@group(0) @binding(5) var<storage, read> labels: array<f32>;
@group(0) @binding(6) var<storage, read_write> logs: array<f32>;
@group(0) @binding(7) var<storage, read> kept_logs: array<f32>;
@group(0) @binding(8) var<storage, read> dy: array<f32>;
@group(0) @binding(9) var<storage, read_write> dlogits: array<f32>;

alias Sum = f32;

fn term(i: u32) -> Sum {
    return losses[i];
}

fn result(sum: Sum) -> f32 {
    return sum * p.scale;
}

// The largest number of all threads. Whether it drops a NaN is no matter: the sum of exponentials has it too.
fn workgroup_max(lane: u32, value: f32) -> f32 {
    workgroupBarrier();
    of_lanes[lane] = value;
    for (var half = 128u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            of_lanes[lane] = max(of_lanes[lane], of_lanes[lane + half]);
        }
    }
    workgroupBarrier();
    return of_lanes[0];
}

@compute @workgroup_size(256)
fn log_softmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group, groups);
    if (row >= p.rows) {
        return;
    }
    let first = row * p.columns;
    // a thread without columns of its own has the last one
    var own_max = logits[first + min(lane, p.columns - 1u)];
    for (var j = lane + 256u; j < p.columns; j += 256u) {
        own_max = max(own_max, logits[first + j]);
    }
    let largest = workgroup_max(lane, own_max);
    var own = 0.0;
    for (var j = lane; j < p.columns; j += 256u) {
        own += exp(logits[first + j] - largest);
    }
    let log_sum = log(workgroup_sum(lane, own));
    var own_loss = 0.0;
    for (var j = lane; j < p.columns; j += 256u) {
        let v = logits[first + j] - largest - log_sum;
        logs[first + j] = v;
        own_loss += labels[first + j] * v;
    }
    let loss = workgroup_sum(lane, own_loss);
    if (lane == 0u) {
        losses[row] = loss;
    }
}

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
    var own = 0.0;
    for (var j = lane; j < p.columns; j += 256u) {
        own += labels[first + j];
    }
    let of_row = workgroup_sum(lane, own);
    let factor = p.scale * dy[0];
    for (var j = lane; j < p.columns; j += 256u) {
        let at = first + j;
        let part = factor * (exp(kept_logs[at]) * of_row - labels[at]);
        dlogits[at] = added(dlogits[at], part, p.accumulate);
    }
}
