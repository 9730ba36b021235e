//! The mean trace as a smooth curve of the condition: at each sample, a sum of one cubic per encoded variable.

use super::products::CrossProduct;
use super::stored;
use nalgebra::{DMatrix, linalg::Cholesky};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

/// The highest power of an encoded variable.
const DEGREE: usize = 3;
/// The candidate ridges per row, for all terms except the constant. The smallest only stabilises nearly collinear
/// powers; with few listeners, larger ones keep the curve from fitting individual listeners.
const RIDGES: [f64; 7] = [1e-6, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0];
/// The maximum number of cross-validation folds over listeners.
const FOLDS: usize = 10;

/// A least-squares fit to the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// For each encoded variable: its smallest and largest training value, beyond which the curve is constant, and the
    /// number of powers: at most the number of distinct values minus one, so that a category or a flag is a step.
    inputs: Vec<Input>,
    /// `[1 + powers, L]` in µV.
    #[serde(with = "stored::matrix")]
    weights: Array2<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Input {
    lowest: f32,
    highest: f32,
    powers: usize,
}

impl Input {
    fn of(values: ArrayView1<f32>) -> Input {
        let mut seen: Vec<f32> = Vec::new();
        for &value in values {
            if seen.len() <= DEGREE && !seen.contains(&value) {
                seen.push(value);
            }
        }
        let range = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
        Input { lowest: range.0, highest: range.1, powers: (seen.len() - 1).min(DEGREE) }
    }

    /// The value scaled to -1 to 1 over the training rows.
    fn place(&self, value: f32) -> f64 {
        let width = f64::from(self.highest) - f64::from(self.lowest);
        let value = f64::from(value.clamp(self.lowest, self.highest));
        if width > 0.0 { 2.0 * (value - f64::from(self.lowest)) / width - 1.0 } else { 0.0 }
    }
}

impl Curve {
    /// Whether it fits traces and conditions of these sizes, and is finite.
    pub(super) fn is_sound(&self, length: usize, inputs: usize) -> bool {
        let finite =
            |input: &Input| input.lowest.is_finite() && input.lowest <= input.highest && input.highest.is_finite();
        let powers = self.inputs.iter().map(|input| input.powers);
        self.inputs.len() == inputs
            && self.inputs.iter().all(finite)
            && powers.clone().all(|powers| powers <= DEGREE)
            && self.weights.dim() == (1 + powers.sum::<usize>(), length)
            && self.weights.iter().all(|value| value.is_finite())
    }

    /// Fits the rows `signal(row) [L]` in µV from encoded `conditions [N, S]`. Cross-validation over `groups` chooses
    /// the ridge.
    ///
    /// # Panics
    /// If there are no rows.
    pub fn fit<'a>(
        conditions: ArrayView2<f32>,
        signal: impl Fn(usize) -> ArrayView1<'a, f32>,
        groups: &[usize],
    ) -> Curve {
        let inputs: Vec<Input> = conditions.columns().into_iter().map(Input::of).collect();
        let terms = 1 + inputs.iter().map(|input| input.powers).sum::<usize>();
        let length = signal(0).len();
        let folds = groups.iter().max().map_or(1, |last| (last + 1).min(FOLDS));
        let mut parts: Vec<Fold> = (0..folds).map(|_| Fold::new(terms, length)).collect();
        for (row, condition) in conditions.outer_iter().enumerate() {
            parts[groups[row] % folds].add(&terms_of(&inputs, condition), signal(row));
        }
        let parts: Vec<NormalEquations> = parts.into_iter().map(Fold::finish).collect();
        let mut all = NormalEquations::new(terms, length);
        parts.iter().for_each(|part| all.merge(part, 1.0));
        let error = |ridge: f64| -> f64 {
            let without = |part: &NormalEquations| {
                let mut rest = all.clone();
                rest.merge(part, -1.0);
                part.error(&rest.solve(ridge))
            };
            parts.iter().map(without).sum()
        };
        let errors = RIDGES.map(|ridge| if folds > 1 { error(ridge) } else { ridge });
        let best = (0..RIDGES.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).expect("some ridges");
        Curve { inputs, weights: all.solve(RIDGES[best]) }
    }

    /// The curve `[L]` in µV at an encoded condition `[S]`.
    pub fn at(&self, condition: ArrayView1<f32>) -> Array1<f64> {
        Array1::from(terms_of(&self.inputs, condition)).dot(&self.weights)
    }

    /// The curve `[M, L]` in µV at encoded `conditions [M, S]`.
    pub fn predict(&self, conditions: ArrayView2<f32>) -> Array2<f64> {
        let mut terms = Array2::zeros((conditions.nrows(), self.weights.nrows()));
        for (mut to, condition) in terms.outer_iter_mut().zip(conditions.outer_iter()) {
            to.assign(&Array1::from(terms_of(&self.inputs, condition)));
        }
        terms.dot(&self.weights)
    }
}

/// The normal equations of some rows.
#[derive(Debug, Clone)]
struct NormalEquations {
    rows: f64,
    /// Products of terms with terms, `[terms, terms]`.
    gram: Array2<f64>,
    /// Products of terms with samples, `[terms, L]`.
    cross: Array2<f64>,
    /// The sum of squared samples.
    squares: f64,
}

impl NormalEquations {
    fn new(terms: usize, length: usize) -> NormalEquations {
        let (gram, cross) = (Array2::zeros((terms, terms)), Array2::zeros((terms, length)));
        NormalEquations { rows: 0.0, gram, cross, squares: 0.0 }
    }

    fn merge(&mut self, other: &NormalEquations, sign: f64) {
        self.rows += sign * other.rows;
        self.gram.scaled_add(sign, &other.gram);
        self.cross.scaled_add(sign, &other.cross);
        self.squares += sign * other.squares;
    }

    /// The weights `[terms, L]` of the ridge regression.
    fn solve(&self, ridge: f64) -> Array2<f64> {
        let (terms, length) = self.cross.dim();
        let mut gram = DMatrix::from_fn(terms, terms, |i, j| self.gram[[i, j]]);
        for i in 0..terms {
            // the constant has no penalty, except to avoid a singular matrix without rows
            gram[(i, i)] += if i > 0 { ridge * self.rows.max(1.0) } else { f64::MIN_POSITIVE };
        }
        let cross = DMatrix::from_fn(terms, length, |i, j| self.cross[[i, j]]);
        let solved = Cholesky::new(gram).map(|cholesky| cholesky.solve(&cross));
        solved.map_or_else(|| Array2::zeros((terms, length)), |w| Array2::from_shape_fn((terms, length), |at| w[at]))
    }

    /// The squared error of `weights` on these rows.
    fn error(&self, weights: &Array2<f64>) -> f64 {
        self.squares - 2.0 * (weights * &self.cross).sum() + (weights * &self.gram.dot(weights)).sum()
    }
}

/// The normal equations of one fold.
struct Fold {
    rows: f64,
    gram: CrossProduct,
    cross: CrossProduct,
    squares: f64,
}

impl Fold {
    fn new(terms: usize, length: usize) -> Fold {
        Fold { rows: 0.0, gram: CrossProduct::new(terms, terms), cross: CrossProduct::new(terms, length), squares: 0.0 }
    }

    fn add(&mut self, terms: &[f64], signal: ArrayView1<f32>) {
        let terms = || terms.iter().map(|v| *v as f32);
        self.rows += 1.0;
        self.gram.add(terms(), terms());
        self.cross.add(terms(), signal.iter().copied());
        self.squares += signal.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    }

    fn finish(self) -> NormalEquations {
        let Fold { rows, gram, cross, squares } = self;
        NormalEquations { rows, gram: gram.finish(), cross: cross.finish(), squares }
    }
}

fn terms_of(inputs: &[Input], condition: ArrayView1<f32>) -> Vec<f64> {
    let mut terms = vec![1.0];
    for (input, value) in inputs.iter().zip(condition) {
        let place = input.place(*value);
        terms.extend((1..=input.powers as i32).map(|power| place.powi(power)));
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels from -1 to 1 and a flag, for `listeners` with 21 rows each.
    fn conditions(listeners: usize) -> Array2<f32> {
        Array2::from_shape_fn((21 * listeners, 2), |(row, i)| match i {
            0 => (row % 21) as f32 / 10.0 - 1.0,
            _ => (row % 2) as f32,
        })
    }

    fn groups(listeners: usize) -> Vec<usize> {
        (0..21 * listeners).map(|row| row / 21).collect()
    }

    #[test]
    fn a_cubic_and_a_step_come_back_and_beyond_the_range_it_is_flat() {
        let conditions = conditions(4);
        let wanted = |level: f32, flag: f32, i: usize| {
            (1 + i) as f32 * (0.5 - level + 0.25 * level.powi(2) + 2.0 * level.powi(3)) + 3.0 * flag
        };
        let signals = Array2::from_shape_fn((84, 3), |(row, i)| wanted(conditions[[row, 0]], conditions[[row, 1]], i));
        let curve = Curve::fit(conditions.view(), |row| signals.row(row), &groups(4));
        assert_eq!(curve.inputs.iter().map(|input| input.powers).collect::<Vec<_>>(), [3, 1]);
        let made = curve.predict(conditions.view());
        // the ridge, at least 1e-6 per row, biases the fit a little; a missing power would leave more than 0.1
        assert!(made.iter().zip(&signals).all(|(a, b)| (a - f64::from(*b)).abs() < 1e-3));
        let beyond = curve.predict(ndarray::array![[5.0, 1.0], [1.0, 1.0]].view());
        assert_eq!(beyond.row(0), beyond.row(1));
        let text = serde_json::to_string(&curve).unwrap();
        let again: Curve = serde_json::from_str(&text).unwrap();
        assert!((again.predict(conditions.view()) - made).iter().all(|v| v.abs() < 1e-5));
    }

    #[test]
    fn what_is_one_listeners_alone_is_not_taken_for_the_condition() {
        // two listeners with opposite slopes
        let conditions = conditions(2);
        let slope = |row: usize| if row < 21 { 1.0 } else { -0.9 };
        let signals = Array2::from_shape_fn((42, 1), |(row, _)| slope(row) * conditions[[row, 0]]);
        let curve = Curve::fit(conditions.view(), |row| signals.row(row), &groups(2));
        // the mean of the slopes, (1 - 0.9) / 2, which the shrinkage may only reduce
        assert!(curve.weights.column(0).iter().skip(1).all(|weight| weight.abs() < 0.05), "{}", curve.weights);
        // a single listener cannot show that
        let alone = Curve::fit(conditions.slice(ndarray::s![..21, ..]), |row| signals.row(row), &groups(1));
        // the slope of this listener is 1; the smallest ridge is the rest
        assert!((alone.weights[[1, 0]] - 1.0).abs() < 1e-3, "{}", alone.weights);
    }
}
