//! The static columns: standardised, logarithmic or one-hot.

use super::Moments;
use crate::config::Encoding;
use crate::data::{Column, Values};
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One static column and how it enters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticScaler {
    pub name: String,
    pub code: StaticCode,
}

/// A fitted [`Encoding`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaticCode {
    /// Moments in the column's unit.
    Standard(Moments),
    /// Moments of the natural logarithm.
    Log(Moments),
    /// The categories of the training rows, in alphabetical order.
    OneHot(Vec<String>),
}

impl StaticScaler {
    pub(super) fn fit(
        source: &str,
        column: &Column,
        encoding: Encoding,
        rows: &[usize],
        notices: &mut Vec<String>,
    ) -> Result<StaticScaler> {
        let code = match encoding {
            Encoding::Standard => StaticCode::Standard(moments(numbers(source, column)?, rows)),
            Encoding::Log => {
                let values = numbers(source, column)?;
                let logs =
                    rows.iter().map(|&row| log(source, &column.name, row, values[row])).collect::<Result<Vec<_>>>()?;
                StaticCode::Log(Moments::of(logs.into_iter()).unwrap_or(Moments::IDENTITY))
            }
            Encoding::OneHot => {
                let values = texts(source, column)?;
                let categories: BTreeSet<&String> = rows.iter().map(|&row| &values[row]).collect();
                StaticCode::OneHot(categories.into_iter().cloned().collect())
            }
        };
        let scaler = StaticScaler { name: column.name.clone(), code };
        if let Some(value) = scaler.constant() {
            notices
                .push(format!("column `{}` is always {value} in the training rows: it teaches nothing", column.name));
        }
        Ok(StaticScaler { code: scaler.code.or_unit(), ..scaler })
    }

    /// The one value of a column that does not vary.
    fn constant(&self) -> Option<String> {
        match &self.code {
            StaticCode::Standard(m) if m.std == 0.0 => Some(m.mean.to_string()),
            // rounded, since the exponential does not undo the logarithm to the last digit
            StaticCode::Log(m) if m.std == 0.0 => Some(((m.mean.exp() * 1e6).round() / 1e6).to_string()),
            StaticCode::OneHot(categories) if categories.len() == 1 => Some(format!("\"{}\"", categories[0])),
            _ => None,
        }
    }

    /// How many of the model's inputs it fills.
    pub fn width(&self) -> usize {
        match &self.code {
            StaticCode::OneHot(categories) => categories.len(),
            _ => 1,
        }
    }

    pub(super) fn describe(&self) -> String {
        match &self.code {
            StaticCode::OneHot(categories) => format!("{} (one-hot: {})", self.name, categories.join(", ")),
            _ => self.name.clone(),
        }
    }

    /// Fills the inputs `[rows.len(), width]` of these rows of the column.
    ///
    /// # Errors
    /// See [`Scalers::encode_statics`](super::Scalers::encode_statics).
    pub fn encode(&self, source: &str, column: &Column, rows: &[usize], mut out: ArrayViewMut2<f32>) -> Result<()> {
        if let StaticCode::OneHot(categories) = &self.code {
            let values = texts(source, column)?;
            for (&row, mut inputs) in rows.iter().zip(out.outer_iter_mut()) {
                inputs[self.category(source, categories, row, &values[row])?] = 1.0;
            }
            return Ok(());
        }
        let values = numbers(source, column)?;
        for (&row, mut inputs) in rows.iter().zip(out.outer_iter_mut()) {
            let encoded = self.encode_number(source, row, values[row])? as f32;
            if !encoded.is_finite() {
                let problem = format!("{} is too far from the training rows to be encoded", values[row]);
                return Err(Error::input(source, place(row, &self.name), problem, "check the value and its unit"));
            }
            inputs[0] = encoded;
        }
        Ok(())
    }

    fn encode_number(&self, source: &str, row: usize, value: f64) -> Result<f64> {
        match &self.code {
            StaticCode::Standard(moments) => Ok(moments.encode(value)),
            StaticCode::Log(moments) => Ok(moments.encode(log(source, &self.name, row, value)?)),
            StaticCode::OneHot(_) => unreachable!("a one-hot column holds text"),
        }
    }

    fn category(&self, source: &str, categories: &[String], row: usize, value: &str) -> Result<usize> {
        categories.iter().position(|known| known == value).ok_or_else(|| {
            Error::input(
                source,
                place(row, &self.name),
                format!("the category \"{value}\" is in no training row"),
                format!("use one of {}, or train on rows that have it", categories.join(", ")),
            )
        })
    }

    pub(super) fn decode(&self, inputs: ArrayView2<f32>) -> Column {
        let number =
            |f: &dyn Fn(f64) -> f64| Values::Number(inputs.column(0).iter().map(|&v| f(f64::from(v))).collect());
        let values = match &self.code {
            StaticCode::Standard(moments) => number(&|v| moments.decode(v)),
            StaticCode::Log(moments) => number(&|v| moments.decode(v).exp()),
            StaticCode::OneHot(categories) => {
                Values::Text(inputs.outer_iter().map(|row| categories[largest(row.iter().copied())].clone()).collect())
            }
        };
        Column { name: self.name.clone(), values }
    }
}

impl StaticCode {
    fn or_unit(self) -> StaticCode {
        match self {
            StaticCode::Standard(moments) => StaticCode::Standard(moments.or_unit()),
            StaticCode::Log(moments) => StaticCode::Log(moments.or_unit()),
            one_hot => one_hot,
        }
    }
}

/// The scaler's columns and no others, in its order.
pub(super) fn check_names(source: &str, scalers: &[StaticScaler], columns: &[Column]) -> Result<()> {
    if scalers.iter().map(|s| &s.name).eq(columns.iter().map(|c| &c.name)) {
        return Ok(());
    }
    let names = |list: Vec<&str>| list.join(", ");
    Err(Error::input(
        source,
        "static columns",
        format!("found {}", names(columns.iter().map(|c| c.name.as_str()).collect())),
        format!("the model was trained on {}, in this order", names(scalers.iter().map(|s| s.name.as_str()).collect())),
    ))
}

fn moments(values: &[f64], rows: &[usize]) -> Moments {
    Moments::of(rows.iter().map(|&row| values[row])).unwrap_or(Moments::IDENTITY)
}

fn log(source: &str, name: &str, row: usize, value: f64) -> Result<f64> {
    if value > 0.0 {
        return Ok(value.ln());
    }
    Err(Error::input(
        source,
        place(row, name),
        format!("{value} has no logarithm"),
        "leave such rows out, or set the column's encoding in data.static_columns to \"standard\"",
    ))
}

/// The first of the largest.
fn largest(values: impl Iterator<Item = f32>) -> usize {
    let first = (0, f32::NEG_INFINITY);
    values.enumerate().fold(first, |best, (i, v)| if v > best.1 { (i, v) } else { best }).0
}

fn numbers<'a>(source: &str, column: &'a Column) -> Result<&'a [f64]> {
    match &column.values {
        Values::Number(values) => Ok(values),
        Values::Text(_) => Err(wrong_kind(source, column, "text, but a number is wanted", "\"one_hot\"")),
    }
}

fn texts<'a>(source: &str, column: &'a Column) -> Result<&'a [String]> {
    match &column.values {
        Values::Text(values) => Ok(values),
        Values::Number(_) => Err(wrong_kind(source, column, "numbers, but a category is wanted", "\"standard\"")),
    }
}

fn wrong_kind(source: &str, column: &Column, problem: &str, encoding: &str) -> Error {
    let remedy = format!("set the encoding of `{}` in data.static_columns to {encoding}", column.name);
    Error::input(source, format!("column `{}`", column.name), format!("holds {problem}"), remedy)
}

fn place(row: usize, column: &str) -> String {
    format!("row {}, column `{column}`", row + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn number(values: &[f64]) -> Column {
        Column { name: "level_db".into(), values: Values::Number(values.to_vec()) }
    }

    fn text(values: &[&str]) -> Column {
        Column { name: "ear".into(), values: Values::Text(values.iter().map(|s| s.to_string()).collect()) }
    }

    fn fit(column: &Column, encoding: Encoding) -> Result<(StaticScaler, Vec<String>)> {
        let mut notices = Vec::new();
        let rows: Vec<usize> = (0..column.values.len()).collect();
        StaticScaler::fit("a.csv", column, encoding, &rows, &mut notices).map(|scaler| (scaler, notices))
    }

    fn encode(scaler: &StaticScaler, column: &Column) -> Result<Array2<f32>> {
        let rows: Vec<usize> = (0..column.values.len()).collect();
        let mut out = Array2::zeros((rows.len(), scaler.width()));
        scaler.encode("b.csv", column, &rows, out.view_mut())?;
        Ok(out)
    }

    #[test]
    fn numbers_are_standardised_and_come_back() {
        for encoding in [Encoding::Standard, Encoding::Log] {
            let column = number(&[500.0, 1000.0, 2000.0]);
            let (scaler, notices) = fit(&column, encoding).unwrap();
            assert!(notices.is_empty());
            let encoded = encode(&scaler, &column).unwrap();
            assert!(encoded.sum().abs() < 1e-6, "{encoded}");
            if encoding == Encoding::Log {
                // equal ratios are equal steps: -sqrt(3/2), 0, sqrt(3/2)
                let step = 1.5_f32.sqrt();
                assert!((&encoded - &array![[-step], [0.0], [step]]).iter().all(|d| d.abs() < 1e-6), "{encoded}");
            }
            let Values::Number(back) = scaler.decode(encoded.view()).values else { panic!("numbers stay numbers") };
            assert!(back.iter().zip([500.0, 1000.0, 2000.0]).all(|(a, b)| (a / b - 1.0).abs() < 1e-6), "{back:?}");
        }
    }

    #[test]
    fn categories_are_one_hot_and_an_unseen_one_is_refused() {
        let (scaler, _) = fit(&text(&["R", "L", "R"]), Encoding::OneHot).unwrap();
        assert_eq!(encode(&scaler, &text(&["R", "L"])).unwrap(), array![[0.0, 1.0], [1.0, 0.0]]);
        let decoded = scaler.decode(array![[0.2_f32, 0.7], [-1.0, -2.0]].view());
        assert_eq!(decoded, text(&["R", "L"]));
        let message = encode(&scaler, &text(&["L", "both"])).unwrap_err().to_string();
        assert!(message.contains("b.csv: row 2, column `ear`: the category \"both\""), "{message}");
        assert!(message.contains("use one of L, R"), "{message}");
    }

    #[test]
    fn a_constant_column_is_noticed_and_harmless() {
        // 0.1 three times sums to more than 0.3: a careless deviation would not be 0
        let column = number(&[0.1, 0.1, 0.1]);
        for encoding in [Encoding::Standard, Encoding::Log] {
            let (scaler, notices) = fit(&column, encoding).unwrap();
            assert!(notices[0].contains("`level_db` is always 0.1"), "{notices:?}");
            assert_eq!(encode(&scaler, &column).unwrap(), array![[0.0], [0.0], [0.0]]);
            assert!(encode(&scaler, &number(&[0.2])).unwrap()[[0, 0]].abs() < 1.0);
        }
        assert_eq!(fit(&text(&["L", "L"]), Encoding::OneHot).unwrap().1.len(), 1);
    }

    #[test]
    fn what_cannot_be_encoded_names_the_row() {
        let message = fit(&number(&[10.0, 0.0]), Encoding::Log).unwrap_err().to_string();
        assert!(message.contains("a.csv: row 2, column `level_db`: 0 has no logarithm"), "{message}");
        let (log, _) = fit(&number(&[1.0, 2.0]), Encoding::Log).unwrap();
        assert!(encode(&log, &number(&[1.0, 1.0, -1.0])).unwrap_err().to_string().contains("row 3"));
        let (standard, _) = fit(&number(&[1.0, 2.0]), Encoding::Standard).unwrap();
        assert!(encode(&standard, &number(&[1e300])).unwrap_err().to_string().contains("too far"));
        assert!(fit(&text(&["L"]), Encoding::Standard).unwrap_err().to_string().contains("\"one_hot\""));
    }

    #[test]
    fn other_columns_are_refused_by_name() {
        let (scaler, _) = fit(&number(&[1.0, 2.0]), Encoding::Standard).unwrap();
        let message = check_names("b.csv", &[scaler], &[text(&["L"])]).unwrap_err().to_string();
        assert!(message.contains("found ear") && message.contains("trained on level_db"), "{message}");
    }
}
