//! Where latents come from when traces are generated: what the encoder made of training rows whose conditions are near.
//!
//! A standard normal prior is what the KL term pulls the posteriors to, all together and without regard to the condition. What
//! the decoder has learned to decode under a condition are the posteriors of the rows that had it: their mixture, the
//! aggregated posterior (Hoffman and Johnson 2016, "ELBO surgery"; Tomczak and Welling 2018, "VAE with a VampPrior",
//! arXiv:1705.07120), given the condition by a kernel (Nadaraya 1964; Watson 1964), moved along a regression from the row's
//! condition to the given one (as Beaumont et al. 2002, Genetics 162:2025, adjust draws).

mod regression;

use crate::rng::Draws;
use ndarray::{Array1, Array2, ArrayView1};
use regression::Regression;

/// Standard deviation of the kernel in encoded conditions, which have one of 1 over the training rows: along the direction in
/// which latents change most. Along the others it is wider ([`Regression::metric`]).
const BANDWIDTH: f64 = 0.2;
/// The kernel is widened until so many rows count (Kish's effective number), or all of them.
const FEWEST_ROWS: f64 = 20.0;
/// Draws scatter about a subject by this share of the deviation between subjects (the smoothed bootstrap, Silverman and Young
/// 1987): listeners between those that were recorded, and no copies.
const SMOOTHING: f64 = 0.5;

/// Posteriors of training rows with their conditions.
///
/// A latent has a part of its subject, which is the same in all that is drawn of one, and a part of the recording.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregatedPosterior {
    /// `[N, S]`, encoded.
    condition: Array2<f32>,
    /// `[N, Z]`
    mu: Array2<f32>,
    /// `[N, Z]`
    logvar: Array2<f32>,
    /// Whose each row is, counted from 0.
    subject: Vec<u32>,
    /// How far generated subjects vary beyond these rows: the factor on the deviations of `training.augment`.
    pub variation: f32,
    /// How mu goes with the condition …
    regression: Regression,
    /// `[N, Z]`: … and what it leaves of mu.
    residual: Array2<f64>,
    /// `[S, S]`: conditions times this lie as far apart as latents change between them …
    metric: Array2<f64>,
    /// `[N, S]`: … and those of the rows times it.
    places: Array2<f64>,
    /// The rows of each subject.
    rows: Vec<Vec<usize>>,
}

/// Rows and subjects by how near their conditions are to a given one.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// `[N, Z]`: mu of the rows, moved from their conditions to the given one.
    moved: Array2<f64>,
    /// Of each row among those of its subject, the nearest of which has 1.
    weights: Vec<f64>,
    /// Of each subject.
    subjects: Vec<f64>,
    /// `[subjects, Z]`: the weighted means of their rows, and that of all.
    means: Array2<f64>,
    mean: Array1<f64>,
}

/// Who is drawn: a training subject, and two whose difference smooths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subject {
    own: usize,
    between: [usize; 2],
}

impl AggregatedPosterior {
    /// The rows at most whose posteriors are kept.
    pub const MOST_ROWS: usize = 4096;

    /// Rows with encoded conditions `[N, S]` and posteriors `[N, Z]`, and whose each is, counted from 0.
    ///
    /// # Panics
    /// When there is no row, or not as many of each.
    pub fn new(condition: Array2<f32>, mu: Array2<f32>, logvar: Array2<f32>, subject: Vec<u32>) -> Self {
        assert!(condition.nrows() > 0 && condition.nrows() == mu.nrows(), "AggregatedPosterior: rows");
        assert_eq!(mu.dim(), logvar.dim(), "AggregatedPosterior: mu and logvar");
        assert_eq!(subject.len(), mu.nrows(), "AggregatedPosterior: subjects");
        let mut rows = vec![Vec::new(); 1 + *subject.iter().max().expect("a row") as usize];
        subject.iter().enumerate().for_each(|(row, &subject)| rows[subject as usize].push(row));
        rows.retain(|rows| !rows.is_empty());
        let regression = Regression::new(&condition, &mu, &rows);
        let mut residual = mu.mapv(f64::from);
        residual.outer_iter_mut().zip(condition.outer_iter()).for_each(|(mut mu, c)| mu -= &regression.at(c));
        let metric = regression.metric(&condition);
        let places = condition.mapv(f64::from).dot(&metric);
        AggregatedPosterior {
            condition,
            mu,
            logvar,
            subject,
            variation: 0.0,
            regression,
            residual,
            metric,
            places,
            rows,
        }
    }

    /// Conditions `[N, S]`, mu and logvar `[N, Z]`, and whose each row is.
    pub fn into_parts(self) -> (Array2<f32>, Array2<f32>, Array2<f32>, Vec<u32>) {
        (self.condition, self.mu, self.logvar, self.subject)
    }

    /// The conditions of the rows `[N, S]`.
    pub fn condition(&self) -> &Array2<f32> {
        &self.condition
    }

    /// The weights of all rows under a condition `[S]`; without one all weigh the same.
    pub fn near(&self, condition: Option<ArrayView1<f32>>) -> Near {
        let (squares, moved) = match condition {
            Some(wanted) => {
                let place = wanted.mapv(f64::from).dot(&self.metric);
                let square = |row: ArrayView1<f64>| row.iter().zip(&place).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
                let squares: Vec<f64> = self.places.outer_iter().map(square).collect();
                (squares, &self.residual + &self.regression.at(wanted))
            }
            None => (vec![0.0; self.mu.nrows()], self.mu.mapv(f64::from)),
        };
        let (weight, least) = kernel(&squares);
        let latent = self.mu.ncols();
        let (mut weights, mut subjects) = (vec![0.0; squares.len()], Vec::with_capacity(self.rows.len()));
        let (mut means, mut mean) = (Array2::zeros((self.rows.len(), latent)), Array1::<f64>::zeros(latent));
        for (rows, mut own) in self.rows.iter().zip(means.outer_iter_mut()) {
            let nearest = rows.iter().map(|&row| squares[row]).fold(f64::INFINITY, f64::min);
            let mut total = 0.0;
            for &row in rows {
                weights[row] = weight(squares[row] - nearest);
                total += weights[row];
                own.scaled_add(weights[row], &moved.row(row));
            }
            own /= total;
            subjects.push(total * weight(nearest - least));
            mean.scaled_add(total * weight(nearest - least), &own);
        }
        mean /= subjects.iter().sum::<f64>();
        Near { moved, weights, subjects, means, mean }
    }

    /// Draws a subject for recordings under these conditions.
    ///
    /// # Panics
    /// If there is none.
    pub fn subject<'a>(&self, near: impl Iterator<Item = &'a Near>, draws: &mut Draws) -> Subject {
        let mut weights = vec![0.0; self.rows.len()];
        near.for_each(|near| weights.iter_mut().zip(&near.subjects).for_each(|(sum, weight)| *sum += weight));
        let mut pick = || draws.weighted(weights.iter().copied());
        Subject { own: pick(), between: [pick(), pick()] }
    }

    /// Draws the latent `[Z]` of a recording: `z` holds the standard normal numbers of its subject, which become its latent.
    pub fn draw(&self, near: &Near, subject: &Subject, recording: &mut Draws, z: &mut [f32]) {
        let rows = &self.rows[subject.own];
        let row = rows[recording.weighted(rows.iter().map(|&row| near.weights[row]))];
        // the difference of two subjects has twice the variance between subjects; the whole keeps it
        let keep = 1.0 / (1.0 + SMOOTHING * SMOOTHING).sqrt();
        let share = SMOOTHING / 2.0_f64.sqrt();
        let [one, other] = subject.between;
        for (unit, z) in z.iter_mut().enumerate() {
            let means = near.means.column(unit);
            let about = means[subject.own] - near.mean[unit] + share * (means[one] - means[other]);
            let of_recording = near.moved[[row, unit]] - means[subject.own];
            let drawn = f64::from(*z) * (0.5 * f64::from(self.logvar[[row, unit]])).exp();
            *z = (near.mean[unit] + keep * about + of_recording + drawn) as f32;
        }
    }
}

/// The kernel by which rows count whose squared distances from the given condition are these, of the square beyond the least one;
/// and that.
fn kernel(squares: &[f64]) -> (impl Fn(f64) -> f64, f64) {
    let nearest = squares.iter().copied().fold(f64::INFINITY, f64::min);
    let enough = FEWEST_ROWS.min(squares.len() as f64 * 0.99);
    let mut bandwidth = BANDWIDTH;
    let weight = |square: f64, bandwidth: f64| (-square / (2.0 * bandwidth * bandwidth)).exp();
    loop {
        let (mut sum, mut sum_of_squares) = (0.0, 0.0);
        for square in squares {
            let weight = weight(square - nearest, bandwidth);
            (sum, sum_of_squares) = (sum + weight, sum_of_squares + weight * weight);
        }
        if sum * sum >= enough * sum_of_squares {
            break;
        }
        bandwidth *= 1.25;
    }
    (move |square| weight(square, bandwidth), nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use ndarray::{Array3, array, s};

    /// Levels from -1.5 to 1.5, 40 rows each, and a unit that is twice the level; the other tells the two subjects apart.
    fn prior() -> AggregatedPosterior {
        let level = |row: usize| -1.5 + 0.25 * (row % 13) as f32;
        let subject = |row: usize| (row / 13 % 2) as u32;
        AggregatedPosterior::new(
            Array2::from_shape_fn((520, 1), |(row, _)| level(row)),
            Array2::from_shape_fn((520, 2), |(row, unit)| match unit {
                0 => 2.0 * level(row),
                _ => 3.0 - 6.0 * subject(row) as f32,
            }),
            Array2::from_elem((520, 2), (0.04_f32).ln()),
            (0..520).map(subject).collect(),
        )
    }

    fn stream(layer: u32) -> Stream {
        Stream::new(3, Purpose::Test, layer)
    }

    /// So many subjects, each under all conditions: `[subjects, conditions, 2]`.
    fn drawn(prior: &AggregatedPosterior, conditions: &[Option<f32>], subjects: u32) -> Array3<f32> {
        let near = conditions.iter().map(|c| prior.near(c.map(|c| array![c]).as_ref().map(|c| c.view())));
        let near: Vec<Near> = near.collect();
        let mut z = Array3::zeros((subjects as usize, conditions.len(), 2));
        for (sample, mut series) in z.outer_iter_mut().enumerate() {
            let subject = prior.subject(near.iter(), &mut stream(0).draws(sample as u32));
            for (at, mut z) in series.outer_iter_mut().enumerate() {
                let z = z.as_slice_mut().unwrap();
                stream(1).normals(sample as u32, z);
                let recording = (sample * conditions.len() + at) as u32;
                prior.draw(&near[at], &subject, &mut stream(2).draws(recording), z);
            }
        }
        z
    }

    fn moments(column: ArrayView1<f32>) -> (f64, f64) {
        let values = column.mapv(f64::from);
        (values.mean().unwrap(), values.var(0.0))
    }

    #[test]
    fn latents_are_those_of_rows_with_a_near_condition() {
        let prior = prior();
        for level in [-0.5_f32, 0.0, 0.5] {
            let z = drawn(&prior, &[Some(level)], 4000);
            let (mean, variance) = moments(z.slice(s![.., 0, 0]));
            // moved along the regression, rows differ by their posteriors alone
            assert!((mean - 2.0 * f64::from(level)).abs() < 0.06, "{level}: {mean}");
            assert!((variance - 0.04).abs() < 0.02, "{level}: {variance}");
            // smoothing moves subjects, and keeps their variance
            let of_subjects = z.slice(s![.., 0, 1]);
            let (mean, variance) = moments(of_subjects);
            assert!(mean.abs() < 0.3 && (variance - 9.04).abs() < 0.6, "{mean} {variance}");
            let between = of_subjects.iter().filter(|v| (v.abs() - 2.7).abs() > 1.0).count();
            assert!((1000..3000).contains(&between), "{between}");
        }
    }

    #[test]
    fn a_subject_is_the_same_under_all_conditions() {
        let z = drawn(&prior(), &[Some(-1.0), Some(1.0), Some(-1.0)], 500);
        for series in z.outer_iter() {
            // recordings of one subject differ by their rows, which the regression brings near to each other
            assert!((series[[0, 1]] - series[[1, 1]]).abs() < 1e-3, "{series}");
            assert!((series[[0, 0]] - series[[2, 0]]).abs() < 0.1, "{series}");
            assert!((series[[1, 0]] - series[[0, 0]] - 4.0).abs() < 0.1, "{series}");
        }
    }

    #[test]
    fn far_from_all_rows_the_nearest_count_and_without_a_condition_all() {
        let prior = prior();
        let near = prior.near(Some(array![40.0].view()));
        let total: f64 = near.weights.iter().sum();
        let level = near.weights.iter().zip(prior.condition.column(0)).map(|(w, l)| w * f64::from(*l)).sum::<f64>();
        assert!((1.3..=1.5).contains(&(level / total)), "{level} {total}");
        assert!(near.mean.iter().all(|v| v.is_finite()));
        let (mean, variance) = moments(drawn(&prior, &[None], 4000).slice(s![.., 0, 0]));
        // the variance of 13 even steps of a half
        let wanted = 0.25 * (13.0 * 13.0 - 1.0) / 12.0 + 0.04;
        assert!(mean.abs() < 0.15 && (variance - wanted).abs() < 0.3, "{mean} {variance} {wanted}");
    }

    #[test]
    fn rows_are_moved_along_curves() {
        // two conditions, few rows: the kernel reaches far, and there are 16 levels of each
        let level = |row: usize, column: usize| -1.5 + 0.2 * (if column == 0 { row % 16 } else { row / 16 }) as f32;
        let curve = |a: f32, b: f32| 2.0 * a * a + a * b;
        let prior = AggregatedPosterior::new(
            Array2::from_shape_fn((256, 2), |(row, column)| level(row, column)),
            Array2::from_shape_fn((256, 2), |(row, _)| curve(level(row, 0), level(row, 1))),
            Array2::from_elem((256, 2), -200.0),
            (0..256).map(|row| row % 7).collect(),
        );
        for wanted in [array![0.0_f32, 0.0], array![1.2, -1.2], array![-1.0, -0.5]] {
            let near = prior.near(Some(wanted.view()));
            let curve = f64::from(curve(wanted[0], wanted[1]));
            // all rows, the farthest too
            let worst = near.moved.iter().map(|moved| (moved - curve).abs()).fold(0.0, f64::max);
            assert!(worst < 0.3, "{wanted}: {worst} off {curve}");
        }
    }

    #[test]
    fn one_row_alone_is_its_own_posterior() {
        let logvar = Array2::from_elem((1, 2), -200.0);
        let prior = AggregatedPosterior::new(array![[0.0]], array![[1.0, -2.0]], logvar, vec![0]);
        assert_eq!(drawn(&prior, &[Some(5.0)], 8).slice(s![7, 0, ..]), array![1.0, -2.0]);
    }
}
