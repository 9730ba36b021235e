//! Recordings and their metadata in physical units: microvolts, milliseconds, hertz.

mod assume;
pub mod cells;
#[cfg(test)]
pub(crate) mod fixture;
pub mod hash;
pub mod inspect;
mod load;
pub mod prepare;
pub mod read;
mod recording;
pub mod repeats;
pub mod rows;
pub mod scale;
pub mod split;
pub mod synth;
pub mod table;
pub mod variation;

pub use assume::Assumptions;
pub use load::{assemble, built_in, load};
pub use recording::{Gain, GroundTruth, Recording};

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The columns of peak labels, in the order of the peak head's outputs: latencies in ms, then amplitudes in µV.
pub const PEAK_COLUMNS: [&str; 6] = ["peak_i_ms", "peak_iii_ms", "peak_v_ms", "peak_i_uv", "peak_iii_uv", "peak_v_uv"];

/// The waves of [`GroundTruths::latencies_ms`], as column names spell them.
pub const WAVES: [&str; 7] = ["i", "ii", "iii", "iv", "v", "vi", "vii"];

/// One row per trace, with the columns that the configuration names.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The name for messages: the file's, or `built-in data`.
    pub source: String,
    /// `[N, L]` in µV.
    pub signals: Array2<f32>,
    pub sample_rate_hz: f64,
    /// Time of the first sample relative to the stimulus onset.
    pub t0_ms: f64,
    /// The conditioning variables, in the order of `data.static_columns`.
    pub conditions: Vec<Column>,
    /// `[N, 6]` in the order of [`PEAK_COLUMNS`]; NaN where unlabelled.
    pub peaks: Array2<f32>,
    /// One name per row. Rows of one subject never stand in two parts of a split, except with a split by row.
    pub subjects: Vec<String>,
    /// The number of averaged sweeps of each row; NaN where it is unknown.
    pub averages: Vec<f32>,
    /// The ground truth of simulated rows.
    pub ground_truth: Option<GroundTruths>,
}

/// One named column of [`Dataset::conditions`], in its own units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

/// A column's values, one per row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// NaN where the cell is empty, which only columns of `data.impute_statics` may have. JSON stores NaN as `null`.
    Number(#[serde(with = "nan_as_null")] Vec<f64>),
    /// The categories of a one-hot column.
    Text(Vec<String>),
}

/// The noise-free traces and the wave latencies behind simulated rows.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruths {
    /// `[N, L]` in µV, without noise.
    pub signals: Array2<f32>,
    /// `[N, 7]`: latencies of waves I to VII in ms; NaN where the wave is absent.
    pub latencies_ms: Array2<f32>,
}

/// Stores NaN as `null`, because JSON has no NaN.
mod nan_as_null {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|v| (!v.is_nan()).then_some(*v)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    }
}

impl Dataset {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.signals.nrows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Dataset {
    /// The rows as recordings, with the condition columns and the `extra` ones under their names.
    ///
    /// # Panics
    /// If an extra column has a different number of rows.
    pub fn recordings(&self, extra: &[Column]) -> Vec<Recording> {
        assert!(extra.iter().all(|c| c.values.len() == self.len()), "an extra column has one value per row");
        let cell = |column: &Column, row: usize| match &column.values {
            Values::Number(values) if values[row].is_nan() => String::new(),
            Values::Number(values) => values[row].to_string(),
            Values::Text(values) => values[row].clone(),
        };
        let columns: Vec<(Arc<str>, &Column)> =
            self.conditions.iter().chain(extra).map(|column| (column.name.as_str().into(), column)).collect();
        let recording = |(row, signal): (usize, ArrayView1<f32>)| {
            let mut recording = Recording::new(signal.to_vec());
            recording.subject.clone_from(&self.subjects[row]);
            (recording.sample_rate_hz, recording.t0_ms) = (Some(self.sample_rate_hz), Some(self.t0_ms));
            recording.columns = columns.iter().map(|(name, column)| (name.clone(), cell(column, row))).collect();
            if self.averages[row].is_finite() && recording.column("n_averages").is_none() {
                recording.add_column("n_averages", self.averages[row]);
            }
            recording.peaks.iter_mut().zip(self.peaks.row(row)).for_each(|(to, from)| *to = *from);
            recording.ground_truth = self.ground_truth.as_ref().map(|truth| {
                let mut latencies_ms = [f32::NAN; WAVES.len()];
                latencies_ms.iter_mut().zip(truth.latencies_ms.row(row)).for_each(|(to, from)| *to = *from);
                Box::new(GroundTruth { samples: truth.signals.row(row).to_vec(), latencies_ms })
            });
            recording
        };
        self.signals.outer_iter().enumerate().map(recording).collect()
    }
}

impl Column {
    /// The column at the chosen rows.
    pub fn select(&self, rows: &[usize]) -> Column {
        let values = match &self.values {
            Values::Number(v) => Values::Number(rows.iter().map(|&r| v[r]).collect()),
            Values::Text(v) => Values::Text(rows.iter().map(|&r| v[r].clone()).collect()),
        };
        Column { name: self.name.clone(), values }
    }
}

impl Values {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Values::Number(values) => values.len(),
            Values::Text(values) => values.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_survive_json_with_empty_cells() {
        let column = |values| Column { name: "a".into(), values };
        let text = serde_json::to_string(&column(Values::Number(vec![1.5, f64::NAN]))).unwrap();
        assert_eq!(text, r#"{"name":"a","values":[1.5,null]}"#);
        let Values::Number(back) = serde_json::from_str::<Column>(&text).unwrap().values else { panic!("numbers") };
        assert!(back[0] == 1.5 && back[1].is_nan());
        for values in [Values::Number(vec![0.1, -2.0]), Values::Text(vec!["L".into(), "1".into()])] {
            let text = serde_json::to_string(&column(values.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Column>(&text).unwrap().values, values);
        }
    }
}
