// include index, sum, mean, columns, reduce
// y = sums over an axis; see src/engine/ops/sum.rs. All of it is in common/reduce.wgsl, with the scale 1.
