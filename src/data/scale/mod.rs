//! From physical units to the model's numbers and back: fitted on training rows, stored in the checkpoint as JSON.

mod categories;
mod statics;

pub use statics::{StaticCode, StaticScaler};

use crate::config::{DataConfig, SignalScaling};
use crate::data::{Column, Dataset, PEAK_COLUMNS};
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

/// A mean and a (population) standard deviation, in the values' own units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    pub mean: f64,
    pub std: f64,
}

impl Moments {
    /// Leaves values as they are.
    pub const IDENTITY: Moments = Moments { mean: 0.0, std: 1.0 };

    /// Of the values in their order, in two passes; deviation 0 exactly if all are alike, `None` if there are none.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Moments> {
        let first = values.clone().next()?;
        if values.clone().all(|v| v == first) {
            return Some(Moments { mean: first, std: 0.0 });
        }
        let n = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / n;
        let variance = values.map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        Some(Moments { mean, std: variance.sqrt() })
    }

    /// Standardised; what never varies becomes 0.
    pub fn encode(&self, value: f64) -> f64 {
        (value - self.mean) / if self.std > 0.0 { self.std } else { 1.0 }
    }

    /// Back in the values' own units.
    pub fn decode(&self, value: f64) -> f64 {
        value * self.std + self.mean
    }

    /// Deviation 1 where there is none, so that encoding and decoding stay each other's inverse.
    fn or_unit(self) -> Moments {
        if self.std > 0.0 { self } else { Moments { std: 1.0, ..self } }
    }
}

/// How every number enters the model and leaves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scalers {
    pub signal: SignalScaler,
    /// In the order of `data.static_columns`.
    pub statics: Vec<StaticScaler>,
    /// In the order of [`PEAK_COLUMNS`]; none where no training row is labelled, so that nothing could be learned.
    pub peaks: [Option<Moments>; PEAK_COLUMNS.len()],
}

/// How traces are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalScaler {
    pub scaling: SignalScaling,
    /// In µV. `global`: of all training samples. `per_trace`: the medians of the training traces' means and of their deviations,
    /// for traces that are generated and so have none of their own.
    pub moments: Moments,
}

impl Scalers {
    /// Fits on `rows` (the training rows) and looks at no other; the notices are for the user.
    ///
    /// # Errors
    /// [`Error::Input`] if all samples are alike, a value of a log column is not above 0 or one is missing that may not
    /// be, or if the numbers of a column are too large for a mean and a deviation.
    pub fn fit(dataset: &Dataset, config: &DataConfig, rows: &[usize]) -> Result<(Scalers, Vec<String>)> {
        let mut notices = Vec::new();
        let statics = std::iter::zip(&dataset.statics, &config.static_columns)
            .map(|(column, how)| {
                let how = statics::How::of(config, how);
                StaticScaler::fit(&dataset.source, column, how, rows, &mut notices)
            })
            .collect::<Result<_>>()?;
        let signal = SignalScaler::fit(dataset, config.signal_scaling, rows)?;
        let peaks = std::array::from_fn(|p| {
            let labels = rows.iter().map(|&row| f64::from(dataset.peaks[[row, p]])).filter(|label| label.is_finite());
            Moments::of(labels).map(Moments::or_unit)
        });
        Ok((Scalers { signal, statics, peaks }, notices))
    }

    /// Leaves every number as it is: for weights that come without scalers.
    pub fn identity(config: &DataConfig) -> Scalers {
        let plain = |name: &str| StaticScaler {
            name: name.into(),
            code: StaticCode::Standard(Moments::IDENTITY),
            clip: None,
            missing: config.impute_statics.iter().any(|imputed| imputed == name).then_some(0.0),
        };
        Scalers {
            signal: SignalScaler { scaling: SignalScaling::Global, moments: Moments::IDENTITY },
            statics: config.static_columns.iter().map(|column| plain(column.name())).collect(),
            peaks: [Some(Moments::IDENTITY); PEAK_COLUMNS.len()],
        }
    }

    /// S: the width of the encoded condition.
    pub fn static_dim(&self) -> usize {
        self.statics.iter().map(StaticScaler::width).sum()
    }

    /// Compares the encoded width with the model's.
    ///
    /// # Errors
    /// [`Error::Config`] with both numbers and the columns.
    pub fn check_static_dim(&self, static_dim: usize) -> Result<()> {
        let width = self.static_dim();
        if width == static_dim {
            return Ok(());
        }
        let columns: Vec<String> = self.statics.iter().map(StaticScaler::describe).collect();
        Err(Error::config(
            "configuration",
            "model.static_dim",
            format!("is {static_dim}, but data.static_columns make {width} inputs: {}", columns.join(", ")),
            format!("set model.static_dim to {width}, or choose other columns"),
        ))
    }

    /// The condition `[rows.len(), S]` of the named rows of `columns`, which come in the order of `data.static_columns`;
    /// `source` is what errors call them.
    ///
    /// # Errors
    /// [`Error::Input`] on a category that the training rows did not have, a log of 0 or less, a value that is missing and may
    /// not be or too large to be encoded, or other columns than the scaler's.
    pub fn encode_statics(&self, source: &str, columns: &[Column], rows: &[usize]) -> Result<Array2<f32>> {
        statics::check_names(source, &self.statics, columns)?;
        let mut encoded = Array2::zeros((rows.len(), self.static_dim()));
        let mut start = 0;
        for (scaler, column) in self.statics.iter().zip(columns) {
            let end = start + scaler.width();
            scaler.encode(source, column, rows, encoded.slice_mut(ndarray::s![.., start..end]))?;
            start = end;
        }
        Ok(encoded)
    }

    /// `[n, S]` back to columns of n values in their own units; a one-hot column takes the category with the largest input.
    pub fn decode_statics(&self, encoded: ArrayView2<f32>) -> Vec<Column> {
        let mut start = 0;
        let decode = |scaler: &StaticScaler| {
            let inputs = encoded.slice(ndarray::s![.., start..start + scaler.width()]);
            start += scaler.width();
            scaler.decode(inputs)
        };
        self.statics.iter().map(decode).collect()
    }

    /// Traces `[n, L]` in µV to the model's numbers, with the moments that [`Scalers::decode_signals`] takes each trace back by.
    pub fn encode_signals(&self, signals: ArrayView2<f32>) -> (Array2<f32>, Vec<Moments>) {
        let moments: Vec<Moments> = signals.outer_iter().map(|trace| self.signal.moments_of(trace)).collect();
        (map_rows(signals, |row, v| moments[row].encode(v)), moments)
    }

    /// The rows `indices` of traces `[N, L]` in µV as the model's numbers, without a copy in between.
    pub fn encode_rows(&self, signals: ArrayView2<f32>, indices: &[usize]) -> Array2<f32> {
        let mut encoded = Array2::zeros((indices.len(), signals.ncols()));
        for (&row, mut out) in indices.iter().zip(encoded.outer_iter_mut()) {
            let moments = self.signal.moments_of(signals.row(row));
            out.zip_mut_with(&signals.row(row), |out, &v| *out = moments.encode(f64::from(v)) as f32);
        }
        encoded
    }

    /// The model's traces `[n, L]` to µV: each by its own moments, or all by the training rows' ([`SignalScaler::moments`])
    /// where no recording stands behind them.
    pub fn decode_signals(&self, signals: ArrayView2<f32>, moments: Option<&[Moments]>) -> Array2<f32> {
        map_rows(signals, |row, v| moments.map_or(self.signal.moments, |m| m[row]).decode(v))
    }

    /// Peak labels `[n, 6]` (NaN: unlabelled) to standardised values, 0 where unlabelled, and the mask: 1 labelled, 0 not. A
    /// column without a label in training counts as unlabelled.
    pub fn encode_peaks(&self, peaks: ArrayView2<f32>) -> (Array2<f32>, Array2<f32>) {
        let known = |p: usize, v: f64| self.peaks[p].filter(|_| v.is_finite());
        let mask = map_columns(peaks, |p, v| f64::from(known(p, v).is_some()));
        let values = map_columns(peaks, |p, v| known(p, v).map_or(0.0, |moments| moments.encode(v)));
        (values, mask)
    }

    /// The peak head's output `[n, 6]` to ms and µV; NaN in a column without a label in training.
    pub fn decode_peaks(&self, peaks: ArrayView2<f32>) -> Array2<f32> {
        map_columns(peaks, |p, v| self.peaks[p].map_or(f64::NAN, |moments| moments.decode(v)))
    }

    /// The columns without a label in training.
    pub fn unlabelled_peaks(&self) -> Vec<&'static str> {
        PEAK_COLUMNS
            .into_iter()
            .zip(self.peaks)
            .filter(|(_, moments)| moments.is_none())
            .map(|(name, _)| name)
            .collect()
    }
}

impl SignalScaler {
    fn fit(dataset: &Dataset, scaling: SignalScaling, rows: &[usize]) -> Result<SignalScaler> {
        let trace = |&row: &usize| dataset.signals.row(row).into_iter().map(|&v| f64::from(v));
        let moments = match scaling {
            SignalScaling::Global => Moments::of(rows.iter().flat_map(trace)),
            SignalScaling::PerTrace => {
                let all: Vec<Moments> = rows.iter().filter_map(|row| Moments::of(trace(row))).collect();
                let median_of = |part: fn(&Moments) -> f64| median(all.iter().map(part).collect());
                median_of(|m| m.mean).zip(median_of(|m| m.std)).map(|(mean, std)| Moments { mean, std })
            }
        };
        match moments {
            Some(moments) if moments.std > 0.0 => Ok(SignalScaler { scaling, moments }),
            _ => Err(Error::input(
                &dataset.source,
                "the training rows",
                "the traces are flat: their samples do not vary",
                "check that the sample columns hold the recordings, in microvolts",
            )),
        }
    }

    fn moments_of(&self, trace: ArrayView1<f32>) -> Moments {
        match self.scaling {
            SignalScaling::Global => self.moments,
            SignalScaling::PerTrace => Moments::of(trace.iter().map(|&v| f64::from(v))).unwrap_or(self.moments),
        }
    }
}

/// The middle value; of an even number the mean of the middle two.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (n > 0).then(|| (values[(n - 1) / 2] + values[n / 2]) / 2.0)
}

/// The value that a share `q` of the values lies below, between two of them in proportion (type 7 of Hyndman & Fan 1996, Am Stat
/// 50:361, and NumPy's default).
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
mod tests {
    use super::*;
    use crate::config::{Encoding, StaticColumn};
    use crate::data::Values;
    use crate::data::fixture::dataset;

    const ROWS: [usize; 6] = [0, 1, 2, 4, 5, 6];

    fn config(level: Encoding, scaling: SignalScaling) -> DataConfig {
        DataConfig {
            static_columns: vec![
                StaticColumn::encoded("level_db", level),
                StaticColumn::encoded("ear", Encoding::OneHot),
            ],
            signal_scaling: scaling,
            ..DataConfig::default()
        }
    }

    fn fitted(level: Encoding, scaling: SignalScaling) -> Scalers {
        Scalers::fit(&dataset(8, 4), &config(level, scaling), &ROWS).unwrap().0
    }

    #[test]
    fn training_rows_alone_are_seen() {
        let clean = dataset(8, 4);
        let mut poisoned = clean.clone();
        for row in [3, 7] {
            poisoned.signals.row_mut(row).fill(1e6);
            poisoned.peaks.row_mut(row).fill(1e6);
            for column in &mut poisoned.statics {
                match &mut column.values {
                    Values::Number(values) => values[row] = -1e6,
                    Values::Text(values) => values[row] = "poison".into(),
                }
            }
        }
        for scaling in [SignalScaling::Global, SignalScaling::PerTrace] {
            // moments, quantiles and the median for what is missing
            let (clip_statics, impute_statics) = (Some([0.1, 0.9]), vec!["level_db".to_string()]);
            let config = DataConfig { clip_statics, impute_statics, ..config(Encoding::Log, scaling) };
            let fit = |data: &Dataset, rows: &[usize]| Scalers::fit(data, &config, rows).map(|(scalers, _)| scalers);
            let fitted = fit(&poisoned, &ROWS).unwrap();
            assert_eq!(fitted, fit(&clean, &ROWS).unwrap());
            // levels 20, 30, 40, 60, 70, 80
            assert_eq!((fitted.statics[0].clip, fitted.statics[0].missing), (Some([25.0, 75.0]), Some(50.0)));
            assert!(fit(&poisoned, &[0, 1, 3]).is_err(), "a poisoned row would have been noticed");
        }
    }

    #[test]
    fn scalers_survive_json_bit_for_bit() {
        for scaling in [SignalScaling::Global, SignalScaling::PerTrace] {
            let scalers = fitted(Encoding::Log, scaling);
            let text = serde_json::to_string(&scalers).unwrap();
            assert_eq!(serde_json::from_str::<Scalers>(&text).unwrap(), scalers, "{text}");
        }
    }

    #[test]
    fn global_signals_are_standardised_and_come_back() {
        let data = dataset(8, 4);
        let scalers = fitted(Encoding::Standard, SignalScaling::Global);
        let (encoded, moments) = scalers.encode_signals(data.signals.view());
        let trained = encoded.select(ndarray::Axis(0), &ROWS);
        let all = Moments::of(trained.iter().map(|&v| f64::from(v))).unwrap();
        // f32 rounding of 30 values near 1
        assert!(all.mean.abs() < 1e-6 && (all.std - 1.0).abs() < 1e-6, "{all:?}");
        for moments in [None, Some(&moments[..])] {
            let back = scalers.decode_signals(encoded.view(), moments);
            assert!(back.iter().zip(&data.signals).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn per_trace_signals_come_back_by_their_own_moments_and_drawn_ones_by_the_median() {
        let mut data = dataset(8, 4);
        data.signals.row_mut(5).mapv_inplace(|v| 100.0 * v + 7.0);
        data.signals.row_mut(6).fill(3.0);
        let config = config(Encoding::Standard, SignalScaling::PerTrace);
        let scalers = Scalers::fit(&data, &config, &ROWS).unwrap().0;
        let (encoded, moments) = scalers.encode_signals(data.signals.view());
        let loud = Moments::of(encoded.row(5).iter().map(|&v| f64::from(v))).unwrap();
        assert!(loud.mean.abs() < 1e-6 && (loud.std - 1.0).abs() < 1e-6, "{loud:?}");
        assert!(encoded.row(6).iter().all(|v| *v == 0.0));
        let back = scalers.decode_signals(encoded.view(), Some(&moments));
        // the loud trace reaches 37 µV: 1e-5 is a few f32 roundings there
        assert!(back.iter().zip(&data.signals).all(|(a, b)| (a - b).abs() < 1e-5));

        let drawn = scalers.decode_signals(encoded.slice(ndarray::s![5..6, ..]), None);
        let amplitude = Moments::of(drawn.iter().map(|&v| f64::from(v))).unwrap().std;
        assert!((0.05..0.5).contains(&amplitude), "the median trace is a quiet one, not {amplitude} µV");
    }

    #[test]
    fn a_median_of_an_even_number_lies_between() {
        assert_eq!(median(vec![5.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(median(vec![]), None);
        let quantiles = [0.0, 0.1, 0.25, 1.0].map(|q| quantile(vec![4.0, 1.0, 2.0, 9.0], q).unwrap());
        // as numpy.quantile([1, 2, 4, 9], [0, 0.1, 0.25, 1])
        assert!(quantiles.iter().zip([1.0, 1.3, 1.75, 9.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{quantiles:?}");
    }

    #[test]
    fn unlabelled_peaks_are_masked_and_labelled_ones_come_back() {
        let data = dataset(8, 4);
        let scalers = fitted(Encoding::Standard, SignalScaling::Global);
        let (values, mask) = scalers.encode_peaks(data.peaks.view());
        assert_eq!((values[[7, 3]], mask[[7, 3]], mask.sum()), (0.0, 0.0, 47.0));
        let back = scalers.decode_peaks(values.view());
        let same = |((a, b), m): ((&f32, &f32), &f32)| *m == 0.0 || (a - b).abs() < 1e-5;
        assert!(back.iter().zip(&data.peaks).zip(&mask).all(same));

        let mut unlabelled = data;
        unlabelled.peaks.fill(f32::NAN);
        let config = config(Encoding::Standard, SignalScaling::Global);
        let scalers = Scalers::fit(&unlabelled, &config, &ROWS).unwrap().0;
        assert_eq!((scalers.peaks, scalers.unlabelled_peaks().len()), ([None; 6], 6));
        assert_eq!(scalers.encode_peaks(dataset(8, 4).peaks.view()).1.sum(), 0.0);
        assert!(scalers.decode_peaks(values.view()).iter().all(|v| v.is_nan()));
    }

    #[test]
    fn flat_traces_are_refused() {
        let mut data = dataset(8, 4);
        data.signals.fill(0.1);
        for scaling in [SignalScaling::Global, SignalScaling::PerTrace] {
            let message = Scalers::fit(&data, &config(Encoding::Log, scaling), &ROWS).unwrap_err().to_string();
            assert!(message.contains("flat"), "{message}");
        }
    }

    #[test]
    fn the_width_is_held_against_the_model() {
        let scalers = fitted(Encoding::Standard, SignalScaling::Global);
        assert!(scalers.check_static_dim(3).is_ok());
        let message = scalers.check_static_dim(7).unwrap_err().to_string();
        for part in ["is 7", "make 3 inputs", "level_db, ear (one-hot: L, R)", "set model.static_dim to 3"] {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    }
}
