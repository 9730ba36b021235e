//! The regression of latents on monomials of the condition, and the metric on conditions that it implies.

use nalgebra::{DMatrix, SymmetricEigen, linalg::Cholesky};
use ndarray::{Array1, Array2, ArrayView1, Axis};

/// The maximum degree of the monomials …
const HIGHEST_DEGREE: usize = 3;
/// … and their maximum number, except that the linear terms are always included.
const MOST_TERMS: usize = 150;
/// The candidate ridges per row; cross-validation over subjects chooses one.
const RIDGES: [f64; 5] = [0.001, 0.01, 0.1, 1.0, 10.0];
/// The number of cross-validation folds over subjects.
const FOLDS: usize = 5;
/// Terms with a smaller standard deviation count as constant.
const SMALLEST_DEVIATION: f64 = 1e-6;

/// Gradients are computed at this many rows, by central differences with this step.
const GRADIENTS: usize = 512;
const STEP: f64 = 1e-3;
/// The minimum weight of directions in which latents do not change, relative to the direction in which they change
/// most.
const LEAST_SHARE: f64 = 0.05;

/// Ridge regression of latents `[N, Z]` on the monomials of encoded conditions `[N, S]`: up to degree 3 with at most 7
/// inputs, up to degree 2 with at most 15, else linear.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Regression {
    /// For each term, the inputs whose product it is.
    terms: Vec<Vec<usize>>,
    /// The range of each input over the rows; outside it, a cubic would diverge.
    range: Vec<[f64; 2]>,
    /// The mean and standard deviation of each term over the rows.
    moments: Vec<[f64; 2]>,
    /// `[1 + terms, Z]`: the intercept comes first.
    weights: Array2<f64>,
}

/// Sums over rows: products of terms with terms and with latents, and squares of the latents.
struct Sums {
    rows: f64,
    gram: DMatrix<f64>,
    cross: DMatrix<f64>,
    squares: f64,
}

impl Regression {
    /// `rows` are the rows of each subject.
    ///
    /// # Panics
    /// If there are no rows, or a value is not finite.
    pub fn new(condition: &Array2<f32>, latent: &Array2<f32>, rows: &[Vec<usize>]) -> Self {
        let column = |j: usize| condition.column(j).into_iter().map(|v| f64::from(*v));
        let range = (0..condition.ncols())
            .map(|j| column(j).fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], v| [lo.min(v), hi.max(v)]))
            .collect();
        let terms = terms(condition.ncols());
        let mut fit = Regression {
            moments: vec![[0.0, 1.0]; terms.len()],
            weights: Array2::zeros((1 + terms.len(), latent.ncols())),
            terms,
            range,
        };
        let mut design = Array2::zeros((condition.nrows(), 1 + fit.terms.len()));
        for (mut design, condition) in design.outer_iter_mut().zip(condition.outer_iter()) {
            design.assign(&fit.design(&to_f64(condition)));
        }
        for (moments, mut term) in fit.moments.iter_mut().zip(design.axis_iter_mut(Axis(1)).skip(1)) {
            let (mean, deviation) = (term.mean().expect("a row"), term.std(0.0));
            *moments = [mean, if deviation > SMALLEST_DEVIATION { deviation } else { 1.0 }];
            term.mapv_inplace(|v| (v - moments[0]) / moments[1]);
        }
        let latent = latent.mapv(f64::from);
        let folds: Vec<Sums> = (0..FOLDS.min(rows.len()))
            .map(|fold| {
                let rows: Vec<usize> = rows.iter().skip(fold).step_by(FOLDS).flatten().copied().collect();
                Sums::of(&design.select(Axis(0), &rows), &latent.select(Axis(0), &rows))
            })
            .collect();
        let solved = solve(folds.iter(), best_ridge(&folds));
        fit.weights = Array2::from_shape_fn(fit.weights.dim(), |at| solved[at]);
        fit
    }

    /// The expected latent `[Z]` under a condition `[S]`, which is clamped to the range of the rows.
    pub fn at(&self, condition: ArrayView1<f32>) -> Array1<f64> {
        let within = condition.iter().zip(&self.range).map(|(v, [lo, hi])| f64::from(*v).clamp(*lo, *hi));
        self.design(&within.collect::<Vec<_>>()).dot(&self.weights)
    }

    /// A matrix `[S, S]` by which conditions are multiplied so that they lie as far apart as latents change between
    /// them.
    ///
    /// It is the square root of the mean outer product of the gradient over the rows (Härdle and Stoker 1989, JASA
    /// 84:986; as a metric for kernels, Trivedi et al. 2014, UAI), divided by its largest eigenvalue, so that lengths
    /// in the direction of fastest change stay the same.
    pub fn metric(&self, condition: &Array2<f32>) -> Array2<f64> {
        let (rows, width) = condition.dim();
        let mut product = DMatrix::<f64>::zeros(width, width);
        let points = GRADIENTS.min(rows);
        for point in 0..points {
            let at = to_f64(condition.row(point * rows / points));
            let beside = |j: usize, step: f64| {
                let mut moved = at.clone();
                moved[j] += step;
                self.design(&moved)
            };
            let gradient: Vec<Array1<f64>> =
                (0..width).map(|j| ((beside(j, STEP) - beside(j, -STEP)) / (2.0 * STEP)).dot(&self.weights)).collect();
            product += DMatrix::from_fn(width, width, |i, j| gradient[i].dot(&gradient[j]));
        }
        let eigen = SymmetricEigen::new(product);
        let largest = eigen.eigenvalues.max();
        if largest <= f64::MIN_POSITIVE {
            return Array2::eye(width);
        }
        let share = |value: f64| (value.max(0.0) / largest + LEAST_SHARE) / (1.0 + LEAST_SHARE);
        let vectors = &eigen.eigenvectors;
        let root = vectors * DMatrix::from_diagonal(&eigen.eigenvalues.map(|v| share(v).sqrt())) * vectors.transpose();
        Array2::from_shape_fn((width, width), |at| root[at])
    }

    /// 1 and the terms `[1 + terms]`, each as a standard score over the rows.
    fn design(&self, condition: &[f64]) -> Array1<f64> {
        let product = |term: &Vec<usize>| term.iter().map(|j| condition[*j]).product::<f64>();
        let scores = self.terms.iter().zip(&self.moments).map(|(term, [mean, sd])| (product(term) - mean) / sd);
        std::iter::once(1.0).chain(scores).collect()
    }
}

impl Sums {
    fn of(design: &Array2<f64>, latent: &Array2<f64>) -> Self {
        let matrix = |m: Array2<f64>| DMatrix::from_fn(m.nrows(), m.ncols(), |i, j| m[[i, j]]);
        Sums {
            rows: design.nrows() as f64,
            gram: matrix(design.t().dot(design)),
            cross: matrix(design.t().dot(latent)),
            squares: latent.iter().map(|v| v * v).sum(),
        }
    }

    /// The squared errors of a regression on these rows.
    fn error(&self, weights: &DMatrix<f64>) -> f64 {
        self.squares - 2.0 * weights.dot(&self.cross) + weights.dot(&(&self.gram * weights))
    }
}

/// The weights `[1 + terms, Z]` from all these sums; the intercept has no penalty.
fn solve<'a>(folds: impl Iterator<Item = &'a Sums>, ridge: f64) -> DMatrix<f64> {
    let sums = folds.map(|s| (s.rows, s.gram.clone(), s.cross.clone()));
    let (rows, mut gram, cross) = sums.reduce(|a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2)).expect("a row");
    (1..gram.nrows()).for_each(|term| gram[(term, term)] += ridge * rows);
    Cholesky::new(gram).expect("a ridge makes it positive").solve(&cross)
}

/// The ridge that predicts left-out subjects best; with a single fold, the smallest.
fn best_ridge(folds: &[Sums]) -> f64 {
    let others = |out: usize| folds.iter().enumerate().filter(move |(i, _)| *i != out).map(|(_, sums)| sums);
    let error = |ridge: f64| -> f64 { (0..folds.len()).map(|i| folds[i].error(&solve(others(i), ridge))).sum() };
    let [least, rest @ ..] = RIDGES;
    if folds.len() == 1 {
        return least;
    }
    let better = |best: (f64, f64), next: (f64, f64)| if next.1 < best.1 { next } else { best };
    rest.map(|ridge| (ridge, error(ridge))).into_iter().fold((least, error(least)), better).0
}

/// All products of inputs up to the highest degree with at most [`MOST_TERMS`] terms.
fn terms(width: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = (0..width).map(|j| vec![j]).collect();
    let mut last = all.clone();
    for _ in 1..HIGHEST_DEGREE {
        let longer = |term: &Vec<usize>| {
            let term = term.clone();
            (term[term.len() - 1]..width).map(move |j| [&term[..], &[j]].concat())
        };
        let next: Vec<Vec<usize>> = last.iter().flat_map(longer).take(MOST_TERMS + 1).collect();
        if all.len() + next.len() > MOST_TERMS {
            break;
        }
        all.extend_from_slice(&next);
        last = next;
    }
    all
}

fn to_f64(values: ArrayView1<f32>) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// 20 subjects with 30 rows each, two conditioning variables and one latent.
    fn fitted(of: impl Fn(f32, f32, usize) -> f32) -> (Regression, Array2<f32>) {
        let value = |row: usize, column: usize| ((row * [37, 91][column]) % 601) as f32 / 200.0 - 1.5;
        let condition = Array2::from_shape_fn((600, 2), |(row, column)| value(row, column));
        let latent = Array2::from_shape_fn((600, 1), |(row, _)| of(value(row, 0), value(row, 1), row / 30));
        let rows: Vec<Vec<usize>> = (0..20).map(|subject| (subject * 30..(subject + 1) * 30).collect()).collect();
        (Regression::new(&condition, &latent, &rows), condition)
    }

    #[test]
    fn terms_are_all_monomials_as_far_as_they_are_few() {
        assert_eq!(terms(1), [vec![0], vec![0, 0], vec![0, 0, 0]]);
        assert_eq!(terms(2).len(), 2 + 3 + 4);
        assert_eq!(terms(7).len(), 7 + 28 + 84);
        assert_eq!(terms(8).len(), 8 + 36);
        assert_eq!(terms(200).len(), 200);
        assert_eq!(terms(0).len(), 0);
    }

    #[test]
    fn curves_and_products_are_followed_within_the_range_of_the_rows() {
        let curve = |a: f32, b: f32| 1.0 + a * a - 0.5 * a * b;
        let (fit, _) = fitted(|a, b, _| curve(a, b));
        for (a, b) in [(0.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (1.2, -0.5)] {
            let (found, wanted) = (fit.at(array![a, b].view())[0], f64::from(curve(a, b)));
            // the curve is a sum of terms, so only the ridge of 0.001 leaves something: here up to 9.4e-4
            assert!((found - wanted).abs() < 1e-3, "{a} {b}: {found} for {wanted}");
        }
        let edge = fit.at(array![1.5, 0.0].view());
        assert_eq!(fit.at(array![9.0, 0.0].view()), edge);
    }

    #[test]
    fn what_is_a_subjects_own_asks_for_more_ridge() {
        let own = |subject: usize| if subject.is_multiple_of(2) { 3.0 } else { -3.0 };
        let total = |fit: &Regression| fit.weights.iter().skip(1).map(|w| w * w).sum::<f64>();
        let (fit, _) = fitted(|a, _, subject| own(subject) * a);
        // a latent with variance 9 * 3/4 correlates with each of 9 terms by chance, as 600 rows do, and a ridge of 10
        // divides the weight by 11
        let chance = 9.0 * (9.0 * 0.75) / 600.0 / (11.0 * 11.0);
        assert!(total(&fit) < chance, "{}", total(&fit));
    }

    #[test]
    fn distances_count_where_latents_change() {
        let (fit, condition) = fitted(|a, b, _| 2.0 * (a + b));
        let metric = fit.metric(&condition);
        let length = |a: f64, b: f64| metric.dot(&array![a, b]).mapv(|v| v * v).sum().sqrt();
        // The ridge of 0.001 turns the direction of fastest change by less than 1e-4, whose square counts along it, and
        // leaves some gradient across it, which adds 7e-5 to the length there.
        assert!((length(1.0, 1.0) - 2.0_f64.sqrt()).abs() < 2.0 * 1e-4_f64.powi(2), "{metric}");
        let least = (2.0 * LEAST_SHARE / (1.0 + LEAST_SHARE)).sqrt();
        assert!((length(1.0, -1.0) - least).abs() < 1e-4, "{metric}");
        // for constant latents, all directions are equal
        let (flat, condition) = fitted(|_, _, _| 0.0);
        assert_eq!(flat.metric(&condition), Array2::<f64>::eye(2));
    }
}
