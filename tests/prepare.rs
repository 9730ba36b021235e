//! Compares filters and resampling with SciPy's results for the same traces (`tests/fixtures/scipy/record.py`).

#![cfg(feature = "abr")]

use abr_film::data::prepare::butterworth::{Butterworth, PassBand};
use abr_film::data::prepare::resample::Resampler;
use serde::Deserialize;

#[derive(Deserialize)]
struct ScipyResults {
    filters: Vec<Filter>,
    resamplers: Vec<Resampling>,
}

#[derive(Deserialize)]
struct Filter {
    kind: String,
    order: usize,
    edges_hz: Vec<f64>,
    rate_hz: f64,
    x: Vec<f64>,
    y: Vec<f64>,
    at_hz: Vec<f64>,
    gain: Vec<f64>,
}

#[derive(Deserialize)]
struct Resampling {
    from_hz: f64,
    to_hz: f64,
    up: usize,
    down: usize,
    x: Vec<f64>,
    y: Vec<f64>,
}

/// The traces reach 12 µV. The poles of the steepest filter lie 1e-3 from the unit circle, so each pass amplifies f64's
/// rounding of 1e-15 by some thousands.
const FILTER_TOLERANCE: f64 = 1e-9;
/// Sums of at most 200 weighted samples: about a hundred f64 roundings.
const RESAMPLE_TOLERANCE: f64 = 1e-11;

fn recorded() -> ScipyResults {
    serde_json::from_str(include_str!("fixtures/scipy/scipy.json")).expect("the fixture")
}

fn worst(ours: &[f64], theirs: &[f64]) -> f64 {
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn butterworth_filters_are_scipys() {
    let cases = recorded().filters;
    assert_eq!(cases.len(), 10);
    for case in cases {
        let band = match (case.kind.as_str(), &case.edges_hz[..]) {
            ("bandpass", &[low_hz, high_hz]) => PassBand::Between(low_hz, high_hz),
            ("lowpass", &[hz]) => PassBand::Below(hz),
            ("highpass", &[hz]) => PassBand::Above(hz),
            other => panic!("an unknown filter: {other:?}"),
        };
        let filter = Butterworth::new(case.order, band, case.rate_hz);
        let gain: Vec<f64> = case.at_hz.iter().map(|&hz| filter.gain(hz, case.rate_hz)).collect();
        let mut y = case.x.clone();
        filter.zero_phase(&mut y);
        let (of_gain, of_trace) = (worst(&gain, &case.gain), worst(&y, &case.y));
        println!("order {} {band:?}: gain {of_gain:.1e}, trace {of_trace:.1e} µV", case.order);
        assert_eq!(y.len(), case.y.len());
        assert!(of_gain < FILTER_TOLERANCE, "order {} {band:?}: {gain:?}, wanted {:?}", case.order, case.gain);
        assert!(of_trace < FILTER_TOLERANCE, "order {} {band:?}: {of_trace}", case.order);
    }
}

#[test]
fn resampling_is_scipys_with_the_same_filter() {
    let cases = recorded().resamplers;
    assert_eq!(cases.len(), 5);
    for case in cases {
        let resampler = Resampler::new(case.from_hz, case.to_hz, 0.0).expect("a ratio of whole numbers");
        assert_eq!(resampler.ratio(), (case.up, case.down));
        let y = resampler.apply(&case.x, resampler.count(case.x.len()));
        let error = worst(&y, &case.y);
        println!("{} Hz to {} Hz: {error:.1e} µV", case.from_hz, case.to_hz);
        assert!(error < RESAMPLE_TOLERANCE, "{} to {}: {error}", case.from_hz, case.to_hz);
        // SciPy also returns samples after the last recorded one; this resampler does not
        let fits = |samples: usize| (samples - 1) * case.down <= (case.x.len() - 1) * case.up;
        assert!(fits(y.len()) && !fits(y.len() + 1) && y.len() <= case.y.len(), "{} samples", y.len());
    }
}
