//! The least work of an op, independent of its loops: the floating-point operations of a matrix product, the bytes of
//! any other op.

use crate::bench::op::Bench;
use criterion::Throughput;
use ndarray::Array2;

/// Forward and backward. A matrix product counts its FLOPs (an element of criterion's `Gelem/s`), two per multiply-add:
/// `2 B I O` forward, twice that backward. Every other op counts the bytes of each tensor that it must read or write,
/// once: forward its inputs and outputs; backward the gradients of its output and its inputs, and the tensors that they
/// depend on.
pub fn work(bench: &mut Bench) -> [Throughput; 2] {
    let is_product = ["linear", "linear_relu", "grouped_linear", "matmul"].contains(&bench.op.name());
    if let (true, [x, weight, ..]) = (is_product, &bench.inputs[..]) {
        let flops = 2 * (x.nrows() * weight.len()) as u64;
        return [flops, 2 * flops].map(Throughput::Elements);
    }
    let elements = |arrays: &[Array2<f32>]| arrays.iter().map(Array2::len).sum::<usize>();
    let forward = elements(&bench.inputs) + elements(&bench.outputs);
    let gradients = bench.gradients.iter().enumerate().filter(|(i, _)| bench.op.differentiable(*i));
    let gradients = bench.cotangent.len() + gradients.map(|(_, d)| d.len()).sum::<usize>();
    let backward = gradients + needed(bench, |b| &mut b.inputs) + needed(bench, |b| &mut b.outputs);
    [forward, backward].map(|count| Throughput::BytesDecimal((size_of::<f32>() * count) as u64))
}

/// The elements of the tensors that the backward pass reads: those where a NaN changes the gradients.
fn needed(bench: &mut Bench, of: impl Fn(&mut Bench) -> &mut Vec<Array2<f32>>) -> usize {
    let bits = |bench: &mut Bench| {
        bench.backward();
        bench.gradients.iter().flatten().map(|d| d.to_bits()).collect::<Vec<u32>>()
    };
    let (expected, mut count) = (bits(bench), 0);
    for i in 0..of(bench).len() {
        let shape = of(bench)[i].dim();
        let kept = std::mem::replace(&mut of(bench)[i], Array2::from_elem(shape, f32::NAN));
        count += if bits(bench) == expected { 0 } else { kept.len() };
        of(bench)[i] = kept;
    }
    count
}
