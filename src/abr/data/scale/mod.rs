//! Scalers: from physical units to the model's inputs and back. They are fitted on training rows and stored in the
//! checkpoint as JSON.

mod categories;
mod conditions;

pub use conditions::{ConditionCode, ConditionScaler};

use crate::config::{DataConfig, SignalScaling};
use crate::data::{Column, Dataset, PEAK_COLUMNS};
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

/// A mean and a (population) standard deviation, in the units of the values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanAndStd {
    pub mean: f64,
    pub std: f64,
}

impl MeanAndStd {
    /// Leaves values unchanged.
    pub const IDENTITY: MeanAndStd = MeanAndStd { mean: 0.0, std: 1.0 };

    /// Computes both in two passes over the values. The deviation of equal values is exactly 0; `None` without values.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Option<MeanAndStd> {
        let first = values.clone().next()?;
        if values.clone().all(|v| v == first) {
            return Some(MeanAndStd { mean: first, std: 0.0 });
        }
        let n = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / n;
        let variance = values.map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        Some(MeanAndStd { mean, std: variance.sqrt() })
    }

    /// Standardises a value. With deviation 0 it only subtracts the mean.
    pub fn encode(&self, value: f64) -> f64 {
        (value - self.mean) / if self.std > 0.0 { self.std } else { 1.0 }
    }

    /// Inverts [`MeanAndStd::encode`].
    pub fn decode(&self, value: f64) -> f64 {
        value * self.std + self.mean
    }

    /// Whether recordings can have these: a deviation above 0, and nothing that overflows.
    fn is_plausible(&self) -> bool {
        const RANGE: std::ops::RangeInclusive<f64> = 1e-30..=1e30;
        RANGE.contains(&self.std) && self.mean.abs() <= *RANGE.end()
    }

    /// Replaces deviation 0 by 1, so that decoding inverts encoding.
    fn or_unit(self) -> MeanAndStd {
        if self.std > 0.0 { self } else { MeanAndStd { std: 1.0, ..self } }
    }
}

/// The scalers of all inputs and outputs of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scalers {
    pub signal: SignalScaler,
    /// In the order of `data.static_columns`.
    #[serde(rename = "statics")]
    pub conditions: Vec<ConditionScaler>,
    /// In the order of [`PEAK_COLUMNS`]; `None` for a column without a label in the training rows, from which the model
    /// learns nothing.
    pub peaks: [Option<MeanAndStd>; PEAK_COLUMNS.len()],
}

/// The scaler of traces.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalScaler {
    pub scaling: SignalScaling,
    /// In µV. With `global`: of all training samples. With `per_trace`: the medians of the training traces' means and
    /// deviations, for generated traces, which have none of their own.
    #[serde(rename = "moments")]
    pub mean_and_std: MeanAndStd,
}

impl Scalers {
    /// The column of each input of the model, in order: a column with several inputs as often as it has.
    pub fn input_columns(&self) -> Vec<&str> {
        self.conditions.iter().flat_map(|scaler| vec![scaler.name.as_str(); scaler.width()]).collect()
    }

    /// Fits to `rows`, the training rows, alone. Also returns notices for the user.
    ///
    /// # Errors
    /// [`Error::Input`] if all samples are equal, if a log column has a value of 0 or less, if a value is missing in a
    /// column without imputation, or if the mean or deviation of a column overflows.
    pub fn fit(dataset: &Dataset, config: &DataConfig, rows: &[usize]) -> Result<(Scalers, Vec<String>)> {
        let mut notices = Vec::new();
        let conditions = std::iter::zip(&dataset.conditions, &config.static_columns)
            .map(|(column, how)| {
                let how = conditions::How::of(config, how);
                ConditionScaler::fit(&dataset.source, column, how, rows, &mut notices)
            })
            .collect::<Result<_>>()?;
        let signal = SignalScaler::fit(dataset, config.signal_scaling, rows)?;
        let peaks = std::array::from_fn(|p| {
            let labels = rows.iter().map(|&row| f64::from(dataset.peaks[[row, p]])).filter(|label| label.is_finite());
            MeanAndStd::of(labels).map(MeanAndStd::or_unit)
        });
        Ok((Scalers { signal, conditions, peaks }, notices))
    }

    /// Scalers that change nothing, for weights that come without scalers.
    pub fn identity(config: &DataConfig) -> Scalers {
        let plain = |name: &str| ConditionScaler {
            name: name.into(),
            code: ConditionCode::Standard(MeanAndStd::IDENTITY),
            clip: None,
            missing: config.impute_statics.iter().any(|imputed| imputed == name).then_some(0.0),
        };
        Scalers {
            signal: SignalScaler { scaling: SignalScaling::Global, mean_and_std: MeanAndStd::IDENTITY },
            conditions: config.static_columns.iter().map(|column| plain(column.name())).collect(),
            peaks: [Some(MeanAndStd::IDENTITY); PEAK_COLUMNS.len()],
        }
    }

    /// Checks scalers that were read from a file; the error is the problem.
    pub fn check(&self, config: &DataConfig) -> std::result::Result<(), String> {
        let refuse = |name: &str, m: &MeanAndStd| Err(format!("{name}: mean {:e}, deviation {:e}", m.mean, m.std));
        if !self.signal.mean_and_std.is_plausible() {
            return refuse("signal", &self.signal.mean_and_std);
        }
        if let Some((i, m)) =
            self.peaks.iter().enumerate().find_map(|(i, m)| Some((i, m.filter(|m| !m.is_plausible())?)))
        {
            return refuse(PEAK_COLUMNS[i], &m);
        }
        let configured = config.static_columns.iter().map(|column| column.name());
        if !configured.eq(self.conditions.iter().map(|scaler| scaler.name.as_str())) {
            return Err("other columns than data.static_columns".to_string());
        }
        self.conditions.iter().try_for_each(ConditionScaler::check)
    }

    /// S: the width of the encoded condition.
    pub fn condition_dim(&self) -> usize {
        self.conditions.iter().map(ConditionScaler::width).sum()
    }

    /// Checks the width of the encoded condition against the model's.
    ///
    /// # Errors
    /// [`Error::Config`] with both widths and the columns.
    pub fn check_condition_dim(&self, static_dim: usize) -> Result<()> {
        let width = self.condition_dim();
        if width == static_dim {
            return Ok(());
        }
        let columns: Vec<String> = self.conditions.iter().map(ConditionScaler::describe).collect();
        Err(Error::config(
            "configuration",
            "model.static_dim",
            format!("is {static_dim}, but data.static_columns make {width} inputs: {}", columns.join(", ")),
            format!("set model.static_dim to {width}, or choose other columns"),
        ))
    }

    /// Encodes `rows` of `columns`, which are in the order of `data.static_columns`, as conditions `[rows.len(), S]`.
    /// Errors name `source`.
    ///
    /// # Errors
    /// [`Error::Input`] for a category that no training row has, the log of 0 or less, a missing value in a column
    /// without imputation, a value too large to encode, or columns that differ from the scalers'.
    pub fn encode_condition(&self, source: &str, columns: &[Column], rows: &[usize]) -> Result<Array2<f32>> {
        conditions::check_names(source, &self.conditions, columns)?;
        let mut encoded = Array2::zeros((rows.len(), self.condition_dim()));
        let mut start = 0;
        for (scaler, column) in self.conditions.iter().zip(columns) {
            let end = start + scaler.width();
            scaler.encode(source, column, rows, encoded.slice_mut(ndarray::s![.., start..end]))?;
            start = end;
        }
        Ok(encoded)
    }

    /// Decodes `[n, S]` to columns of n values in their own units. A one-hot column gets the category with the largest
    /// input.
    pub fn decode_condition(&self, encoded: ArrayView2<f32>) -> Vec<Column> {
        let mut start = 0;
        let decode = |scaler: &ConditionScaler| {
            let inputs = encoded.slice(ndarray::s![.., start..start + scaler.width()]);
            start += scaler.width();
            scaler.decode(inputs)
        };
        self.conditions.iter().map(decode).collect()
    }

    /// Scales traces `[n, L]` in µV to the model's units. Returns the mean and standard deviation of each trace too:
    /// [`Scalers::decode_signals`] needs them to scale back.
    pub fn encode_signals(&self, signals: ArrayView2<f32>) -> (Array2<f32>, Vec<MeanAndStd>) {
        let of_traces: Vec<MeanAndStd> = signals.outer_iter().map(|trace| self.signal.mean_and_std_of(trace)).collect();
        (map_rows(signals, |row, v| of_traces[row].encode(v)), of_traces)
    }

    /// Scales the rows `indices` of traces `[N, L]` in µV to the model's units, without an intermediate copy.
    pub fn encode_rows(&self, signals: ArrayView2<f32>, indices: &[usize]) -> Array2<f32> {
        let mut encoded = Array2::zeros((indices.len(), signals.ncols()));
        for (&row, mut out) in indices.iter().zip(encoded.outer_iter_mut()) {
            let mean_and_std = self.signal.mean_and_std_of(signals.row(row));
            out.zip_mut_with(&signals.row(row), |out, &v| *out = mean_and_std.encode(f64::from(v)) as f32);
        }
        encoded
    }

    /// Scales traces `[n, L]` in the model's units back to µV: each by its own mean and standard deviation, or all by
    /// those of the training rows ([`SignalScaler::mean_and_std`]) for traces without a recording.
    pub fn decode_signals(&self, signals: ArrayView2<f32>, of_traces: Option<&[MeanAndStd]>) -> Array2<f32> {
        map_rows(signals, |row, v| of_traces.map_or(self.signal.mean_and_std, |m| m[row]).decode(v))
    }

    /// Standardises peak labels `[n, 6]` (NaN: unlabelled; encoded as 0), and returns their mask: 1 where labelled,
    /// else 0. A column without a label in training counts as unlabelled.
    pub fn encode_peaks(&self, peaks: ArrayView2<f32>) -> (Array2<f32>, Array2<f32>) {
        let known = |p: usize, v: f64| self.peaks[p].filter(|_| v.is_finite());
        let mask = map_columns(peaks, |p, v| f64::from(known(p, v).is_some()));
        let values = map_columns(peaks, |p, v| known(p, v).map_or(0.0, |mean_and_std| mean_and_std.encode(v)));
        (values, mask)
    }

    /// Converts the peak head's output `[n, 6]` to ms and µV; NaN in a column without a label in training.
    pub fn decode_peaks(&self, peaks: ArrayView2<f32>) -> Array2<f32> {
        map_columns(peaks, |p, v| self.peaks[p].map_or(f64::NAN, |mean_and_std| mean_and_std.decode(v)))
    }

    /// The columns without a label in training.
    pub fn unlabelled_peaks(&self) -> Vec<&'static str> {
        PEAK_COLUMNS.into_iter().zip(self.peaks).filter(|(_, scaler)| scaler.is_none()).map(|(name, _)| name).collect()
    }
}

impl SignalScaler {
    fn fit(dataset: &Dataset, scaling: SignalScaling, rows: &[usize]) -> Result<SignalScaler> {
        let trace = |&row: &usize| dataset.signals.row(row).into_iter().map(|&v| f64::from(v));
        let mean_and_std = match scaling {
            SignalScaling::Global => MeanAndStd::of(rows.iter().flat_map(trace)),
            SignalScaling::PerTrace => {
                let all: Vec<MeanAndStd> = rows.iter().filter_map(|row| MeanAndStd::of(trace(row))).collect();
                let median_of = |part: fn(&MeanAndStd) -> f64| median(all.iter().map(part).collect());
                median_of(|m| m.mean).zip(median_of(|m| m.std)).map(|(mean, std)| MeanAndStd { mean, std })
            }
        };
        match mean_and_std {
            Some(mean_and_std) if mean_and_std.std > 0.0 => Ok(SignalScaler { scaling, mean_and_std }),
            _ => Err(Error::input(
                &dataset.source,
                "the training rows",
                "the traces are flat: their samples do not vary",
                "check that the sample columns contain the recordings, in microvolts",
            )),
        }
    }

    fn mean_and_std_of(&self, trace: ArrayView1<f32>) -> MeanAndStd {
        match self.scaling {
            SignalScaling::Global => self.mean_and_std,
            SignalScaling::PerTrace => MeanAndStd::of(trace.iter().map(|&v| f64::from(v))).unwrap_or(self.mean_and_std),
        }
    }
}

/// The median; of an even number of values, the mean of the middle two.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (n > 0).then(|| (values[(n - 1) / 2] + values[n / 2]) / 2.0)
}

/// The quantile `q`, linearly interpolated (type 7 of Hyndman & Fan 1996, Am Stat 50:361, and NumPy's default).
fn quantile(mut values: Vec<f64>, q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = q * (values.len().checked_sub(1)? as f64);
    let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

fn map_rows(values: ArrayView2<f32>, f: impl Fn(usize, f64) -> f64) -> Array2<f32> {
    Array2::from_shape_fn(values.dim(), |(row, column)| f(row, f64::from(values[[row, column]])) as f32)
}

fn map_columns(values: ArrayView2<f32>, f: impl Fn(usize, f64) -> f64) -> Array2<f32> {
    Array2::from_shape_fn(values.dim(), |(row, column)| f(column, f64::from(values[[row, column]])) as f32)
}

#[cfg(test)]
mod tests;
