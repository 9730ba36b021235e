//! Values of a file's tensors as f32.

use bytemuck::{Pod, allocation::pod_collect_to_vec};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};

/// `None` for a type that is not supported.
pub(super) fn to_f32(view: &TensorView) -> Option<Vec<f32>> {
    fn values<T: Pod>(view: &TensorView, to_f32: fn(T) -> f32) -> Option<Vec<f32>> {
        Some(pod_collect_to_vec::<u8, T>(view.data()).into_iter().map(to_f32).collect())
    }
    match view.dtype() {
        Dtype::F64 => values(view, |value: f64| value as f32),
        Dtype::F32 => Some(pod_collect_to_vec(view.data())),
        Dtype::F16 => values(view, f16::to_f32),
        Dtype::BF16 => values(view, bf16::to_f32),
        _ => None,
    }
}
