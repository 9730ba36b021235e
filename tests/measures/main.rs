//! Tests every measure of `abr_film::eval::measures` against results of NumPy and SciPy on the same numbers, and
//! against results of common mistakes: `cargo test --test measures`. `record.py` writes `recorded.json`.

#![cfg(feature = "abr")]

mod recorded;

use abr_film::eval::measures::*;
use ndarray::{Array1, Array2};
use recorded::{Recorded, largest_difference};

/// The same sums in another order: a thousand roundings of 1e-16, with some margin for cancellation.
const SUMS: f64 = 1e-12;

/// Matrix roots and solutions, by other decompositions than SciPy's; condition numbers are below 100.
const MATRICES: f64 = 1e-10;

/// Minimisations: Newton's method stops within 1e-10 of the minimum, and SciPy's gradient is below 1e-10 there.
const SEARCHED: f64 = 1e-8;

/// A perturbed value must differ by more than this many tolerances.
const LEAST_PERTURBATION: f64 = 10.0;

/// The name of a case, the largest allowed difference relative to its largest recorded value, and our values.
type Case = (&'static str, f64, fn(&Recorded) -> Vec<f64>);

#[rustfmt::skip] // a line each
const CASES: &[Case] = &[
    ("quantile", SUMS, quantiles),
    ("median", SUMS, medians),
    ("mean", SUMS, |r| mean(r.matrix("a").view(), Some(&r.vector("weights_a"))).to_vec()),
    ("covariance", SUMS, |r| flat(covariance(r.matrix("a").view(), Some(&r.vector("weights_a"))))),
    ("standard", SUMS, standardised),
    ("frechet", MATRICES, frechet_of_weighted),
    ("mmd", SUMS, |r| vec![discrepancy(r, &[1.0; 24], &[1.0; 20])]),
    ("mmd_weighted", SUMS, |r| vec![discrepancy(r, &r.vector("weights_a"), &r.vector("weights_b"))]),
    ("energy", SUMS, |r| vec![EnergyScore::new(r.matrix("draws").view()).score(r.array("y").view())]),
    ("variogram", SUMS, |r| vec![VariogramScore::new(r.matrix("draws").view()).score(r.array("y").view())]),
    ("bounds", SUMS, bounds),
    ("inside", SUMS, inside),
    ("density_coverage", SUMS, balls),
    ("nearest", SUMS, |r| nearest_distances(r.matrix("b").view(), r.matrix("a").view())),
    ("memorisation", SUMS, copies),
    ("ridge", MATRICES, ridge),
    ("logistic", SEARCHED, |r| log_odds(r, &r.labels("labels"), 0.05)),
    ("logistic_separable", SEARCHED, |r| log_odds(r, &above_0(r), 1e-3)),
    ("auc", SUMS, |r| vec![auc(&r.vector("tied"), &r.labels("labels"), None)]),
    ("auc_weighted", SUMS, |r| vec![auc(&r.vector("tied"), &r.labels("labels"), Some(&r.vector("weights_a")))]),
    ("held_out_logistic", SEARCHED, |r| scores(held_out(r, Classifier::Logistic))),
    ("two_sample_logistic", SUMS, |r| vec![held_out(r, Classifier::Logistic).auc(None, None)]),
    ("held_out_neighbours", SUMS, |r| scores(held_out(r, Classifier::Neighbours))),
    ("two_sample_neighbours", SUMS, |r| vec![held_out(r, Classifier::Neighbours).auc(None, None)]),
    ("power_even", SUMS, |r| power(r.array("trace_even").view(), RATE_HZ).to_vec()),
    ("power_odd", SUMS, |r| power(r.array("trace_odd").view(), RATE_HZ).to_vec()),
    ("distance_db", SUMS, decibels),
    ("bootstrap", SUMS, resampled),
];

const RATE_HZ: f64 = 20_000.0;

#[test]
fn every_measure_is_what_numpy_and_scipy_make_of_it() {
    let recorded = Recorded::read();
    for (name, tolerance, ours) in CASES {
        let (ours, case) = (ours(&recorded), recorded.case(name));
        let tolerance = tolerance * case.largest();
        let off = largest_difference(&ours, &case.value);
        assert!(off <= tolerance, "{name} is off by {off:e}, not {tolerance:e}");
    }
}

#[test]
fn every_mistake_is_far_from_the_measure() {
    let recorded = Recorded::read();
    for (name, tolerance, ours) in CASES {
        let (ours, case) = (ours(&recorded), recorded.case(name));
        assert!(!case.perturbed.is_empty(), "{name} has no perturbed value");
        for (mistake, perturbed) in &case.perturbed {
            let off = largest_difference(&ours, perturbed);
            assert!(off > LEAST_PERTURBATION * tolerance * case.largest(), "{name}: {mistake} is off by {off:e} alone");
        }
    }
}

#[test]
fn every_recorded_case_is_held() {
    let mut held: Vec<&str> = CASES.iter().map(|(name, ..)| *name).collect();
    held.sort_unstable();
    assert_eq!(held, Recorded::read().names());
}

fn flat(matrix: Array2<f64>) -> Vec<f64> {
    matrix.into_iter().collect()
}

fn quantiles(r: &Recorded) -> Vec<f64> {
    let mut values = r.matrix("a").column(0).to_vec();
    values.sort_unstable_by(f64::total_cmp);
    r.vector("shares").into_iter().map(|share| quantile(&values, share)).collect()
}

fn medians(r: &Recorded) -> Vec<f64> {
    let mut values = r.matrix("a").column(0).to_vec();
    let all = median(&mut values);
    vec![all, median(&mut values[..23])]
}

fn standardised(r: &Recorded) -> Vec<f64> {
    flat(Standard::of(r.matrix("a").view(), Some(&r.vector("weights_a"))).apply(r.matrix("test").view()))
}

fn frechet_of_weighted(r: &Recorded) -> Vec<f64> {
    let a = Gaussian::of(r.matrix("a").view(), Some(&r.vector("weights_a")));
    let b = Gaussian::of(r.matrix("b").view(), None);
    vec![frechet(&a, &b)]
}

fn discrepancy(r: &Recorded, a: &[f64], b: &[f64]) -> f64 {
    Mmd::new(r.matrix("a").view(), r.matrix("b").view()).squared(a, b)
}

fn bounds(r: &Recorded) -> Vec<f64> {
    let intervals = Intervals::new(r.matrix("draws").view());
    let at = |share: f64| (0..10).map(move |i| (i, share));
    let bounds = r.vector("inside").into_iter().flat_map(at).map(|(i, share)| intervals.at(i, share));
    bounds.flat_map(|(low, high)| [low, high]).collect()
}

fn inside(r: &Recorded) -> Vec<f64> {
    let (intervals, y) = (Intervals::new(r.matrix("draws").view()), r.array("y"));
    r.vector("inside").into_iter().map(|share| intervals.inside(y.view(), share)).collect()
}

fn balls(r: &Recorded) -> Vec<f64> {
    let found = density_and_coverage(r.matrix("a").view(), r.matrix("b").view(), 4);
    vec![found.density, found.coverage]
}

fn copies(r: &Recorded) -> Vec<f64> {
    vec![memorisation(r.matrix("a").view(), r.matrix("b").view(), r.matrix("test").view())]
}

fn ridge(r: &Recorded) -> Vec<f64> {
    let fitted = Ridge::fit(r.matrix("a").view(), r.array("target").view(), Some(&r.vector("weights_a")), 0.3);
    fitted.predict(r.matrix("test").view()).to_vec()
}

fn above_0(r: &Recorded) -> Vec<bool> {
    r.matrix("a").column(0).iter().map(|value| *value > 0.0).collect()
}

fn log_odds(r: &Recorded, labels: &[bool], ridge: f64) -> Vec<f64> {
    Logistic::fit(r.matrix("a").view(), labels, ridge).score(r.matrix("test").view())
}

fn held_out(r: &Recorded, classifier: Classifier) -> HeldOut {
    let (a, b) = (r.matrix("a"), r.matrix("other"));
    let whose = ["whose_a", "whose_b"].map(|name| r.vector(name).iter().map(|id| *id as usize).collect::<Vec<_>>());
    let sides = [Sample { points: a.view(), subjects: &whose[0] }, Sample { points: b.view(), subjects: &whose[1] }];
    two_sample(sides[0], sides[1], classifier, 5)
}

fn scores(held_out: HeldOut) -> Vec<f64> {
    held_out.a.iter().chain(&held_out.b).map(|scored| scored.score).collect()
}

fn decibels(r: &Recorded) -> Vec<f64> {
    let (p, q): (Array1<f64>, Array1<f64>) = (power(r.array("trace_even").view(), RATE_HZ), r.array("q"));
    vec![distance_db(p.view(), q.view(), RATE_HZ, 64, [1000.0, 5000.0])]
}

fn resampled(r: &Recorded) -> Vec<f64> {
    let values = &r.matrix("a").column(2).to_vec()[..12];
    let mean = |weights: &[f64]| values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>() / 12.0;
    let found = bootstrap(12, mean);
    vec![found.value, found.low.expect("an interval"), found.high.expect("an interval")]
}
