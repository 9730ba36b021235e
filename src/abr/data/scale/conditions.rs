//! The scalers of the condition columns: standardised, logarithmic or one-hot.

use super::{MeanAndStd, median, quantile};
use crate::config::{ColumnEncoding, ConditionColumn, DataConfig};
use crate::data::{Column, Values};
use crate::error::{Error, Result};
use ndarray::{ArrayView2, ArrayViewMut2};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The scaler of one condition column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionScaler {
    pub name: String,
    pub code: ConditionCode,
    /// Values are clipped to this range, in the column's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<[f64; 2]>,
    /// The value that replaces a missing one: the median of the training rows. A second input is then 1 for missing
    /// values, else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<f64>,
}

/// The configured settings of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct How<'a> {
    pub encoding: ColumnEncoding,
    /// The categories of a one-hot column; `None`: those of the training rows.
    pub categories: Option<&'a [String]>,
    /// Values are clipped to these quantiles of the training rows.
    pub clip: Option<[f64; 2]>,
    pub impute: bool,
}

impl<'a> How<'a> {
    pub(super) fn of(config: &DataConfig, column: &'a ConditionColumn) -> How<'a> {
        let impute = config.impute_statics.iter().any(|name| name == column.name());
        How { encoding: column.encoding(), categories: column.categories(), clip: config.clip_statics, impute }
    }
}

/// A fitted [`ColumnEncoding`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionCode {
    /// In the column's unit.
    Standard(MeanAndStd),
    /// Of the natural logarithm.
    Log(MeanAndStd),
    /// The categories: as the configuration lists them, or those of the training rows, sorted.
    OneHot(Vec<String>),
}

impl ConditionScaler {
    pub(super) fn fit(
        source: &str,
        column: &Column,
        how: How,
        rows: &[usize],
        notices: &mut Vec<String>,
    ) -> Result<ConditionScaler> {
        let name = column.name.clone();
        let scaler = match how.encoding {
            ColumnEncoding::OneHot => {
                let values = texts(source, column)?;
                let trained: BTreeSet<&String> = rows.iter().map(|&row| &values[row]).collect();
                let listed = how.categories.unwrap_or_default();
                notices.extend(listed.iter().filter(|category| !trained.contains(category)).map(|category| {
                    format!("column `{name}`: no training row has \"{category}\": the model cannot learn it")
                }));
                let categories = how.categories.map_or_else(|| trained.into_iter().cloned().collect(), <[_]>::to_vec);
                ConditionScaler { name, code: ConditionCode::OneHot(categories), clip: None, missing: None }
            }
            ColumnEncoding::Standard | ColumnEncoding::Log => fit_number(source, column, how, rows, notices)?,
        };
        if let Some(value) = scaler.constant() {
            notices.push(format!(
                "column `{}` is always {value} in the training rows: the model learns nothing from it",
                column.name
            ));
        }
        Ok(ConditionScaler { code: scaler.code.or_unit(), ..scaler })
    }

    /// The value of a constant column; `None` if the column varies.
    fn constant(&self) -> Option<String> {
        match &self.code {
            ConditionCode::Standard(m) if m.std == 0.0 => Some(m.mean.to_string()),
            // rounded, because the exponential does not invert the logarithm exactly
            ConditionCode::Log(m) if m.std == 0.0 => Some(((m.mean.exp() * 1e6).round() / 1e6).to_string()),
            ConditionCode::OneHot(categories) if categories.len() == 1 => Some(format!("\"{}\"", categories[0])),
            _ => None,
        }
    }

    /// Whether all its numbers are finite; JSON cannot store others.
    fn is_finite(&self) -> bool {
        let of_code = match &self.code {
            ConditionCode::Standard(m) | ConditionCode::Log(m) => m.mean.is_finite() && m.std.is_finite(),
            ConditionCode::OneHot(_) => true,
        };
        of_code && self.clip.iter().flatten().chain(&self.missing).all(|v| v.is_finite())
    }

    /// Checks a scaler that was read from a file; the error is the problem.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        let plausible = match &self.code {
            ConditionCode::Standard(m) | ConditionCode::Log(m) => m.is_plausible(),
            ConditionCode::OneHot(categories) => {
                !categories.is_empty() && self.clip.is_none() && self.missing.is_none()
            }
        };
        let ordered = self.clip.is_none_or(|[low, high]| low <= high);
        match plausible && ordered && self.is_finite() {
            true => Ok(()),
            false => Err(format!("column `{}`: {:?}, clipped to {:?}", self.name, self.code, self.clip)),
        }
    }

    /// The number of model inputs that it fills.
    pub fn width(&self) -> usize {
        match &self.code {
            ConditionCode::OneHot(categories) => categories.len(),
            _ => 1 + usize::from(self.missing.is_some()),
        }
    }

    pub(super) fn describe(&self) -> String {
        match &self.code {
            ConditionCode::OneHot(categories) => format!("{} (one-hot: {})", self.name, categories.join(", ")),
            _ if self.missing.is_some() => format!("{0} and whether {0} is missing", self.name),
            _ => self.name.clone(),
        }
    }

    /// Encodes `rows` of the column into `out` `[rows.len(), width]`.
    ///
    /// # Errors
    /// See [`Scalers::encode_condition`](super::Scalers::encode_condition).
    pub fn encode(&self, source: &str, column: &Column, rows: &[usize], mut out: ArrayViewMut2<f32>) -> Result<()> {
        if let ConditionCode::OneHot(categories) = &self.code {
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
            if self.missing.is_some() {
                inputs[1] = if values[row].is_nan() { 1.0 } else { 0.0 };
            }
        }
        Ok(())
    }

    fn encode_number(&self, source: &str, row: usize, value: f64) -> Result<f64> {
        let value = match self.missing {
            _ if !value.is_nan() => self.clip.map_or(value, |[low, high]| value.clamp(low, high)),
            Some(median) => median,
            None => return Err(missing(source, &self.name, row)),
        };
        match &self.code {
            ConditionCode::Standard(mean_and_std) => Ok(mean_and_std.encode(value)),
            ConditionCode::Log(mean_and_std) => Ok(mean_and_std.encode(log(source, &self.name, row, value)?)),
            ConditionCode::OneHot(_) => unreachable!("a one-hot column contains text"),
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
            ConditionCode::Standard(mean_and_std) => number(&|v| mean_and_std.decode(v)),
            ConditionCode::Log(mean_and_std) => number(&|v| mean_and_std.decode(v).exp()),
            ConditionCode::OneHot(categories) => {
                Values::Text(inputs.outer_iter().map(|row| categories[largest(row.iter().copied())].clone()).collect())
            }
        };
        Column { name: self.name.clone(), values }
    }
}

impl ConditionCode {
    fn or_unit(self) -> ConditionCode {
        match self {
            ConditionCode::Standard(mean_and_std) => ConditionCode::Standard(mean_and_std.or_unit()),
            ConditionCode::Log(mean_and_std) => ConditionCode::Log(mean_and_std.or_unit()),
            one_hot => one_hot,
        }
    }
}

/// Checks that the columns are the scalers', in the same order.
pub(super) fn check_names(source: &str, scalers: &[ConditionScaler], columns: &[Column]) -> Result<()> {
    if scalers.iter().map(|s| &s.name).eq(columns.iter().map(|c| &c.name)) {
        return Ok(());
    }
    let names = |list: Vec<&str>| list.join(", ");
    Err(Error::input(
        source,
        "conditioning variables",
        format!("found {}", names(columns.iter().map(|c| c.name.as_str()).collect())),
        format!("the model was trained on {}, in this order", names(scalers.iter().map(|s| s.name.as_str()).collect())),
    ))
}

/// Fits to the clipped values of the training rows. Missing values do not count, so they do not reduce the deviation.
fn fit_number(
    source: &str,
    column: &Column,
    how: How,
    rows: &[usize],
    notices: &mut Vec<String>,
) -> Result<ConditionScaler> {
    let (values, name) = (numbers(source, column)?, &column.name);
    let there: Vec<usize> = rows.iter().copied().filter(|&row| !values[row].is_nan()).collect();
    if let Some(&row) = rows.iter().find(|&&row| values[row].is_nan() && !how.impute) {
        return Err(missing(source, name, row));
    }
    let present = || there.iter().map(|&row| values[row]).collect::<Vec<_>>();
    let clip = how.clip.and_then(|[low, high]| Some([quantile(present(), low)?, quantile(present(), high)?]));
    let clipped = |value: f64| clip.map_or(value, |[low, high]| value.clamp(low, high));
    if let Some([low, high]) = clip {
        let beyond = present().iter().filter(|v| clipped(**v) != **v).count();
        notices.push(format!("column `{name}`: {beyond} training values beyond {low} and {high} are clipped to these"));
    }
    let median = median(present()).map(clipped);
    if how.impute {
        let Some(median) = median else {
            let remedy = "leave the column out, or fill it in";
            return Err(Error::input(source, format!("column `{name}`"), "no training row has a value", remedy));
        };
        let lacking = rows.len() - there.len();
        notices.push(format!(
            "column `{name}` is missing in {lacking} training rows: it enters as their median, {median}"
        ));
    }
    let code = match how.encoding {
        ColumnEncoding::Log => {
            let log = |&row: &usize| log(source, name, row, clipped(values[row]));
            let logs = there.iter().map(log).collect::<Result<Vec<_>>>()?;
            ConditionCode::Log(MeanAndStd::of(logs.into_iter()).unwrap_or(MeanAndStd::IDENTITY))
        }
        _ => {
            let values = there.iter().map(|&row| clipped(values[row]));
            ConditionCode::Standard(MeanAndStd::of(values).unwrap_or(MeanAndStd::IDENTITY))
        }
    };
    let scaler = ConditionScaler { name: name.clone(), code, clip, missing: median.filter(|_| how.impute) };
    if scaler.is_finite() {
        return Ok(scaler);
    }
    let largest = there.into_iter().max_by(|&a, &b| values[a].abs().total_cmp(&values[b].abs()));
    let row = largest.expect("only present values overflow");
    let problem = format!("{:e} is too large: mean and deviation of the column overflow", values[row]);
    let remedy = "correct it, leave the row out with data.filters, or empty the cell if the value is not known";
    Err(Error::input(source, place(row, name), problem, remedy))
}

fn missing(source: &str, name: &str, row: usize) -> Error {
    let remedy = "fill it in, or train with the column in data.impute_statics";
    Error::input(source, place(row, name), "empty, but a number is needed", remedy)
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

/// The index of the largest value; of equal ones the first.
fn largest(values: impl Iterator<Item = f32>) -> usize {
    let first = (0, f32::NEG_INFINITY);
    values.enumerate().fold(first, |best, (i, v)| if v > best.1 { (i, v) } else { best }).0
}

fn numbers<'a>(source: &str, column: &'a Column) -> Result<&'a [f64]> {
    match &column.values {
        Values::Number(values) => Ok(values),
        Values::Text(_) => Err(wrong_kind(source, column, "text, but a number is needed", "\"one_hot\"")),
    }
}

fn texts<'a>(source: &str, column: &'a Column) -> Result<&'a [String]> {
    match &column.values {
        Values::Text(values) => Ok(values),
        Values::Number(_) => Err(wrong_kind(source, column, "numbers, but a category is needed", "\"standard\"")),
    }
}

fn wrong_kind(source: &str, column: &Column, problem: &str, encoding: &str) -> Error {
    let remedy = format!("set the encoding of `{}` in data.static_columns to {encoding}", column.name);
    Error::input(source, format!("column `{}`", column.name), format!("contains {problem}"), remedy)
}

fn place(row: usize, column: &str) -> String {
    format!("row {}, column `{column}`", row + 1)
}

#[cfg(test)]
mod tests;
