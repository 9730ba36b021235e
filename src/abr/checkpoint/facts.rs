//! Stores the training rows' conditions and sketches as tensors: metadata is limited to 100 MB.

use super::DataFacts;
use crate::data::repeats::Sketches;
use crate::data::{Column, Values};
use bytemuck::allocation::pod_collect_to_vec;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeSet;

const PREFIX: &str = "train.";
const SKETCHES: &str = "train.sketches";
/// The most bytes of categories: a few indices of a long one must not fill the memory.
const MOST_TEXT: usize = 1 << 28;

/// A tensor of training rows.
pub(super) struct FactTensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// Whether a tensor of this name is one of training rows.
pub(super) fn is_fact(name: &str) -> bool {
    name.starts_with(PREFIX)
}

fn column_name(index: usize) -> String {
    format!("{PREFIX}statics.{index}")
}

/// Moves the values out of the facts. Of a column with categories, the distinct ones stay, and the tensor has their
/// indices.
pub(super) fn take(facts: &mut DataFacts) -> Vec<FactTensor> {
    let mut tensors = Vec::new();
    for (index, column) in facts.train_conditions.iter_mut().enumerate() {
        let (dtype, bytes) = match &mut column.values {
            Values::Number(values) => (Dtype::F64, bytemuck::cast_slice(&std::mem::take(values)).to_vec()),
            Values::Text(values) => {
                let distinct: Vec<String> = values.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
                let place = |value| distinct.binary_search(value).expect("one of them") as i32;
                let indices: Vec<i32> = values.iter().map(place).collect();
                *values = distinct;
                (Dtype::I32, bytemuck::cast_slice(&indices).to_vec())
            }
        };
        let rows = bytes.len() / (dtype.bitsize() / 8);
        tensors.push(FactTensor { name: column_name(index), dtype, shape: vec![rows], bytes });
    }
    if let Some(sketches) = facts.train_sketches.take() {
        let (numbers, columns) = sketches.numbers();
        let (shape, bytes) = (vec![numbers.len() / columns, columns], bytemuck::cast_slice(numbers).to_vec());
        tensors.push(FactTensor { name: SKETCHES.to_string(), dtype: Dtype::I32, shape, bytes });
    }
    tensors
}

/// Moves the values back; files of earlier versions have them in the metadata. The error is the problem.
pub(super) fn restore(facts: &mut DataFacts, tensors: &[(String, TensorView)]) -> Result<(), String> {
    let find = |name: &str| tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor);
    for (index, column) in facts.train_conditions.iter_mut().enumerate() {
        let name = column_name(index);
        if let Some(tensor) = find(&name) {
            restore_column(column, tensor).ok_or_else(|| format!("tensor {name}: of another type, or out of range"))?;
        }
    }
    if let Some(tensor) = find(SKETCHES) {
        let numbers = (tensor.dtype() == Dtype::I32).then(|| pod_collect_to_vec::<u8, i32>(tensor.data()));
        let sketches = numbers.and_then(|numbers| Sketches::from_numbers(&numbers));
        facts.train_sketches = Some(sketches.ok_or(format!("tensor {SKETCHES}: of another type or shape"))?);
    }
    Ok(())
}

fn restore_column(column: &mut Column, tensor: &TensorView) -> Option<()> {
    match (&mut column.values, tensor.dtype()) {
        // a column without rows is an empty list, whatever its kind
        (Values::Number(values), Dtype::F64) if values.is_empty() => *values = pod_collect_to_vec(tensor.data()),
        (Values::Text(distinct), Dtype::I32) => {
            let indices: Vec<i32> = pod_collect_to_vec(tensor.data());
            let longest = distinct.iter().map(String::len).max().unwrap_or(0);
            if indices.len().saturating_mul(longest) > MOST_TEXT {
                return None;
            }
            let category = |index: &i32| distinct.get(usize::try_from(*index).ok()?).cloned();
            *distinct = indices.iter().map(category).collect::<Option<_>>()?;
        }
        (Values::Number(values), Dtype::I32) if values.is_empty() && tensor.data().is_empty() => (),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn names_beyond_the_metadata_are_refused_before_a_training() {
        let facts = |name: &str| DataFacts {
            hash: "ab".into(),
            sample_rate_hz: 20_000.0,
            t0_ms: 0.0,
            train_conditions: Vec::new(),
            train_subjects: vec![name.into(); 1000],
            subject_salt: None,
            train_sketches: None,
        };
        facts("P1").check_size("a.csv").unwrap();
        let message = facts(&"x".repeat(70_000)).check_size("a.csv").unwrap_err().to_string();
        assert!(message.starts_with("a.csv: the names of 1000 subjects take more"), "{message}");
    }

    #[test]
    fn what_is_taken_comes_back() {
        let signals = Array2::from_shape_fn((3, 50), |(row, i)| ((row * 50 + i) as f32 * 0.7).sin());
        let text = |values: &[&str]| Values::Text(values.iter().map(|value| value.to_string()).collect());
        let facts = DataFacts {
            hash: "ab".into(),
            sample_rate_hz: 20_000.0,
            t0_ms: 0.0,
            train_conditions: vec![
                Column { name: "level_db".into(), values: Values::Number(vec![60.0, f64::NAN, 0.1]) },
                Column { name: "ear".into(), values: text(&["right", "left", "right"]) },
            ],
            train_subjects: vec!["P1".into()],
            subject_salt: None,
            train_sketches: Some(Sketches::of(signals.view(), &[0, 1, 2])),
        };
        let mut head = facts.clone();
        let tensors = take(&mut head);
        assert!(tensors.iter().all(|tensor| is_fact(&tensor.name)));
        let json = serde_json::to_string(&head).unwrap();
        assert!(!json.contains("0.1"), "{json}");
        let views: Vec<(String, TensorView)> = tensors
            .iter()
            .map(|t| (t.name.clone(), TensorView::new(t.dtype, t.shape.clone(), &t.bytes).unwrap()))
            .collect();
        let mut again: DataFacts = serde_json::from_str(&json).unwrap();
        restore(&mut again, &views).unwrap();
        // NaN is not equal to itself
        assert_eq!(format!("{again:?}"), format!("{facts:?}"));

        // an index without a category, and another type
        for (name, dtype) in [("train.statics.1", Dtype::I32), ("train.statics.0", Dtype::F32)] {
            let bytes = 7_i32.to_le_bytes();
            let hostile = [(name.to_string(), TensorView::new(dtype, vec![1], &bytes).unwrap())];
            let mut again: DataFacts = serde_json::from_str(&json).unwrap();
            let problem = restore(&mut again, &hostile).unwrap_err();
            assert!(problem.contains(name), "{problem}");
        }
    }
}
