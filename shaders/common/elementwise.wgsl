// What the formulas of src/engine/ops/elementwise/mod.rs use beyond WGSL's own functions.
const zero: f32 = 0.0;
const one: f32 = 1.0;
const two: f32 = 2.0;

// WGSL's own may be a quotient of sums of e^x and e^-x, which is NaN where e^x overflows.
fn tanh(x: f32) -> f32 {
    let e = exp(-2.0 * abs(x));
    let size = (1.0 - e) / (1.0 + e);
    return select(size, -size, x < 0.0);
}
