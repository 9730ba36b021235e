use super::*;
use crate::config::{DataConfig, SynthConfig};
use crate::data::load;
use ndarray::{Array2, ArrayView2, array, s};

/// Scattered values, the same in every run.
fn scattered(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(i, j)| ((i * i * 31 + j * 17 + i * j * j) as f32).sin())
}

fn fit(train: &Array2<f32>) -> Pca {
    Pca::fit(train.nrows(), |row| train.row(row))
}

fn squared_error(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

#[test]
fn the_nearest_conditions_are_averaged_ties_by_index_and_never_more_than_there_are() {
    let conditions = array![[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [0.0, 1.0]];
    let signals = array![[1.0, 10.0], [2.0, 20.0], [4.0, 40.0], [8.0, 80.0]];
    let nearest = NearestCondition::fit(conditions.view(), signals.view());
    let queries = array![[0.0, 0.1], [3.0, 3.0], [-1.0, -1.0]];
    assert_eq!(nearest.predict(queries.view(), 1), array![[1.0, 10.0], [2.0, 20.0], [1.0, 10.0]]);
    // the nearest to (0, 0.1) is row 3; from (3, 3), rows 2 and 3 tie at a squared distance of 13; likewise from (-1,
    // -1) at 5
    assert_eq!(nearest.predict(queries.view(), 2), array![[4.5, 45.0], [3.0, 30.0], [2.5, 25.0]]);
    for beyond in [4, 100] {
        assert!(nearest.predict(queries.view(), beyond).outer_iter().all(|row| row == array![3.75, 37.5]));
    }
}

#[test]
fn the_chosen_neighbours_have_the_least_error_of_the_candidates() {
    let (conditions, noise) = (scattered(120, 3), scattered(120, 8));
    let signals = Array2::from_shape_fn((120, 8), |(i, j)| conditions[[i, j % 3]] + 0.8 * noise[[i, j]]);
    let nearest = NearestCondition::fit(conditions.slice(s![..80, ..]), signals.slice(s![..80, ..]));
    let (queries, target) = (conditions.slice(s![80.., ..]), signals.slice(s![80.., ..]));
    let candidates = [1, 3, 8, 40, 500];
    let error = |k: &usize| squared_error(&nearest.predict(queries, *k), &target.to_owned());
    let best = candidates.iter().min_by(|a, b| error(a).total_cmp(&error(b))).unwrap();
    assert!(*best != 1 && *best != 500, "the example should have its best within: {best}");
    assert_eq!(nearest.choose(&candidates, queries, target), *best);
    assert_eq!(nearest.choose(&[500, 80], queries, target), 500, "both mean all rows, the first wins");
}

#[test]
fn one_component_of_points_on_a_line() {
    // along (3, 4) / 5 at -5, 0, 5 from the mean (1, 2): variance 50 / 3
    let train = array![[-2.0, -2.0], [1.0, 2.0], [4.0, 6.0]];
    let pca = fit(&train);
    assert_eq!(pca.mean, array![1.0, 2.0]);
    // the rounding of the decomposition in f64: 4e-15 for numbers up to 50, with a margin for its steps
    let close = |a: f64, b: f64| (a - b).abs() < 1e-13;
    assert!(close(pca.components[[0, 0]], 0.6) && close(pca.components[[1, 0]], 0.8), "{}", pca.components);
    assert!(close(pca.variances[0], 50.0 / 3.0) && close(pca.variances[1], 0.0), "{}", pca.variances);
    // the point (1, 2) + (4, -3) lies perpendicular to the line
    let off = pca.reconstruct(array![[5.0, -1.0]].view(), 1);
    assert!(squared_error(&off, &array![[1.0, 2.0]]) < 1e-12, "{off}");
    assert_eq!(pca.reconstruct(train.view(), 0), array![[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]);
}

#[test]
fn components_are_orthonormal_sorted_and_signed() {
    let pca = fit(&scattered(50, 12));
    let gram = pca.components.t().dot(&pca.components);
    // orthonormal up to the rounding of the decomposition in f64: 12 rotations of half an ulp each, for 12 terms
    assert!((gram - Array2::<f64>::eye(12)).iter().all(|v| v.abs() < 12.0 * 12.0 * 0.5 * f64::EPSILON));
    assert!(pca.variances.windows(2).into_iter().all(|pair| pair[0] >= pair[1]));
    for component in pca.components.columns() {
        let largest = component.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
        assert!(largest > 0.0);
    }
}

#[test]
fn the_error_of_a_rank_is_the_sum_of_the_variances_left_out() {
    let train = scattered(60, 10);
    let pca = fit(&train);
    for rank in 0..=12 {
        let error = squared_error(&pca.reconstruct(train.view(), rank), &train) / 60.0;
        let left_out: f64 = pca.variances.iter().skip(rank).sum();
        // the reconstruction is rounded to f32: 2^-24 relative on values about 1
        assert!((error - left_out).abs() < 1e-6, "rank {rank}: {error}, left out {left_out}");
    }
    // 600 values about 1, each rounded to f32: 600 * 2^-48 = 2e-12
    assert!(squared_error(&pca.reconstruct(train.view(), 10), &train) < 2.2e-12, "full rank is the identity");
}

#[test]
fn the_chosen_rank_leaves_noise_out_and_against_itself_is_the_largest() {
    let synth = SynthConfig { subjects: 40, ..SynthConfig::default() };
    let data = DataConfig { synth, seed: 5, ..DataConfig::default() };
    let set = load(&data, 200, |_, _| {}).unwrap().0;
    let truth = &set.ground_truth.as_ref().unwrap().signals;
    let pca = Pca::fit(400, |row| set.signals.row(row));
    let (input, target) = (set.signals.slice(s![400.., ..]), truth.slice(s![400.., ..]));
    let error = |rank| squared_error(&pca.reconstruct(input, rank), &target.to_owned());
    let best = (0..=64).min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap();
    // fewer components than the traces have waves would lose some; all 64 would keep the noise
    assert!((4..64).contains(&best), "{best}");
    let halves = |target: ArrayView2<f32>| {
        let part = |of: ArrayView2<f32>, rows: std::ops::Range<usize>| of.slice(s![rows, ..]).to_owned();
        [0..40, 40..80].map(|rows| (part(input, rows.clone()), part(target, rows))).into_iter()
    };
    assert_eq!(pca.choose_rank(64, halves(target)), best);
    assert_eq!(pca.choose_rank(best - 1, halves(target)), best - 1);
    assert_eq!(pca.choose_rank(64, halves(input)), 64);
}

#[test]
fn a_pca_of_rank_0_is_stored_and_predicts_the_mean() {
    let train = scattered(20, 6);
    let pca = fit(&train).truncated(0);
    let again: Pca = serde_json::from_str(&serde_json::to_string(&pca).unwrap()).unwrap();
    let made = again.reconstruct(train.view(), usize::MAX);
    // the reconstruction is rounded to f32: by at most 2^-25 below 1
    let rounding = 2.0_f64.powi(-25);
    let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() <= rounding;
    assert!(made.outer_iter().all(|row| row.iter().zip(&pca.mean).all(near)));
}
