// include index, philox, gemm, linear, dense
// y = dropout(relu(x W^T + b)); see src/ops/linear_relu.rs.

@group(0) @binding(10) var<storage, read> kept: array<vec4<f32>>;

fn finished(row: u32, column: u32, sums: vec4<f32>) -> vec4<f32> {
    var v = sums;
    for (var c = 0u; c < 4u; c++) {
        v[c] = select(0.0, v[c], v[c] > 0.0 || is_nan(v[c]));
    }
    if (p.below == 0u) {
        return v;
    }
    return v * multipliers(column / 4u, row, Stream(p.key0, p.key1, p.tag, p.step), p.below, p.keep);
}

// What is 0 in y was dropped or cut off.
fn arriving(row: u32, column: u32, end: u32) -> vec4<f32> {
    let d = dy_quad(row, column, end);
    if (row >= p.rows || column >= end) {
        return d;
    }
    let at = place_of(row, p.outputs, column);
    var open = vec4<f32>();
    if (ALIGNED) {
        open = kept[at / 4u];
    } else {
        for (var c = 0u; c < columns_from(column, end); c++) {
            open[c] = kept[(at + c) / 4u][(at + c) % 4u];
        }
    }
    return select(vec4<f32>(), p.keep * d, open > vec4<f32>());
}
