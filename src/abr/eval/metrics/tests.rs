use super::*;
use ndarray::{Array2, array};

fn near(a: f64, b: f64) -> bool {
    // f64 sums of up to a thousand numbers about 1: 1000 * 2^-53 = 1e-13
    (a - b).abs() < 1e-12
}

/// Scattered values, the same in every run.
fn scattered(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(i, j)| ((i * 31 + j * 17 + i * j) as f32).sin())
}

#[test]
fn the_errors_of_a_trace_by_hand() {
    // differences 1, 0, -1, 0; Σ(r - 1.5)² = 5; e has the same mean and deviations -0.5, -0.5, -0.5, 1.5
    let errors = TraceErrors::of(array![[1.0, 1.0, 1.0, 3.0]].view(), array![[0.0, 1.0, 2.0, 3.0]].view());
    let [trace] = errors.traces[..] else { panic!("one row") };
    let wanted = [0.5, 0.5, 0.5_f64.sqrt(), 3.0 / (3.0_f64 * 5.0).sqrt(), 1.0 - 2.0 / 5.0];
    assert_eq!(MEASURES.map(|measure| measure.key), ["mse_uv2", "mae_uv", "rmse_uv", "pearson_r", "r2"]);
    assert!(trace.iter().zip(wanted).all(|(a, b)| near(*a, b)), "{trace:?} is not {wanted:?}");
    assert!(errors.pooled_r2.is_nan(), "one row is its own mean trace");
}

#[test]
fn the_perfect_estimate_explains_everything_and_the_mean_trace_nothing_when_pooled() {
    let reference = scattered(40, 20);
    let perfect = TraceErrors::of(reference.view(), reference.view());
    let [.., r2] = perfect.summary().spreads;
    assert_eq!((r2, perfect.pooled_r2), (Spread { mean: 1.0, median: 1.0 }, 1.0));
    assert!(perfect.traces.iter().all(|[mse, _, _, r, _]| near(*r, 1.0) && *mse == 0.0));

    let mean = reference.mean_axis(Axis(0)).unwrap();
    let means = Array2::from_shape_fn(reference.raw_dim(), |(_, j)| mean[j]);
    let pooled = TraceErrors::of(means.view(), reference.view()).pooled_r2;
    assert!(pooled.abs() < 1e-6, "{pooled}"); // the mean is rounded to f32
    assert!(near(explained_variance(means.view(), reference.view(), mean.view()), 0.0));
    assert_eq!(explained_variance(reference.view(), reference.view(), mean.view()), 1.0);
}

#[test]
fn pearson_ignores_gain_and_offset_and_r2_does_not() {
    let reference = scattered(5, 30);
    let turned = reference.mapv(|v| 3.0 - 2.0 * v);
    for trace @ [.., r, r2] in TraceErrors::of(turned.view(), reference.view()).traces {
        // the traces are f32: r is off by the square of their rounding, 2^-48, times a few
        assert!((r + 1.0).abs() < 1e-9 && r2 < 0.0, "{trace:?}");
    }
}

#[test]
fn flat_traces_are_left_out_and_counted() {
    let reference = array![[0.0, 1.0], [2.5, 2.5], [0.0, 2.0]];
    let estimate = array![[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]]; // the last estimate is flat, its reference is not
    let summary = TraceErrors::of(estimate.view(), reference.view()).summary();
    assert_eq!((summary.rows, summary.left_out), (3, [0, 0, 0, 2, 1]));
    let [mse, .., r, r2] = summary.spreads;
    assert_eq!(r, Spread { mean: 1.0, median: 1.0 });
    assert_eq!(r2, Spread { mean: 0.5, median: 0.5 });
    let [a, b, c] = [0.0, (6.25 + 2.25) / 2.0, 1.0];
    assert_eq!(mse, Spread { mean: (a + b + c) / 3.0, median: c });
    let json = serde_json::to_value(summary).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let measures = ["mse_uv2", "mae_uv", "rmse_uv", "pearson_r", "r2"];
    assert_eq!(keys, [&["rows"], &measures[..], &["pooled_r2", "rows_without_r", "rows_without_r2"]].concat());
    assert_eq!((&json["r2"]["mean"], &json["rows_without_r"]), (&0.5.into(), &2.into()));
}

#[test]
fn a_spread_takes_the_middle_and_of_nothing_is_nan() {
    assert_eq!(Spread::of(vec![9.0, 1.0, 2.0]), Spread { mean: 4.0, median: 2.0 });
    assert_eq!(Spread::of(vec![9.0, 1.0, 2.0, 4.0]), Spread { mean: 4.0, median: 3.0 });
    let none = Spread::of(vec![]);
    assert!(none.mean.is_nan() && none.median.is_nan());
    assert_eq!(serde_json::to_string(&none).unwrap(), r#"{"mean":null,"median":null}"#);
}

#[test]
fn explained_variance_by_hand_is_pooled_over_rows() {
    let reference = array![[1.0, 3.0], [0.0, 0.0]];
    let estimate = array![[1.0, 2.0], [0.0, 1.0]];
    // errors 1 + 1; around the training mean (0, 1): 1 + 4 + 0 + 1
    let share = explained_variance(estimate.view(), reference.view(), array![0.0, 1.0].view());
    assert!(near(share, 1.0 - 2.0 / 6.0), "{share}");
}

#[test]
fn latent_units_by_hand() {
    // unit 0 equals the prior; unit 1 has mu ±1 and variance 1: KL 1/2; unit 2 is off-centre but constant: KL 0.02, no
    // activity
    let mu = array![[0.0, 1.0, 0.2], [0.0, -1.0, 0.2]];
    let units = LatentUnits::of(mu.view(), Array2::zeros((2, 3)).view());
    // 0.2 is an f32, off by 3e-9, and half of its square by 6e-10
    assert!(units.kl_nats.iter().zip([0.0, 0.5, 0.02]).all(|(kl, wanted)| (kl - wanted).abs() < 1e-7));
    assert_eq!(units.activity, [0.0, 1.0, 0.0]);
    assert_eq!(units.active_units, 1);
    assert!((units.total_kl_nats - 0.52).abs() < 1e-7);

    // a narrow posterior at the prior's mean: -1/2 (1 - 2 - exp(-2))
    let narrow = LatentUnits::of(array![[0.0]].view(), array![[-2.0]].view());
    assert!(near(narrow.total_kl_nats, 0.5 * (1.0 + (-2.0_f64).exp())));
}

#[test]
fn the_errors_of_a_numeric_column_are_in_its_units() {
    let column = |values: &[f64]| Column { name: "level_db".into(), values: Values::Number(values.to_vec()) };
    let errors = ColumnErrors::of(&column(&[40.0, 60.0, 80.0]), &column(&[43.0, 60.0, 79.0]));
    let ValueErrors::Number { mae, rmse, bias, r2 } = errors.errors else { panic!("{errors:?}") };
    assert!(near(mae, 4.0 / 3.0) && near(rmse, (10.0_f64 / 3.0).sqrt()) && near(bias, 2.0 / 3.0));
    assert!(near(r2, 1.0 - 10.0 / 800.0), "{r2}");
    assert_eq!((errors.name.as_str(), errors.rows), ("level_db", 3));

    let constant = ColumnErrors::of(&column(&[60.0, 60.0]), &column(&[61.0, 60.0]));
    let json = serde_json::to_value(&constant).unwrap();
    assert_eq!((&json["kind"], &json["mae"], &json["r2"]), (&"number".into(), &0.5.into(), &serde_json::Value::Null));
}

#[test]
fn the_accuracy_of_a_text_column_is_the_share_read_right() {
    let column =
        |values: [&str; 4]| Column { name: "ear".into(), values: Values::Text(values.map(String::from).to_vec()) };
    let errors = ColumnErrors::of(&column(["l", "r", "l", "r"]), &column(["l", "r", "r", "r"]));
    assert_eq!(errors.errors, ValueErrors::Text { accuracy: 0.75 });
}

#[test]
fn peak_errors_count_the_labelled_rows_only() {
    let mut labelled = Array2::from_elem((3, 6), f32::NAN);
    let mut predicted = Array2::from_elem((3, 6), 9.0);
    labelled[[0, 2]] = 5.5;
    labelled[[2, 2]] = 6.0;
    predicted[[0, 2]] = 5.75;
    predicted[[2, 2]] = 5.5;
    let errors = PeakErrors::of(predicted.view(), labelled.view());
    assert_eq!(errors[2], PeakErrors { label: "peak_v_ms", count: 2, mae: 0.375, bias: -0.125 });
    assert_eq!((errors[5].label, errors[5].count), ("peak_v_uv", 0));
    assert!(errors[5].mae.is_nan());
}
