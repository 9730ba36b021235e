// include index, philox, gemm, linear, dense
// y = dropout(relu(x W^T + b)); see src/engine/ops/linear_relu.rs.

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

// Where y is 0, dropout or the ReLU has set it to 0.
fn arriving(row: u32, column: u32, end: u32) -> vec4<f32> {
    let d = dy_quad(row, column, end);
    let at = places(min(row, last_of(p.rows)), p.outputs, column, end);
    var open = kept[at.x / 4u];
    if (!ALIGNED) {
        open = vec4<f32>(
            open[at.x % 4u], kept[at.y / 4u][at.y % 4u], kept[at.z / 4u][at.z % 4u], kept[at.w / 4u][at.w % 4u],
        );
    }
    return select(vec4<f32>(), p.keep * d, open > vec4<f32>());
}
