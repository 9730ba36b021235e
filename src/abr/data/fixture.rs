//! A small data set for the tests of this module.

use super::{Column, Dataset, GroundTruths, Values, WAVES};
use ndarray::Array2;

/// `rows` rows of 5 samples, with subjects in turn, a number column `level_db` (20, 30, …) and a text column `ear` (L,
/// R).
pub fn dataset(rows: usize, subjects: usize) -> Dataset {
    let wave = |scale: f32| Array2::from_shape_fn((rows, 5), |(r, i)| scale * ((r * 5 + i) as f32 * 0.7).sin());
    let mut peaks = Array2::from_shape_fn((rows, 6), |(r, p)| p as f32 + r as f32 * 0.1);
    peaks[[rows - 1, 3]] = f32::NAN;
    let mut latencies_ms = Array2::from_shape_fn((rows, WAVES.len()), |(r, w)| w as f32 + r as f32 * 0.01);
    latencies_ms[[0, 6]] = f32::NAN;
    let column = |name: &str, values| Column { name: name.into(), values };
    Dataset {
        source: "fixture".into(),
        signals: wave(0.3),
        sample_rate_hz: 24_414.062_5,
        t0_ms: -0.1,
        conditions: vec![
            column("level_db", Values::Number((0..rows).map(|r| 20.0 + 10.0 * (r % 7) as f64).collect())),
            column("ear", Values::Text((0..rows).map(|r| ["L", "R"][r % 2].to_string()).collect())),
        ],
        peaks,
        subjects: (0..rows).map(|r| format!("S{:03}", r % subjects)).collect(),
        averages: vec![f32::NAN; rows],
        ground_truth: Some(GroundTruths { signals: wave(0.25), latencies_ms }),
    }
}
