//! Logistic regression with a ridge (le Cessie and van Houwelingen 1992, "Ridge estimators in logistic regression",
//! Appl. Stat. 41:191).
//!
//! Minimises `Σ ln(1 + exp(-s η)) + ½ ridge N |β|²`, with the log-odds `η = c + xᵀβ`, the label s = ±1, and the
//! features x standardised by their own mean and SD. The intercept c has no penalty. The solver is Newton's method;
//! each step is halved until the loss does not rise. Because of the ridge, separable classes have a minimum too.

use super::Standard;
use super::linear::solve;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

const MOST_STEPS: usize = 100;
const MOST_HALVINGS: usize = 30;

/// The search ends when a step lowers the loss per row by less than this.
const LEAST_GAIN: f64 = 1e-20;

/// A fitted classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    standard: Standard,
    /// `[1 + F]`: the intercept, then one weight per standardised feature
    weights: Array1<f64>,
}

impl Logistic {
    /// Fits `features [N, F]` to the labels.
    ///
    /// # Panics
    /// If the rows differ in number, a class is empty, `ridge` is not above 0, or a value is not finite.
    pub fn fit(features: ArrayView2<f64>, labels: &[bool], ridge: f64) -> Logistic {
        assert_eq!(features.nrows(), labels.len(), "Logistic: features and labels");
        assert!(labels.contains(&true) && labels.contains(&false), "Logistic: a class is empty");
        assert!(ridge > 0.0, "Logistic: a penalty of {ridge}");
        let standard = Standard::of(features, None);
        let x = with_ones(standard.apply(features));
        let labels: Array1<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
        let mut penalty = Array1::from_elem(x.ncols(), ridge * labels.len() as f64);
        penalty[0] = 0.0;
        let problem = LogisticFit { x, labels, penalty };
        Logistic { standard, weights: problem.solve() }
    }

    /// The log-odds of the label true for each row of `features [M, F]`.
    pub fn score(&self, features: ArrayView2<f64>) -> Vec<f64> {
        with_ones(self.standard.apply(features)).dot(&self.weights).to_vec()
    }
}

fn with_ones(features: Array2<f64>) -> Array2<f64> {
    let ones = Array2::ones((features.nrows(), 1));
    concatenate(Axis(1), &[ones.view(), features.view()]).expect("the same number of rows")
}

struct LogisticFit {
    /// `[N, 1 + F]`, the first column of ones
    x: Array2<f64>,
    /// `[N]`, 0 or 1
    labels: Array1<f64>,
    /// `[1 + F]`, the factor of half the squared weight
    penalty: Array1<f64>,
}

impl LogisticFit {
    fn solve(&self) -> Array1<f64> {
        let mut weights = Array1::zeros(self.x.ncols());
        let mut loss = self.loss(&weights);
        for _ in 0..MOST_STEPS {
            let (gradient, curvature) = self.derivatives(&weights);
            let mut step = solve(&curvature, &gradient);
            let gain = gradient.dot(&step) / 2.0;
            for _ in 0..MOST_HALVINGS {
                // allow for rounding
                if self.loss(&(&weights - &step)) <= loss + 1e-12 * loss {
                    break;
                }
                step /= 2.0;
            }
            weights -= &step;
            loss = self.loss(&weights);
            if gain < LEAST_GAIN * self.labels.len() as f64 {
                break;
            }
        }
        weights
    }

    fn loss(&self, weights: &Array1<f64>) -> f64 {
        let odds = self.x.dot(weights);
        // ln(1 + exp(-s η)) in a form that does not overflow
        let of_row = |(odds, label): (&f64, &f64)| {
            let margin = if *label > 0.5 { *odds } else { -odds };
            (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
        };
        let penalty = (weights * weights).dot(&self.penalty) / 2.0;
        odds.iter().zip(&self.labels).map(of_row).sum::<f64>() + penalty
    }

    /// The loss's gradient `[1 + F]` and second derivative `[1 + F, 1 + F]`.
    fn derivatives(&self, weights: &Array1<f64>) -> (Array1<f64>, Array2<f64>) {
        let p = self.x.dot(weights).mapv_into(|odds| 1.0 / (1.0 + (-odds).exp()));
        let gradient = self.x.t().dot(&(&p - &self.labels)) + weights * &self.penalty;
        let spread = p.mapv_into(|p| p * (1.0 - p)).insert_axis(Axis(1));
        let mut curvature = (&self.x * &spread).t().dot(&self.x);
        let mut diagonal = curvature.diag_mut();
        diagonal += &self.penalty;
        (gradient, curvature)
    }
}
