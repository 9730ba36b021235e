use super::*;
use crate::config::{Baseline, DataConfig, Span, Unit, Whole, Window};
use crate::data::fixture::dataset;
use crate::data::read::{Notices, Recordings};
use crate::data::{Assumptions, Dataset, Recording, assemble};
use proptest::prelude::*;
use std::f64::consts::PI;

const LENGTH: usize = 200;

/// A typical preparation of a raw recording at 24.414 kHz.
fn usual() -> PrepareConfig {
    PrepareConfig {
        polarity: -1,
        baseline: Some(Baseline::Between(Span { from_ms: -1.0, to_ms: 0.0 })),
        band_pass: Some(BandPass { low_hz: Some(300.0), high_hz: Some(3000.0), order: 2 }),
        sample_rate_hz: Some(20_000.0),
        window: Some(Window { from_ms: 0.0, to_ms: Some(10.0) }),
    }
}

fn axis(sample_rate_hz: f64, t0_ms: f64) -> TimeAxis {
    TimeAxis { sample_rate_hz, t0_ms }
}

/// An inverted tone burst around 5 ms, on an offset, a mains hum and a high-frequency tone.
fn recording(samples: usize, axis: TimeAxis) -> Vec<f32> {
    let value = |i: usize| {
        let ms = axis.t0_ms + i as f64 * 1000.0 / axis.sample_rate_hz;
        let hum = 3.0 * (2.0 * PI * 0.05 * ms).sin();
        let whistle = 0.5 * (2.0 * PI * 9.0 * ms).sin();
        (20.0 + hum + whistle - burst(ms)) as f32
    };
    (0..samples).map(value).collect()
}

fn burst(ms: f64) -> f64 {
    (-((ms - 5.0) / 1.5).powi(2)).exp() * (2.0 * PI * (ms - 5.0)).cos()
}

#[test]
fn a_response_is_found_where_and_as_it_was_whatever_the_recorder() {
    for (samples, axis) in
        [(400, axis(24_414.062_5, -2.0)), (1500, axis(100_000.0, -1.5)), (300, axis(20_000.0, -1.013))]
    {
        let made = Preparation::new(&usual(), LENGTH).apply(&recording(samples, axis), axis).unwrap();
        assert_eq!((made.samples.len(), made.axis), (LENGTH, TimeAxis { sample_rate_hz: 20_000.0, t0_ms: 0.0 }));
        // both passes of the filter together keep 0.97 at 1 kHz, and 0.003 of a hum of 3 µV at 50 Hz
        let wanted = |i: usize| burst(i as f64 * 0.05);
        let worst = (20..180).map(|i| (f64::from(made.samples[i]) - wanted(i)).abs()).fold(0.0, f64::max);
        assert!(worst < 0.06, "{worst} µV beside a response of 1 µV, {axis:?}");
    }
}

#[test]
fn each_step_counts() {
    let axis = axis(24_414.062_5, -2.0);
    let recording = recording(400, axis);
    let all = Preparation::new(&usual(), LENGTH).apply(&recording, axis).unwrap();
    let without: [fn(&mut PrepareConfig); 5] = [
        |c| c.polarity = 1,
        |c| c.baseline = None,
        |c| c.band_pass = None,
        |c| (c.sample_rate_hz, c.window) = (None, c.window.map(|w| Window { to_ms: None, ..w })),
        |c| c.window = None,
    ];
    for (i, change) in without.into_iter().enumerate() {
        let mut config = usual();
        change(&mut config);
        // the band-pass removes the offset, so the baseline changes nothing after it
        if i == 1 {
            config.band_pass = None;
        }
        let made = Preparation::new(&config, LENGTH).apply(&recording, axis).unwrap();
        let difference = made.samples.iter().zip(&all.samples).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference > 0.1, "step {i}: {difference}");
    }
}

#[test]
fn off_takes_the_first_samples_as_they_are() {
    let axis = axis(24_414.062_5, -2.0);
    let mut off = Preparation::new(&PrepareConfig::default(), 5);
    assert!(off.is_off() && !Preparation::new(&usual(), 5).is_off());
    let made = off.apply(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], axis).unwrap();
    assert_eq!((made.samples, made.axis), (vec![0.1, 0.2, 0.3, 0.4, 0.5], axis));
}

#[test]
fn recordings_that_cannot_be_prepared() {
    let mut preparation = Preparation::new(&usual(), LENGTH);
    let mut refused = |samples: usize, axis: TimeAxis, part: &str| {
        let refusal = preparation.apply(&recording(samples, axis), axis).unwrap_err();
        assert!(refusal.problem.contains(part) && !refusal.remedy.is_empty(), "{part:?} is not in {refusal:?}");
    };
    refused(400, axis(24_414.062_5, 0.0), "the baseline from -1 to 0 ms is not recorded");
    refused(100, axis(6000.0, -2.0), "at a sample rate of 6000 Hz it contains nothing above 3000 Hz");
    refused(15, axis(7000.0, -2.0), "15 samples are too few for the band-pass, which needs 16");
    refused(250, axis(24_414.062_5, -2.0), "the window is not recorded");
    refused(0, axis(24_414.062_5, -2.0), "is not recorded");
}

#[test]
fn a_simulated_recording_is_as_long_as_is_needed_and_no_longer() {
    let mut config = PrepareConfig { baseline: None, ..usual() };
    for rate in [20_000.0, 24_414.062_5, 100_000.0] {
        for from_ms in [0.0, 1.0, 2.02] {
            config.window = Some(Window { from_ms, to_ms: None });
            let axis = axis(rate, 0.0);
            let mut preparation = Preparation::new(&config, LENGTH);
            let length = preparation.recorded_length(axis);
            assert!(preparation.apply(&recording(length, axis), axis).is_ok(), "{length} at {rate} from {from_ms}");
            assert!(
                preparation.apply(&recording(length - 2, axis), axis).is_err(),
                "{length} at {rate} from {from_ms}"
            );
        }
    }
    assert_eq!(Preparation::new(&PrepareConfig::default(), LENGTH).recorded_length(axis(20_000.0, 0.0)), LENGTH);
}

/// An in-memory data set, prepared for a model of two samples.
fn prepared(data: &Dataset, config: &DataConfig) -> crate::error::Result<(Dataset, RowReport)> {
    let rows = data.recordings(&[]).into_iter().map(Ok);
    let recordings = Recordings::new("fixture", true, Notices::default(), Box::new(rows));
    let mut rows = PreparedRows::new(recordings, config, 2);
    let made = assemble(&mut rows, config)?;
    Ok((made, rows.finish().0))
}

#[test]
fn a_data_set_in_memory_is_filtered_prepared_and_its_labels_masked() {
    let data = dataset(6, 2);
    let json = r#"{"filters": [{"column": "level_db", "max": 60}, {"column": "subject_id", "equals": ["S001"]}],
        "prepare": {"polarity": -1, "window": {"from_ms": 0}}}"#;
    let mut config: DataConfig = serde_json::from_str(json).unwrap();
    config.static_columns.clear();
    let (made, report) = prepared(&data, &config).unwrap();
    // levels 20 to 60 and 70; among the first five rows, the second and the fourth are of S001
    assert_eq!(report.filters.iter().map(|c| c.left_out).collect::<Vec<_>>(), [1, 3]);
    assert_eq!((made.subjects.len(), made.signals.dim()), (2, (2, 2)));
    // 0.1 ms is 2.4 samples, so the third sample of each row is the nearest to 0
    assert_eq!(made.signals[[0, 0]], -data.signals[[1, 2]]);
    assert_eq!(made.ground_truth.unwrap().signals[[1, 1]], -data.ground_truth.unwrap().signals[[3, 3]]);
    assert!((made.t0_ms - (2.0 / 24.414_062_5 - 0.1)).abs() < 1e-12);
    // labels lie at 0.1 + 0, 1, 2 ms and so on, none within 0.08 ms
    assert_eq!(report.labels.masked, 6);
    assert!(made.peaks.iter().all(|label| label.is_nan()));

    let refused = |filters: &str, part: &str| {
        let mut config: DataConfig = serde_json::from_str(&format!(r#"{{"filters": [{filters}]}}"#)).unwrap();
        config.static_columns.clear();
        let message = prepared(&dataset(6, 2), &config).unwrap_err().to_string();
        assert!(message.contains(part), "{part:?} is not in: {message}");
    };
    refused(r#"{"column": "levl_db", "max": 60}"#, "is it `level_db`?");
    refused(r#"{"column": "level_db", "max": 6}"#, "leave no row: filter level_db to 6: 6 rows left out");
    refused(r#"{"column": "ear", "max": 6}"#, "row 1, column `ear`: \"L\" is not a number");
}

#[test]
fn what_was_prepared_is_known_by_its_words_alone() {
    let mut whole = usual();
    (whole.baseline, whole.band_pass) = (Some(Baseline::Whole(Whole::Mean)), None);
    let polarity = PrepareConfig { polarity: -1, ..PrepareConfig::default() };
    for prepare in [usual(), whole, polarity] {
        // 400 samples at 24.414 kHz; a lab's own column is renamed
        for own in ["", "2023-01-05", "yes", "polarity", "filter=300-3000 Hz", "polarity=-1; by hand"] {
            let axis = axis(24_414.062_5, -2.0);
            let mut raw = Recording::new(recording(400, axis));
            (raw.sample_rate_hz, raw.t0_ms) = (Some(axis.sample_rate_hz), Some(axis.t0_ms));
            raw.add_column("prepared", own);
            assert_eq!(preparation_of(&raw), None, "{own}");
            let config = DataConfig { prepare: prepare.clone(), unit: Some(Unit::Millivolt), ..DataConfig::default() };
            let set = |recording: Recording| {
                let rows = Box::new(std::iter::once(Ok(recording)));
                Assumptions::of(&config).apply(Recordings::new("fixture", true, Notices::default(), rows))
            };
            let mut rows = PreparedRows::new(set(raw), &config, LENGTH);
            let made = rows.next().unwrap().unwrap();
            assert!(preparation_of(&made).is_some(), "{made:?}");
            assert_eq!(made.column("file_prepared"), Some(own).filter(|own| !own.is_empty()));
            let (report, notices) = rows.finish();
            assert!(report.prepared_before == 0 && !notices.concat().contains("prepared already"), "{notices:?}");
            // a second preparation applies neither the unit nor a step
            let mut rows = PreparedRows::new(set(made.clone()), &config, LENGTH);
            assert_eq!(rows.next().unwrap().unwrap().samples, made.samples);
            assert!(rows.next().is_none());
            let (report, notices) = rows.finish();
            assert_eq!(report.prepared_before, 1);
            assert!(notices[0].contains("1 rows were prepared already, and are in µV: --unit"), "{notices:?}");
        }
    }
}

#[test]
fn labels_within_the_window_stay() {
    let (mut labels, axis) = (Labels::default(), axis(20_000.0, 1.0));
    let mut peaks = [0.9, 1.0, 10.99, 0.1, f32::NAN, 0.3];
    labels.mask(&mut peaks, &axis, 200);
    assert!(peaks[0].is_nan() && peaks[3].is_nan() && labels.masked == 1);
    assert_eq!((peaks[1], peaks[2], peaks[5]), (1.0, 10.99, 0.3));
    labels.mask(&mut peaks, &axis, 200);
    assert_eq!(labels.masked, 1, "a label is masked once");
}

#[test]
fn ends_are_reflected_at_the_outer_samples() {
    assert_eq!(odd_extension(&[1.0, 2.0, 4.0], 2), [-2.0, 0.0, 1.0, 2.0, 4.0, 6.0, 7.0]);
    let line: Vec<f64> = (-9..=10).map(f64::from).collect();
    assert_eq!(odd_extension(&[0.0, 1.0], 9), line);
    assert_eq!(odd_extension(&[3.0], 2), [3.0; 5]);
    assert_eq!(odd_extension(&[], 1), [0.0; 2]);
}

/// Random tables under random configurations that pass the check.
fn any_preparation() -> impl Strategy<Value = PrepareConfig> {
    let rate = prop_oneof![Just(20_000.0), 1e-3..1e6];
    let span =
        (-20.0..20.0, 1e-3..20.0).prop_map(|(from_ms, ms)| Baseline::Between(Span { from_ms, to_ms: from_ms + ms }));
    let hz = || proptest::option::of(-6.0..6.0_f64);
    let band = (hz(), hz(), 1_usize..=12).prop_filter_map("an empty band", |(low, ratio, order)| {
        let low_hz = low.map(|exponent| 10_f64.powf(exponent));
        let high_hz = ratio.map(|exponent| low_hz.map_or(10_f64.powf(exponent), |low| low * (1.001 + exponent.abs())));
        (low_hz.is_some() || high_hz.is_some()).then_some(BandPass { low_hz, high_hz, order })
    });
    let window = (-20.0..20.0).prop_map(|from_ms| Window { from_ms, to_ms: None });
    let option = proptest::option::of::<BoxedStrategy<Window>>;
    (
        any::<bool>(),
        proptest::option::of(span),
        proptest::option::of(band),
        proptest::option::of(rate),
        option(window.boxed()),
    )
        .prop_map(|(up, baseline, band_pass, sample_rate_hz, window)| PrepareConfig {
            polarity: if up { 1 } else { -1 },
            baseline,
            band_pass,
            sample_rate_hz,
            window,
        })
}

proptest! {
    #[test]
    fn every_recording_is_prepared_or_refused(
        config in any_preparation(), rate in prop_oneof![Just(24_414.062_5), 1e-3..1e7], t0_ms in -30.0..30.0,
        samples in 0_usize..400, length in 1_usize..100, size in 0.0_f32..1e9,
    ) {
        let axis = axis(rate, t0_ms);
        let recording: Vec<f32> = (0..samples).map(|i| size * (0.37 * (i * i) as f32).sin()).collect();
        match Preparation::new(&config, length).apply(&recording, axis) {
            Ok(made) => {
                prop_assert_eq!(made.samples.len(), length);
                prop_assert!(made.samples.iter().all(|v| v.is_finite()));
                prop_assert!(made.axis.sample_rate_hz > 0.0 && made.axis.t0_ms.is_finite());
            }
            Err(refusal) => prop_assert!(!refusal.problem.is_empty() && !refusal.remedy.is_empty()),
        }
    }
}
