//! The values recorded by `record.py`.

use ndarray::{Array1, Array2};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub struct Recorded {
    inputs: BTreeMap<String, Value>,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
pub struct Case {
    pub value: Vec<f64>,
    /// The results of common mistakes, by name.
    pub perturbed: BTreeMap<String, Vec<f64>>,
}

impl Case {
    /// The largest value, without its sign.
    pub fn largest(&self) -> f64 {
        self.value.iter().fold(0.0, |largest, value| value.abs().max(largest))
    }
}

impl Recorded {
    pub fn read() -> Recorded {
        serde_json::from_str(include_str!("recorded.json")).expect("recorded.json")
    }

    pub fn case(&self, name: &str) -> &Case {
        self.cases.get(name).unwrap_or_else(|| panic!("no case {name} is recorded"))
    }

    /// The cases, by name.
    pub fn names(&self) -> Vec<&str> {
        self.cases.keys().map(String::as_str).collect()
    }

    pub fn vector(&self, name: &str) -> Vec<f64> {
        serde_json::from_value(self.inputs[name].clone()).expect("a list of numbers")
    }

    pub fn array(&self, name: &str) -> Array1<f64> {
        self.vector(name).into()
    }

    pub fn matrix(&self, name: &str) -> Array2<f64> {
        let rows: Vec<Vec<f64>> = serde_json::from_value(self.inputs[name].clone()).expect("a list of rows");
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).expect("rows of one length")
    }

    /// Numbers that are 1 for true.
    pub fn labels(&self, name: &str) -> Vec<bool> {
        self.vector(name).into_iter().map(|label| label == 1.0).collect()
    }
}

/// The largest difference over all values; infinite if one is NaN.
///
/// # Panics
/// If the lengths differ.
pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "values");
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |largest, d| if d.is_nan() { f64::INFINITY } else { d.max(largest) })
}
