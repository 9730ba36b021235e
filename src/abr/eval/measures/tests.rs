use super::*;
use crate::engine::rng::{Purpose, Stream};
use ndarray::{Array1, Array2, ArrayView2, Axis, array, s};

/// `[rows, columns]` standard normal numbers.
fn normals(rows: usize, columns: usize, seed: u32) -> Array2<f64> {
    let mut draws = Stream::new(1, Purpose::TEST, 40).at(seed).rng(0);
    Array2::from_shape_simple_fn((rows, columns), || draws.normal())
}

/// Rows of points, each repeated by its weight.
fn repeated(points: ArrayView2<f64>, weights: &[f64]) -> Array2<f64> {
    let rows: Vec<usize> = (0..points.nrows()).flat_map(|row| vec![row; weights[row] as usize]).collect();
    points.select(Axis(0), &rows)
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a} is not {b}");
}

const WEIGHTS: [f64; 8] = [2.0, 0.0, 1.0, 1.0, 3.0, 0.0, 1.0, 2.0];

#[test]
fn a_bootstrap_interval_covers_the_mean_of_the_population() {
    // 95 % intervals of means of 30 values: 190 of 200 should hold 0, with a binomial SD of 3, and slightly fewer
    // because percentile intervals are too narrow at this size
    let covers = |seed: u32| {
        let groups = normals(30, 1, seed);
        let interval = bootstrap(30, |weights| mean(groups.view(), Some(weights))[0]);
        let (low, high) = interval.low.zip(interval.high).expect("an interval");
        assert!(low < interval.value && interval.value < high);
        low < 0.0 && 0.0 < high
    };
    let covered = (0..200).filter(|seed| covers(*seed)).count();
    assert!((177..=198).contains(&covered), "{covered}");
}

#[test]
fn an_interval_needs_two_groups_and_half_of_the_replicates() {
    let one = bootstrap(1, |weights| weights[0]);
    assert_eq!(one, Interval { value: 1.0, low: None, high: None });
    assert_eq!(one.to_string(), "1.000");
    // with two groups, a replicate holds both with probability 1/2, and the first alone with probability 1/4
    let defined = |least: f64| bootstrap(2, |weights| if weights[0] >= least { 1.0 } else { f64::NAN });
    assert_eq!(defined(1.0).low, Some(1.0));
    assert_eq!(defined(2.0).low, None);
    let interval = Interval { value: 0.7123, low: Some(0.65), high: Some(0.76) };
    assert_eq!(interval.to_string(), "0.712 [0.650, 0.760]");
    assert_eq!(format!("{interval:.1}"), "0.7 [0.7, 0.8]");
    assert_eq!(of_rows(&[1, 1, 0], &[3.0, 2.0]), [2.0, 2.0, 3.0]);
}

#[test]
fn a_weight_is_a_repetition() {
    let (a, b) = (normals(8, 3, 0), normals(8, 3, 1));
    let (weighted, copied) = (
        frechet(&Gaussian::of(a.view(), Some(&WEIGHTS)), &Gaussian::of(b.view(), None)),
        frechet(&Gaussian::of(repeated(a.view(), &WEIGHTS).view(), None), &Gaussian::of(b.view(), None)),
    );
    near(weighted, copied);

    let labels = [true, false, false, true, true, false, false, true];
    let scores: Vec<f64> = a.column(0).iter().map(|score| (2.0 * score).round()).collect();
    let table = Array2::from_shape_fn((8, 2), |(row, column)| [scores[row], f64::from(u8::from(labels[row]))][column]);
    let table = repeated(table.view(), &WEIGHTS);
    let copied_labels: Vec<bool> = table.column(1).iter().map(|label| *label == 1.0).collect();
    near(auc(&scores, &labels, Some(&WEIGHTS)), auc(&table.column(0).to_vec(), &copied_labels, None));

    let target = b.column(0).to_owned();
    let both = ndarray::concatenate![Axis(1), a, target.view().insert_axis(Axis(1))];
    let both = repeated(both.view(), &WEIGHTS);
    let weighted = Ridge::fit(a.view(), target.view(), Some(&WEIGHTS), 0.1).predict(b.view());
    let copied = Ridge::fit(both.slice(s![.., ..3]), both.column(3), None, 0.1).predict(b.view());
    weighted.iter().zip(&copied).for_each(|(a, b)| near(*a, *b));
}

#[test]
fn the_discrepancy_leaves_out_pairs_of_a_row_with_its_copy() {
    let (a, b) = (normals(8, 3, 0), normals(8, 3, 1) + 0.5);
    let mmd = Mmd::new(a.view(), b.view());
    let ones = [1.0; 8];
    near(mmd.squared(&WEIGHTS, &ones), mmd.squared(&WEIGHTS.map(|weight| 5.0 * weight), &ones));
    let keep = WEIGHTS.map(|weight| weight.min(1.0));
    let rows: Vec<usize> = (0..8).filter(|row| keep[*row] > 0.0).collect();
    // with weights of 0 and 1 it is the discrepancy of the kept rows, except for the bandwidth
    let (kept, all) = (Mmd::new(a.select(Axis(0), &rows).view(), b.view()), mmd.squared(&keep, &ones));
    // The two bandwidths are medians of distances with and without two of the rows. In 1000 draws of these sizes that
    // moves the discrepancy by a deviation of 0.002: the bound is five of them.
    assert!((kept.squared(&[1.0; 6], &ones) - all).abs() < 0.01);
    assert!(mmd.squared(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], &ones).is_nan());
}

#[test]
fn the_discrepancy_of_one_population_is_0_on_average() {
    let of = |seed: u32, shift: f64| {
        Mmd::new(normals(20, 3, 2 * seed).view(), (normals(20, 3, 2 * seed + 1) + shift).view())
            .squared(&[1.0; 20], &[1.0; 20])
    };
    let average = |shift: f64| (0..100).map(|seed| of(seed, shift)).sum::<f64>() / 100.0;
    // One discrepancy has a deviation of 0.021, the mean of 100 a standard error of 0.0021: the bound is 2.4 of them.
    assert!(average(0.0).abs() < 0.005, "{}", average(0.0));
    // apart by 1 in each column it is 0.168, with a deviation of 0.061 (1000 draws); five standard errors
    assert!((average(1.0) - 0.168).abs() < 5.0 * 0.0061, "{}", average(1.0));
}

#[test]
fn equal_gaussians_are_no_distance_apart() {
    // fewer rows than columns: a singular covariance
    let points = normals(4, 6, 0);
    let gaussian = Gaussian::of(points.view(), None);
    // the root of a singular covariance turns rounding of 1e-16 into 1e-8
    assert!(frechet(&gaussian, &gaussian) < 1e-6);
    let shifted = Gaussian { mean: &gaussian.mean + 2.0, ..gaussian.clone() };
    assert!((frechet(&gaussian, &shifted) - 24.0).abs() < 1e-6);
    assert!(frechet(&gaussian, &Gaussian::of(points.slice(s![..1, ..]), None)).is_nan());
}

#[test]
fn the_truth_scores_best() {
    let truth = normals(200, 6, 0);
    let draws = |scale: f64, shift: f64| normals(400, 6, 1) * scale + shift;
    let energy = |draws: Array2<f64>| {
        let score = EnergyScore::new(draws.view());
        truth.outer_iter().map(|y| score.score(y)).sum::<f64>() / 200.0
    };
    let variogram = |draws: Array2<f64>| {
        let score = VariogramScore::new(draws.view());
        truth.outer_iter().map(|y| score.score(y)).sum::<f64>() / 200.0
    };
    for (scale, shift) in [(0.3, 0.0), (2.0, 0.0), (1.0, 1.0)] {
        assert!(energy(draws(scale, shift)) > energy(draws(1.0, 0.0)), "{scale} {shift}");
    }
    for scale in [0.3, 2.0] {
        assert!(variogram(draws(scale, 0.0)) > variogram(draws(1.0, 0.0)), "{scale}");
    }
    // draws with fully correlated samples
    let together = &Array2::<f64>::zeros((400, 6)) + &normals(400, 1, 1);
    assert!(variogram(together) > variogram(draws(1.0, 0.0)));
    assert!(EnergyScore::new(truth.slice(s![..1, ..])).score(truth.row(0)).is_nan());
}

#[test]
fn intervals_hold_their_share_of_exchangeable_draws() {
    let all = normals(20 * 40, 50, 0);
    for share in [0.5, 0.8, 0.95] {
        let inside = |block: ArrayView2<f64>| Intervals::new(block.slice(s![1.., ..])).inside(block.row(0), share);
        let mean = all.axis_chunks_iter(Axis(0), 40).map(inside).sum::<f64>() / 20.0;
        // four binomial standard deviations for 1000 samples
        assert!((mean - share).abs() < 4.0 * (share * (1.0 - share) / 1000.0).sqrt(), "{share}: {mean}");
    }
}

#[test]
fn intervals_end_on_order_statistics() {
    let draws = Array2::from_shape_fn((39, 1), |(draw, _)| f64::from(draw as u32 + 1));
    let intervals = Intervals::new(draws.view());
    assert_eq!(intervals.at(0, 0.95), (1.0, 39.0));
    assert_eq!(intervals.at(0, 0.8), (4.0, 36.0));
    assert_eq!(intervals.at(0, 0.5), (10.0, 30.0));
    assert_eq!(intervals.at(0, 0.999), (1.0, 39.0));
    assert_eq!(intervals.inside(array![39.0].view(), 0.95), 1.0);
    assert_eq!(intervals.inside(array![39.1].view(), 0.95), 0.0);
    // equal draws contain an equal value
    assert_eq!(Intervals::new(Array2::from_elem((7, 1), 0.1).view()).inside(array![0.1].view(), 0.37), 1.0);
}

#[test]
fn copies_are_nearer_than_a_test_set() {
    let (train, test) = (normals(200, 5, 0), normals(200, 5, 1));
    let fresh = memorisation(train.view(), normals(200, 5, 2).view(), test.view());
    // a ratio of two median distances, with a deviation of 0.042 at this size (400 draws): nearly five of them
    assert!((0.8..1.2).contains(&fresh), "{fresh}");
    let copies = &train + &(normals(200, 5, 3) * 0.01);
    // 0.023 with a deviation of 0.001, likewise: five of them
    let copied = memorisation(train.view(), copies.view(), test.view());
    assert!((copied - 0.023).abs() < 0.005, "{copied}");
}

#[test]
fn a_collapsed_generator_covers_little() {
    let real = normals(200, 5, 0);
    let fresh = density_and_coverage(real.view(), normals(200, 5, 1).view(), 5);
    // Where both are of one distribution, density is 1 with a deviation of 0.059, and coverage 0.968 with 0.016 (400
    // draws of 200 points): 3.4 and 4.3 of them.
    assert!((0.8..1.2).contains(&fresh.density) && fresh.coverage > 0.9, "{fresh:?}");
    let collapsed = density_and_coverage(real.view(), Array2::zeros((200, 5)).view(), 5);
    // the densest place lies in more balls than average, but in the 4 % of all (deviation 1 %) around it: six of them
    assert!(collapsed.density > 1.2 && collapsed.coverage < 0.1, "{collapsed:?}");
    assert!(density_and_coverage(real.slice(s![..5, ..]), real.view(), 5).density.is_nan());
}

#[test]
fn separable_classes_have_a_fit() {
    let features = Array2::from_shape_fn((20, 2), |(row, column)| if column == 0 { row as f64 } else { 7.0 });
    let labels: Vec<bool> = (0..20).map(|row| row >= 10).collect();
    for ridge in [1e-6, 1e-2] {
        let scores = Logistic::fit(features.view(), &labels, ridge).score(features.view());
        assert!(scores.is_sorted() && scores.iter().all(|score| score.is_finite()), "{scores:?}");
        near(auc(&scores, &labels, None), 1.0);
    }
}

#[test]
fn equal_scores_are_no_better_than_chance() {
    assert_eq!(auc(&[1.0; 5], &[true, false, true, true, false], None), 0.5);
    assert_eq!(auc(&[0.0, -0.0], &[true, false], None), 0.5);
    assert!(auc(&[1.0, 2.0], &[true, true], None).is_nan());
    assert!(auc(&[1.0, f64::NAN], &[true, false], None).is_nan());
}

#[test]
fn spectra_that_differ_by_a_factor_are_as_far_apart_as_its_decibels() {
    let p = power(normals(1, 64, 0).row(0), 1000.0);
    let distance = |q: &Array1<f64>| distance_db(p.view(), q.view(), 1000.0, 64, [100.0, 400.0]);
    near(distance(&(&p * 100.0)), 20.0);
    let mut outside = p.clone();
    outside[0] *= 7.0;
    assert_eq!(distance(&outside), 0.0);
    let nothing = Array1::zeros(33);
    assert!(distance_db(nothing.view(), nothing.view(), 1000.0, 64, [100.0, 400.0]).is_nan());
    assert_eq!(distance(&nothing), f64::INFINITY);
}

/// `subjects` times 10 rows; subject effects are as large as the noise.
fn clustered(subjects: usize, seed: u32) -> (Array2<f64>, Vec<usize>) {
    let effects = normals(subjects, 4, 2 * seed);
    let whose: Vec<usize> = (0..10 * subjects).map(|row| row / 10).collect();
    (normals(10 * subjects, 4, 2 * seed + 1) + effects.select(Axis(0), &whose), whose)
}

const CLASSIFIERS: [Classifier; 2] = [Classifier::Logistic, Classifier::Neighbours];

#[test]
fn halves_of_one_population_cannot_be_told_apart() {
    for classifier in CLASSIFIERS {
        let of = |seed: u32| {
            let (points, subjects) = clustered(40, seed);
            let half = |from: usize| Sample {
                points: points.slice(s![from..from + 200, ..]),
                subjects: &subjects[from..from + 200],
            };
            two_sample(half(0), half(200), classifier, 3).auc(None, None)
        };
        let mean = (0..16).map(of).sum::<f64>() / 16.0;
        // An AUC of 20 subjects per side has a standard error of at most sqrt(41 / (12 * 20^2)) = .092, as if all rows
        // of a subject were one. For a mean of 16 AUCs it is .023: the bound is two of them.
        assert!((mean - 0.5).abs() < 0.05, "{classifier:?}: {mean}");
    }
}

#[test]
fn a_collapsed_generator_is_found_out() {
    let (points, subjects) = clustered(40, 0);
    let a = Sample { points: points.view(), subjects: &subjects };
    let collapsed = &Array2::<f64>::zeros((300, 4)) + &mean(points.view(), None);
    for (classifier, subjects) in CLASSIFIERS.into_iter().flat_map(|c| [(c, &subjects[..300]), (c, &[0; 300])]) {
        let auc = two_sample(a, Sample { points: collapsed.view(), subjects }, classifier, 0).auc(None, None);
        assert!(auc > 0.9, "{classifier:?}: {auc}");
    }
}

#[test]
fn a_subject_is_in_one_fold() {
    let (points, subjects) = clustered(7, 0);
    let others: Vec<usize> = subjects.iter().map(|subject| subject + 3).collect();
    let a = Sample { points: points.view(), subjects: &subjects };
    let b = Sample { points: points.view(), subjects: &others };
    let held_out = two_sample(a, b, Classifier::Neighbours, 0);
    let mut fold_of = [None; 10];
    for (scored, subject) in held_out.a.iter().zip(&subjects).chain(held_out.b.iter().zip(&others)) {
        assert_eq!(*fold_of[*subject].get_or_insert(scored.fold), scored.fold);
        assert!(scored.score.is_finite());
    }
    for side in [&held_out.a, &held_out.b] {
        let rows = |fold: usize| side.iter().filter(|scored| scored.fold == fold).count();
        assert!((0..5).all(|fold| [10, 20].contains(&rows(fold))));
    }
    // a subject with weight 0 does not count
    let weights = of_rows(&subjects, &[1.0, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0]);
    assert_ne!(held_out.auc(Some(&weights), None), held_out.auc(None, None));
    let single = Sample { points: points.slice(s![..1, ..]), subjects: &subjects[..1] };
    assert!(two_sample(a, single, Classifier::Logistic, 0).auc(None, None).is_nan());
}
