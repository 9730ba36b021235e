use super::super::measures::auc;
use super::super::peaks::tests::bumps;
use super::super::species::Picker;
use super::labels::{differences, present_uv, responses};
use super::synthetic::{ProbeData, odds};
use super::*;
use crate::config::{DataConfig, Design, Species, SynthConfig};
use crate::data::{cells::Cells, fixture, load};
use crate::engine::rng::Purpose;
use ndarray::{array, stack};

/// `[rows, columns]` standard normal numbers.
fn normals(rows: usize, columns: usize, seed: u32) -> Array2<f64> {
    let mut draws = Stream::new(1, Purpose::TEST, 41).at(seed).rng(0);
    Array2::from_shape_simple_fn((rows, columns), || draws.normal())
}

#[test]
fn features_are_scores_and_their_squares() {
    let traces = array![[1.0, 2.0, 3.0], [0.0, -1.0, 5.0]];
    let components = array![[1.0, 0.0], [0.0, 0.6], [0.0, 0.8]];
    let seen = features_by(components.view(), traces.view());
    let wanted = array![[1.0, 3.6, 1.0, 12.96], [0.0, 3.4, 0.0, 11.56]];
    assert!((&seen - &wanted).iter().all(|off| off.abs() < 1e-12), "{seen}");
    let many = features_by(Array2::eye(20).view(), normals(4, 20, 0).view());
    assert_eq!(many.dim(), (4, 2 * COMPONENTS));
}

#[test]
fn a_subject_is_in_one_fold() {
    let subjects: Vec<usize> = (0..70).map(|row| row % 7).collect();
    let dealt = folds(&subjects);
    assert!(dealt.iter().zip(&subjects).all(|(fold, subject)| *fold == dealt[*subject]));
    assert!((0..5).all(|fold| [10, 20].contains(&dealt.iter().filter(|own| **own == fold).count())));
    assert_eq!(BTreeSet::from_iter(folds(&[4, 4, 8, 8, 8])).len(), 2);
    // the rows of a single subject
    let alone = folds(&[3; 20]);
    assert!((0..5).all(|fold| alone.iter().filter(|own| **own == fold).count() == 4));
}

#[test]
fn noise_is_not_read_off_rows_that_trained() {
    let (points, target) = (normals(150, 32, 0), normals(150, 1, 1).into_raw_vec_and_offset().0);
    let subjects: Vec<usize> = (0..150).map(|row| row / 10).collect();
    let ones = [1.0; 150];
    let (read, again) = out_of_fold(points.view(), &target, &folds(&subjects), points.view());
    let r = correlation(&read, &target, &ones);
    // a correlation of 150 rows has a standard error of 1 / sqrt(150) = .08
    assert!(r.abs() < 0.2, "{r}");
    // predictions for the same rows by probes that have seen most of them
    let seen = correlation(&again, &target, &ones);
    assert!(seen > 0.35, "{seen}");
}

#[test]
fn a_subject_known_by_its_trace_does_not_tell_its_level() {
    // each subject has its own level, and its own traces that do not depend on it
    let subjects: Vec<usize> = (0..500).map(|row| row / 5).collect();
    let rows: Vec<usize> = (0..500).map(|row| row % 5).collect();
    let (mut by_row, mut by_subject) = (0.0, 0.0);
    for seed in (10..34).step_by(3) {
        let points = normals(100, 32, seed).select(Axis(0), &subjects) + normals(500, 32, seed + 1) * 0.1;
        let target = normals(100, 1, seed + 2).select(Axis(0), &subjects).into_raw_vec_and_offset().0;
        let r = |folds: &[usize]| {
            correlation(&out_of_fold(points.view(), &target, folds, points.view()).0, &target, &[1.0; 500])
        };
        by_row += r(&rows) / 8.0;
        by_subject += r(&folds(&subjects)) / 8.0;
    }
    assert!(by_row > 0.45 && by_subject.abs() < 0.2, "{by_row} {by_subject}");
}

#[test]
fn what_is_there_is_predicted_and_other_traces_get_the_mean_prediction() {
    let points = normals(100, 3, 5);
    let target: Vec<f64> = points.outer_iter().map(|point| 50.0 + 10.0 * point[0] - 4.0 * point[2]).collect();
    let dealt: Vec<usize> = (0..100).map(|row| row % 2).collect();
    let (read, others) = out_of_fold(points.view(), &target, &dealt, points.view());
    assert!(mae(&read, &target, &[1.0; 100]) < 0.3);
    let by = |fold: usize| {
        let rows: Vec<usize> = (0..100).filter(|row| row % 2 != fold).collect();
        let target = rows.iter().map(|row| target[*row]).collect::<Array1<f64>>();
        Ridge::fit(points.select(Axis(0), &rows).view(), target.view(), None, RIDGE).predict(points.view())
    };
    let (even, odd) = (by(0), by(1));
    for row in 0..100 {
        assert_eq!(read[row], if row % 2 == 0 { even[row] } else { odd[row] });
        assert!((others[row] - (even[row] + odd[row]) / 2.0).abs() < 1e-12);
    }
}

#[test]
fn correlation_and_error_by_hand() {
    let (a, b) = ([1.0, 2.0, 3.0, 9.0], [2.0, 1.0, 3.0, 0.0]);
    let weights = [1.0, 1.0, 1.0, 0.0];
    assert!((correlation(&a, &b, &weights) - 0.5).abs() < 1e-12);
    assert!((mae(&a, &b, &weights) - 2.0 / 3.0).abs() < 1e-12);
    assert!(correlation(&[1.0; 4], &b, &weights).is_nan() && mae(&a, &b, &[0.0; 4]).is_nan());
}

#[test]
fn a_response_is_a_threshold_wave_of_enough_height() {
    let of = |species: Species, ms: f64, uv: f64| {
        let picker = Picker { species, sample_rate_hz: 20_000.0, t0_ms: 0.0 };
        let traces = stack(Axis(0), &[bumps(0.0, &[(ms, uv, 0.2)]).view()]).unwrap();
        responses(&picker, traces.view(), |_| Some(80.0))[0]
    };
    for (species, ms, elsewhere_ms) in [(Species::Human, 5.7, 1.6), (Species::Mouse, 1.5, 5.1)] {
        let floor = present_uv(species);
        assert!((of(species, ms, 1.01 * floor).unwrap() - ms).abs() < 0.01);
        assert_eq!(of(species, ms, 0.99 * floor), None);
        assert_eq!(of(species, elsewhere_ms, 3.0 * floor), None);
    }
}

#[test]
fn the_built_in_data_hold_rows_with_and_without_a_response() {
    for design in [Design::Clinic, Design::Series] {
        let synth = SynthConfig { subjects: 100, rows_per_subject: 13, design, ..SynthConfig::default() };
        let conditions = DataConfig::default().static_columns;
        let static_columns = if design == Design::Clinic { conditions } else { vec![conditions[1].clone()] };
        let config = DataConfig { synth, static_columns, seed: 3, ..DataConfig::default() };
        let set = load(&config, 200, |_, _| {}).unwrap().0;
        let levels = set.conditions.iter().find(|column| column.name == "level_db").unwrap();
        let crate::data::Values::Number(levels) = &levels.values else { panic!("numbers") };
        let picker = Picker { species: Species::Human, sample_rate_hz: set.sample_rate_hz, t0_ms: set.t0_ms };
        let found = responses(&picker, set.ground_truth.unwrap().signals.view(), |row| Some(levels[row]));
        let absent = found.iter().filter(|response| response.is_none()).count() as f64 / found.len() as f64;
        assert!((0.1..0.4).contains(&absent), "{design:?}: {absent}");
    }
}

#[test]
fn differences_of_a_cell_are_as_loud_as_its_noise_and_hold_no_response() {
    // rows 0..42 come twice, and the last row is alone in its cell
    let mut data = fixture::dataset(85, 85);
    data.conditions.clear();
    data.subjects = (0..85).map(|row| format!("S{}", row % 42 + row / 84 * 100)).collect();
    let rows: Vec<usize> = (0..85).collect();
    let response = normals(1, 400, 6) * 30.0;
    let traces = normals(85, 400, 7) * 2.0 + &response;
    let (places, noise) = differences(&Cells::of(&data, &rows), traces.view());
    assert_eq!(places, (0..84).collect::<Vec<_>>());
    let sd = noise.std(0.0);
    // 42 pairs of 400 samples: a standard error of 2 / sqrt(2 * 16,800) = .011
    assert!((sd - 2.0).abs() < 0.05, "{sd}");
}

#[test]
fn who_has_seen_one_class_alone_cannot_tell() {
    let points = normals(10, 2, 8);
    let taught = |targets| odds(&ProbeData { points: points.clone(), targets }, points.view());
    assert_eq!(taught(vec![1.0; 10]), vec![0.0; 10]);
    let labels: Vec<bool> = points.column(0).iter().map(|v| *v > 0.0).collect();
    let odds = taught(labels.iter().map(|label| f64::from(u8::from(*label))).collect());
    assert_eq!(auc(&odds, &labels, None), 1.0);
}
