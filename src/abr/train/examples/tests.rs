use super::*;
use crate::data::Column;
use crate::data::fixture::dataset;
use crate::purpose;

const STEPS: u32 = 300;

/// 90 rows in cells of two or three (see the fixture); the 40 samples of a row equal its number.
fn examples(change: impl Fn(&mut crate::config::TrainingConfig)) -> Examples {
    let mut config = Config::default();
    change(&mut config.training);
    let mut data = dataset(90, 3);
    data.signals = ndarray::Array2::from_shape_fn((90, 40), |(row, i)| row as f32 + 0.01 * (0.4 * i as f32).sin());
    let rows: Vec<usize> = (0..90).collect();
    Examples::new(&config, &data, &rows, encoded(&data))
}

/// Only the signals, not scaled.
fn encoded(data: &Dataset) -> EncodedRows {
    let rows = data.signals.nrows();
    EncodedRows {
        signal: data.signals.clone(),
        condition: ndarray::Array2::zeros((rows, 1)),
        peaks: ndarray::Array2::zeros((rows, 6)),
        peak_mask: ndarray::Array2::zeros((rows, 6)),
        target: None,
    }
}

/// Inputs and targets of one row over many steps.
fn draw(examples: &mut Examples, row: usize) -> Vec<(Vec<f32>, Vec<f32>)> {
    let mut into = BatchRows::default();
    let draw = |step: u32| {
        examples.gather([3, row].into_iter(), Stream::new(1, purpose::EXAMPLE, 0).at(step), &mut into);
        let target = if into.target.is_empty() { Vec::new() } else { into.target[40..].to_vec() };
        (into.signal[40..].to_vec(), target)
    };
    (0..STEPS).map(draw).collect()
}

#[test]
fn nothing_is_changed_by_default() {
    let mut examples = examples(|_| {});
    assert_eq!(examples.with_siblings(), None);
    let row = examples.rows.signal.row(7).to_vec();
    assert!(draw(&mut examples, 7).iter().all(|(signal, target)| *signal == row && target.is_empty()));
}

#[test]
fn a_sibling_is_any_other_row_of_the_cell() {
    let mut examples = examples(|t| t.target = ReconstructionTarget::Sibling);
    assert_eq!(examples.with_siblings(), Some(90));
    // 5, 47 and 89 are one cell
    let drawn = draw(&mut examples, 47);
    let rows = |at: fn(&(Vec<f32>, Vec<f32>)) -> f32| drawn.iter().map(|d| at(d).round() as i32).collect::<Vec<_>>();
    assert!(rows(|d| d.0[0]).iter().all(|row| *row == 47));
    let targets = rows(|d| d.1[0]);
    let of = |row: i32| targets.iter().filter(|target| **target == row).count();
    assert_eq!(of(5) + of(89), STEPS as usize);
    // five standard errors
    assert!((of(5) as f64 - 150.0).abs() < 5.0 * (300.0_f64 / 4.0).sqrt(), "{}", of(5));
}

#[test]
fn inputs_are_means_that_leave_the_target_out() {
    let mut examples = examples(|t| (t.target, t.input_recordings) = (ReconstructionTarget::Sibling, 3));
    let mut seen = std::collections::BTreeSet::new();
    for (signal, target) in draw(&mut examples, 47) {
        seen.insert(((2.0 * signal[0]).round() as i32, target[0].round() as i32));
    }
    // 47 alone, or its mean with the row that is not the target: twice the mean is 47 + 5 or 47 + 89
    assert_eq!(Vec::from_iter(seen), [(52, 89), (94, 5), (94, 89), (136, 5)]);
    // in a cell of two, one row is the input and the other the target
    assert!(draw(&mut examples, 10).iter().all(|(s, t)| s[0].round() == 10.0 && t[0].round() == 52.0));
    examples.target = ReconstructionTarget::Same;
    let all: Vec<f32> = draw(&mut examples, 47).iter().map(|(signal, _)| signal[0].round()).collect();
    assert!(all.contains(&47.0) && all.contains(&68.0) && all.contains(&26.0));
    assert!(draw(&mut examples, 47).iter().all(|(_, target)| target[0].round() == 47.0));
}

#[test]
fn gains_have_the_deviation_that_was_asked_for_and_keep_the_sign() {
    let mut examples = examples(|t| t.augment.gain = 0.2);
    let row = examples.rows.signal.row(50).to_vec();
    let mut logs = Vec::new();
    for (signal, target) in draw(&mut examples, 50) {
        let factor = signal[0] / row[0];
        assert!(target.is_empty() && factor > 0.0);
        assert!(signal.iter().zip(&row).all(|(s, r)| (s - factor * r).abs() < 1e-4 * s.abs()));
        logs.push(f64::from(factor).ln());
    }
    let deviation = (logs.iter().map(|v| v * v).sum::<f64>() / logs.len() as f64).sqrt();
    assert!((deviation - 0.2).abs() < 5.0 * 0.2 / (2.0 * STEPS as f64).sqrt(), "{deviation}");
}

#[test]
fn a_shift_moves_both_traces_alike() {
    let mut examples = examples(|t| (t.augment.shift_ms, t.target) = (0.05, ReconstructionTarget::Sibling));
    let mut shifts = Vec::new();
    for (signal, target) in draw(&mut examples, 50) {
        // 0.01 sin(0.4 i): the phase in the middle shows the shift
        let phase = |trace: &[f32], whole: f32| {
            let (s, c) = (10..31).fold((0.0_f64, 0.0_f64), |(s, c), i| {
                let v = f64::from(trace[i] - whole);
                (s + v * (0.4 * i as f64).sin(), c + v * (0.4 * i as f64).cos())
            });
            c.atan2(s) / 0.4
        };
        let (of_signal, of_target) = (phase(&signal, 50.0), phase(&target, target[20].round()));
        assert!((of_signal - of_target).abs() < 0.05, "{of_signal} {of_target}");
        shifts.push(of_signal);
    }
    let deviation = (shifts.iter().map(|v| v * v).sum::<f64>() / shifts.len() as f64).sqrt();
    // 0.05 ms are 1.22 samples; 300 draws give this to a standard error of 1.22 / sqrt(2 * 300) = .05
    assert!((deviation - 1.22).abs() < 0.3, "{deviation}");
}

#[test]
fn errors_weigh_by_the_noise_of_their_target() {
    let averages = |row: usize| if row.is_multiple_of(3) { 100.0 } else { 400.0 };
    let mut config = Config::default();
    (config.training.weight_by_noise, config.training.target) = (true, ReconstructionTarget::Sibling);
    let mut data = dataset(90, 3);
    // rows with unknown averages count as the median
    data.averages = (0..90).map(|row| if row == 1 { f32::NAN } else { averages(row) }).collect();
    data.signals = ndarray::Array2::from_shape_fn((90, 40), |(row, _)| row as f32);
    let rows: Vec<usize> = (0..90).collect();
    let roots = root_weights(&data, &rows);
    // 100 / (100 + 400) and 400 / (400 + 400)
    assert!((roots[2] / roots[0] - (0.5_f32 / 0.2).sqrt()).abs() < 1e-6 && roots[1] == roots[2]);
    let mean = roots.iter().map(|root| root * root).sum::<f32>() / 90.0;
    assert!((mean - 1.0).abs() < 1e-5, "{mean}");
    // twice the noise corresponds to a quarter of the averages
    let mut by_noise = data.clone();
    by_noise.averages = vec![f32::NAN; 90];
    let noise = (0..90).map(|row| if row == 1 { f64::NAN } else { 1000.0 / f64::from(averages(row)).sqrt() }).collect();
    by_noise.conditions.push(Column { name: "residual_noise_nv".into(), values: Values::Number(noise) });
    assert!(root_weights(&by_noise, &rows).iter().zip(&roots).all(|(a, b)| (a - b).abs() < 1e-6));

    let mut examples = Examples::new(&config, &data, &rows, encoded(&data));
    let mut into = BatchRows::default();
    for step in 0..STEPS {
        examples.gather([3, 47].into_iter(), Stream::new(1, purpose::EXAMPLE, 0).at(step), &mut into);
        assert_eq!(into.root_weights.len(), 80);
        let target = into.target[40] as usize;
        assert!(into.root_weights[40..].iter().all(|root| *root == roots[target]), "{target}");
    }
}
