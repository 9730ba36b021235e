use super::*;
use crate::config::{ColumnEncoding, ConditionColumn};
use crate::data::Values;
use crate::data::fixture::dataset;

const ROWS: [usize; 6] = [0, 1, 2, 4, 5, 6];

fn config(level: ColumnEncoding, scaling: SignalScaling) -> DataConfig {
    DataConfig {
        static_columns: vec![
            ConditionColumn::encoded("level_db", level),
            ConditionColumn::encoded("ear", ColumnEncoding::OneHot),
        ],
        signal_scaling: scaling,
        ..DataConfig::default()
    }
}

fn fitted(level: ColumnEncoding, scaling: SignalScaling) -> Scalers {
    Scalers::fit(&dataset(8, 4), &config(level, scaling), &ROWS).unwrap().0
}

#[test]
fn training_rows_alone_are_seen() {
    let clean = dataset(8, 4);
    let mut poisoned = clean.clone();
    for row in [3, 7] {
        poisoned.signals.row_mut(row).fill(1e6);
        poisoned.peaks.row_mut(row).fill(1e6);
        for column in &mut poisoned.conditions {
            match &mut column.values {
                Values::Number(values) => values[row] = -1e6,
                Values::Text(values) => values[row] = "poison".into(),
            }
        }
    }
    for scaling in [SignalScaling::Global, SignalScaling::PerTrace] {
        // means, deviations, quantiles, and the median that replaces missing values
        let (clip_statics, impute_statics) = (Some([0.1, 0.9]), vec!["level_db".to_string()]);
        let config = DataConfig { clip_statics, impute_statics, ..config(ColumnEncoding::Log, scaling) };
        let fit = |data: &Dataset, rows: &[usize]| Scalers::fit(data, &config, rows).map(|(scalers, _)| scalers);
        let fitted = fit(&poisoned, &ROWS).unwrap();
        assert_eq!(fitted, fit(&clean, &ROWS).unwrap());
        // levels 20, 30, 40, 60, 70, 80
        assert_eq!((fitted.conditions[0].clip, fitted.conditions[0].missing), (Some([25.0, 75.0]), Some(50.0)));
        assert!(fit(&poisoned, &[0, 1, 3]).is_err(), "a poisoned row would have been noticed");
    }
}

#[test]
fn inputs_are_named_by_their_columns() {
    let scalers = fitted(ColumnEncoding::Standard, SignalScaling::Global);
    let ears = scalers.condition_dim() - 1;
    assert!(ears > 1, "several ears");
    assert_eq!(scalers.input_columns(), [vec!["level_db"], vec!["ear"; ears]].concat());
}

#[test]
fn scalers_survive_json_bit_for_bit() {
    for scaling in [SignalScaling::Global, SignalScaling::PerTrace] {
        let scalers = fitted(ColumnEncoding::Log, scaling);
        let text = serde_json::to_string(&scalers).unwrap();
        assert_eq!(serde_json::from_str::<Scalers>(&text).unwrap(), scalers, "{text}");
    }
}

#[test]
fn global_signals_are_standardised_and_come_back() {
    let data = dataset(8, 4);
    let scalers = fitted(ColumnEncoding::Standard, SignalScaling::Global);
    let (encoded, of_traces) = scalers.encode_signals(data.signals.view());
    let trained = encoded.select(ndarray::Axis(0), &ROWS);
    let all = MeanAndStd::of(trained.iter().map(|&v| f64::from(v))).unwrap();
    // f32 rounding of 30 values near 1
    assert!(all.mean.abs() < 1e-6 && (all.std - 1.0).abs() < 1e-6, "{all:?}");
    for mean_and_std in [None, Some(&of_traces[..])] {
        let back = scalers.decode_signals(encoded.view(), mean_and_std);
        // values near 1, rounded to f32 a few times
        assert!(back.iter().zip(&data.signals).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn per_trace_signals_come_back_by_their_own_mean_and_deviation_and_drawn_ones_by_the_median() {
    let mut data = dataset(8, 4);
    data.signals.row_mut(5).mapv_inplace(|v| 100.0 * v + 7.0);
    data.signals.row_mut(6).fill(3.0);
    let config = config(ColumnEncoding::Standard, SignalScaling::PerTrace);
    let scalers = Scalers::fit(&data, &config, &ROWS).unwrap().0;
    let (encoded, of_traces) = scalers.encode_signals(data.signals.view());
    let loud = MeanAndStd::of(encoded.row(5).iter().map(|&v| f64::from(v))).unwrap();
    // f32 rounding of values near 1, as above
    assert!(loud.mean.abs() < 1e-6 && (loud.std - 1.0).abs() < 1e-6, "{loud:?}");
    assert!(encoded.row(6).iter().all(|v| *v == 0.0));
    let back = scalers.decode_signals(encoded.view(), Some(&of_traces));
    // the loud trace reaches 37 µV, where 1e-5 is a few f32 roundings
    assert!(back.iter().zip(&data.signals).all(|(a, b)| (a - b).abs() < 1e-5));

    let drawn = scalers.decode_signals(encoded.slice(ndarray::s![5..6, ..]), None);
    let amplitude = MeanAndStd::of(drawn.iter().map(|&v| f64::from(v))).unwrap().std;
    // the deviation of the loud trace is a hundred times that of the others
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
    let scalers = fitted(ColumnEncoding::Standard, SignalScaling::Global);
    let (values, mask) = scalers.encode_peaks(data.peaks.view());
    assert_eq!((values[[7, 3]], mask[[7, 3]], mask.sum()), (0.0, 0.0, 47.0));
    let back = scalers.decode_peaks(values.view());
    let same = |((a, b), m): ((&f32, &f32), &f32)| *m == 0.0 || (a - b).abs() < 1e-5;
    assert!(back.iter().zip(&data.peaks).zip(&mask).all(same));

    let mut unlabelled = data;
    unlabelled.peaks.fill(f32::NAN);
    let config = config(ColumnEncoding::Standard, SignalScaling::Global);
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
        let message = Scalers::fit(&data, &config(ColumnEncoding::Log, scaling), &ROWS).unwrap_err().to_string();
        assert!(message.contains("flat"), "{message}");
    }
}

#[test]
fn the_width_is_held_against_the_model() {
    let scalers = fitted(ColumnEncoding::Standard, SignalScaling::Global);
    assert!(scalers.check_condition_dim(3).is_ok());
    let message = scalers.check_condition_dim(7).unwrap_err().to_string();
    for part in ["is 7", "make 3 inputs", "level_db, ear (one-hot: L, R)", "set model.static_dim to 3"] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}
