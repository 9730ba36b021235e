//! Stores numbers in a checkpoint's JSON rounded to f32: this halves the digits, and the rounding error is far below
//! the noise of recordings.

use ndarray::{Array1, Array2};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A list of numbers.
pub mod vector {
    use super::*;

    pub fn serialize<S: Serializer>(values: &Array1<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|v| *v as f32))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array1<f64>, D::Error> {
        Ok(Vec::<f32>::deserialize(deserializer)?.into_iter().map(f64::from).collect())
    }
}

/// A matrix: its shape, and its values row by row.
pub mod matrix {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Stored {
        rows: usize,
        columns: usize,
        values: Vec<f32>,
    }

    pub fn serialize<S: Serializer>(values: &Array2<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        let (rows, columns) = values.dim();
        Stored { rows, columns, values: values.iter().map(|v| *v as f32).collect() }.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<f64>, D::Error> {
        let Stored { rows, columns, values } = Stored::deserialize(deserializer)?;
        Array2::from_shape_vec((rows, columns), values.into_iter().map(f64::from).collect()).map_err(D::Error::custom)
    }
}
