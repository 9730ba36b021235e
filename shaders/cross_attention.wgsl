// include index
// a = softmax(k q scale), y = sum a v; see src/engine/ops/cross_attention.rs. A thread has one head of one row, and
// that head's columns of all tensors.

struct Params {
    count: u32,
    heads: u32,
    tokens: u32,
    width: u32,
    scale: f32,
    accumulate_query: u32,
    accumulate_key: u32,
    accumulate_value: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> query: array<f32>;
@group(0) @binding(2) var<storage, read> key: array<f32>;
@group(0) @binding(3) var<storage, read> value: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;
@group(0) @binding(6) var<storage, read> kept_weights: array<f32>;
@group(0) @binding(7) var<storage, read> dy: array<f32>;
@group(0) @binding(8) var<storage, read_write> dquery: array<f32>;
@group(0) @binding(9) var<storage, read_write> dkey: array<f32>;
@group(0) @binding(10) var<storage, read_write> dvalue: array<f32>;

// Where the columns of a thread's head begin in the row of the query.
fn of_row(i: u32) -> u32 {
    return i / p.heads * p.width + i % p.heads * (p.width / p.heads);
}

// The same in the row of its first token.
fn of_tokens(i: u32) -> u32 {
    return i / p.heads * p.tokens * p.width + i % p.heads * (p.width / p.heads);
}

@compute @workgroup_size(256)
fn forward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let own = p.width / p.heads;
    let row = of_row(i);
    let first = of_tokens(i);
    let first_weight = i * p.tokens;
    var largest = 0.0;
    for (var t = 0u; t < p.tokens; t++) {
        var score = 0.0;
        for (var j = 0u; j < own; j++) {
            score += query[row + j] * key[first + t * p.width + j];
        }
        score *= p.scale;
        weights[first_weight + t] = score;
        // whether it drops a NaN is no matter: the sum of exponentials has it too
        largest = select(max(largest, score), score, t == 0u);
    }
    var total = 0.0;
    for (var t = 0u; t < p.tokens; t++) {
        let e = exp(weights[first_weight + t] - largest);
        weights[first_weight + t] = e;
        total += e;
    }
    for (var t = 0u; t < p.tokens; t++) {
        weights[first_weight + t] /= total;
    }
    for (var j = 0u; j < own; j++) {
        var sum = 0.0;
        for (var t = 0u; t < p.tokens; t++) {
            sum += weights[first_weight + t] * value[first + t * p.width + j];
        }
        y[row + j] = sum;
    }
}

// The gradient of a token's weight.
fn of_value(row: u32, token: u32, own: u32) -> f32 {
    var sum = 0.0;
    for (var j = 0u; j < own; j++) {
        sum += dy[row + j] * value[token + j];
    }
    return sum;
}

@compute @workgroup_size(256)
fn backward(thread: Thread) {
    let i = element(thread);
    if (i >= p.count) { return; }
    let own = p.width / p.heads;
    let row = of_row(i);
    let first = of_tokens(i);
    var mean = 0.0;
    for (var t = 0u; t < p.tokens; t++) {
        mean += kept_weights[i * p.tokens + t] * of_value(row, first + t * p.width, own);
    }
    for (var t = 0u; t < p.tokens; t++) {
        let token = first + t * p.width;
        let weight = kept_weights[i * p.tokens + t];
        let of_score = weight * (of_value(row, token, own) - mean) * p.scale;
        for (var j = 0u; j < own; j++) {
            let part = of_score * key[token + j];
            dquery[row + j] = added(dquery[row + j], part, select(p.accumulate_query, 1u, t > 0u));
            dkey[token + j] = added(dkey[token + j], of_score * query[row + j], p.accumulate_key);
            dvalue[token + j] = added(dvalue[token + j], weight * dy[row + j], p.accumulate_value);
        }
    }
}
