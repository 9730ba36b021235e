// include index, sum, mean, columns, reduce
// y = means over an axis; see src/engine/ops/mean.rs. All of it is in common/reduce.wgsl.
