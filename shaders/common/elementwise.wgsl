// What the formulas of src/engine/ops/elementwise/mod.rs use beyond WGSL's own functions.
const zero: f32 = 0.0;
const one: f32 = 1.0;
const two: f32 = 2.0;
