//! Stores the training rows' conditions and sketches as tensors: metadata is limited to 100 MB.

use super::DataFacts;
use crate::data::repeats::Sketches;
use crate::data::scale::{ConditionCode, ConditionScaler};
use crate::data::{Column, Values};
use bytemuck::allocation::pod_collect_to_vec;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeSet, HashMap};

const PREFIX: &str = "train.";
const SKETCHES: &str = "train.sketches";
/// The most memory for the categories of all rows and columns, beyond the bytes of all tensors. A row has a `String` of
/// its own: an index of 4 bytes becomes 24 bytes and its category, and opening a file holds this twice. So a file that
/// is little else takes less than 64 MiB beyond its size. A million rows with a category of 20 letters take 44 MB here;
/// their indices, sketches and one number give 36 MB, and pass.
const MOST_TEXT: usize = 24 << 20;
/// The problem of a tensor that is not what its column needs.
const OTHER: &str = "of another type, or out of range";

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
pub(super) fn restore(
    facts: &mut DataFacts,
    scalers: &[ConditionScaler],
    tensors: &[(String, TensorView)],
) -> Result<(), String> {
    check_columns(&facts.train_conditions, scalers)?;
    // to search the list for each column would take time quadratic in a hostile file
    let by_name: HashMap<&str, &TensorView> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut left = MOST_TEXT + tensors.iter().map(|(_, tensor)| tensor.data().len()).sum::<usize>();
    for (index, (column, scaler)) in facts.train_conditions.iter_mut().zip(scalers).enumerate() {
        let name = column_name(index);
        if let Some(tensor) = by_name.get(name.as_str()) {
            restore_column(column, tensor, has_text(scaler), &mut left)
                .map_err(|problem| format!("tensor {name}: {problem}"))?;
        }
    }
    if let Some(tensor) = by_name.get(SKETCHES) {
        let numbers = (tensor.dtype() == Dtype::I32).then(|| pod_collect_to_vec::<u8, i32>(tensor.data()));
        let sketches = numbers.and_then(|numbers| Sketches::from_numbers(&numbers));
        facts.train_sketches = Some(sketches.ok_or(format!("tensor {SKETCHES}: of another type or shape"))?);
    }
    Ok(())
}

/// What a row's category takes in memory.
#[allow(clippy::ptr_arg, reason = "it measures the `String` itself")]
fn bytes_of(category: &String) -> usize {
    size_of::<String>() + category.len()
}

/// Whether columns that are saved can be restored.
pub(super) fn text_fits(columns: &[Column]) -> bool {
    let (mut text, mut stored) = (0, 0);
    for column in columns {
        match &column.values {
            Values::Number(values) => stored += size_of_val(&values[..]),
            Values::Text(values) => {
                text += values.iter().map(bytes_of).sum::<usize>();
                stored += values.len() * size_of::<i32>();
            }
        }
    }
    text <= MOST_TEXT + stored
}

/// Whether the scaler's column has categories, not numbers.
fn has_text(scaler: &ConditionScaler) -> bool {
    matches!(scaler.code, ConditionCode::OneHot(_))
}

/// Checks that the columns are the scalers', in number, name and kind, before anything is made of them.
fn check_columns(columns: &[Column], scalers: &[ConditionScaler]) -> Result<(), String> {
    // an anonymous run stores none
    if !columns.is_empty() && columns.len() != scalers.len() {
        return Err(format!("{} columns of training rows, wanted {}", columns.len(), scalers.len()));
    }
    for (column, scaler) in columns.iter().zip(scalers) {
        if column.name != scaler.name {
            return Err(format!("column `{}` of the training rows is not that of data.static_columns", column.name));
        }
        let fits = match &column.values {
            // a column without rows is an empty list, whatever its kind
            Values::Number(values) => values.is_empty() || !has_text(scaler),
            Values::Text(_) => has_text(scaler),
        };
        if !fits {
            return Err(format!("column `{}`: numbers for text, or text for numbers", column.name));
        }
    }
    Ok(())
}

/// Fills a column from its tensor; `left` is what the categories of all columns may still take.
fn restore_column(
    column: &mut Column,
    tensor: &TensorView,
    has_text: bool,
    left: &mut usize,
) -> Result<(), &'static str> {
    match (&mut column.values, tensor.dtype()) {
        (Values::Number(values), Dtype::F64) if values.is_empty() && !has_text => {
            *values = pod_collect_to_vec(tensor.data());
        }
        (Values::Text(values), Dtype::I32) => {
            let indices = pod_collect_to_vec::<u8, i32>(tensor.data());
            *values = categories(values, &indices, left)?;
        }
        // no rows
        (Values::Number(values), Dtype::I32) if values.is_empty() && tensor.data().is_empty() => (),
        _ => return Err(OTHER),
    }
    Ok(())
}

/// The category of each index. All are counted before the first is copied.
fn categories(distinct: &[String], indices: &[i32], left: &mut usize) -> Result<Vec<String>, &'static str> {
    let category = |index: &i32| distinct.get(usize::try_from(*index).ok()?);
    for index in indices {
        let bytes = bytes_of(category(index).ok_or(OTHER)?);
        *left = left.checked_sub(bytes).ok_or("the categories take too much memory for a file of this size")?;
    }
    // space for all at once: a list that grows takes up to three times as much
    let mut values = Vec::with_capacity(indices.len());
    values.extend(indices.iter().filter_map(category).cloned());
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::scale::MeanAndStd;
    use ndarray::Array2;

    fn facts_of(train_conditions: Vec<Column>) -> DataFacts {
        DataFacts {
            hash: "ab".into(),
            sample_rate_hz: 20_000.0,
            t0_ms: 0.0,
            train_conditions,
            train_subjects: Vec::new(),
            subject_salt: None,
            train_sketches: None,
        }
    }

    fn number(name: &str) -> ConditionScaler {
        let code = ConditionCode::Standard(MeanAndStd::IDENTITY);
        ConditionScaler { name: name.into(), code, clip: None, missing: None }
    }

    fn text(name: &str) -> ConditionScaler {
        ConditionScaler { code: ConditionCode::OneHot(vec!["x".into()]), ..number(name) }
    }

    #[test]
    fn names_beyond_the_metadata_are_refused_before_a_training() {
        let facts = |name: &str| DataFacts { train_subjects: vec![name.into(); 1000], ..facts_of(Vec::new()) };
        facts("P1").check_size("a.csv", 4_415_567).unwrap();
        let message = facts(&"x".repeat(70_000)).check_size("a.csv", 1).unwrap_err().to_string();
        assert!(message.starts_with("a.csv: the names of 1000 subjects take more"), "{message}");
        // a quote takes three bytes more where JSON stands in JSON
        facts(&"x".repeat(30_000)).check_size("a.csv", 1).unwrap();
        assert!(facts(&"\"".repeat(30_000)).check_size("a.csv", 1).is_err());
        let words = |rows| vec![Column { name: "a".into(), values: Values::Text(vec!["x".repeat(100); rows]) }];
        facts_of(words(100_000)).check_size("a.csv", 1).unwrap();
        assert!(facts_of(words(300_000)).check_size("a.csv", 1).is_err());
        assert!(facts("P1").check_size("a.csv", 300_000_000).is_err());
    }

    #[test]
    fn what_is_taken_comes_back() {
        let signals = Array2::from_shape_fn((3, 50), |(row, i)| ((row * 50 + i) as f32 * 0.7).sin());
        let ears = ["right", "left", "right"].map(String::from).to_vec();
        let facts = DataFacts {
            train_subjects: vec!["P1".into()],
            train_sketches: Some(Sketches::of(signals.view(), &[0, 1, 2])),
            ..facts_of(vec![
                Column { name: "level_db".into(), values: Values::Number(vec![60.0, f64::NAN, 0.1]) },
                Column { name: "ear".into(), values: Values::Text(ears) },
            ])
        };
        let scalers = [number("level_db"), text("ear")];
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
        restore(&mut again, &scalers, &views).unwrap();
        // NaN is not equal to itself
        assert_eq!(format!("{again:?}"), format!("{facts:?}"));

        // an index without a category, and another type
        for (name, dtype) in [("train.statics.1", Dtype::I32), ("train.statics.0", Dtype::F32)] {
            let bytes = 7_i32.to_le_bytes();
            let hostile = [(name.to_string(), TensorView::new(dtype, vec![1], &bytes).unwrap())];
            let mut again: DataFacts = serde_json::from_str(&json).unwrap();
            let problem = restore(&mut again, &scalers, &hostile).unwrap_err();
            assert!(problem.contains(name), "{problem}");
        }
    }

    #[test]
    fn columns_other_than_the_scalers_are_refused() {
        let column = |name: &str, values: Values| Column { name: name.into(), values };
        let numbers = || column("a", Values::Number(vec![1.0]));
        let words = || column("a", Values::Text(vec!["x".into()]));
        let restored = |columns: Vec<Column>, scaler: ConditionScaler| restore(&mut facts_of(columns), &[scaler], &[]);
        assert_eq!(restored(vec![numbers()], number("a")), Ok(()));
        assert_eq!(restored(vec![words()], text("a")), Ok(()));
        // an anonymous run has no columns, and a column without rows has no kind
        assert_eq!(restored(Vec::new(), text("a")), Ok(()));
        assert_eq!(restored(vec![column("a", Values::Number(Vec::new()))], text("a")), Ok(()));
        for (columns, scaler, wanted) in [
            (vec![numbers()], number("b"), "column `a`"),
            (vec![numbers()], text("a"), "numbers for text"),
            (vec![words()], number("a"), "text for numbers"),
            (vec![numbers(), numbers()], number("a"), "2 columns of training rows, wanted 1"),
        ] {
            let problem = restored(columns, scaler).unwrap_err();
            assert!(problem.contains(wanted), "{problem}");
        }
        let bytes = [0; 8];
        let tensors = [(column_name(0), TensorView::new(Dtype::F64, vec![1], &bytes).unwrap())];
        let mut empty = facts_of(vec![column("a", Values::Number(Vec::new()))]);
        assert!(restore(&mut empty, &[text("a")], &tensors).unwrap_err().contains(OTHER));
    }

    /// What two columns with these rows and one category of this length give.
    fn with_categories(rows: usize, length: usize) -> Result<(), String> {
        let column = |name: &str| Column { name: name.into(), values: Values::Text(vec!["x".repeat(length)]) };
        let indices = vec![0; 4 * rows];
        let tensor = |index| (column_name(index), TensorView::new(Dtype::I32, vec![rows], &indices).unwrap());
        let mut facts = facts_of(vec![column("a"), column("b")]);
        restore(&mut facts, &[text("a"), text("b")], &[tensor(0), tensor(1)])?;
        assert_eq!(facts.train_conditions[1].values, Values::Text(vec!["x".repeat(length); rows]));
        Ok(())
    }

    #[test]
    fn the_categories_of_all_columns_are_bounded_together() {
        assert_eq!(with_categories(300_000, 20), Ok(()));
        assert_eq!(with_categories(10_000, 1000), Ok(()));
        // the first column alone would pass
        for (rows, length) in [(20_000, 1000), (700_000, 0)] {
            let problem = with_categories(rows, length).unwrap_err();
            assert!(problem.starts_with("tensor train.statics.1: the categories take too much"), "{problem}");
        }
    }
}
