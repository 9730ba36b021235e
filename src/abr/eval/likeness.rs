//! How similar the set of generated traces is to the set of real ones: distances between the two, classifiers that try
//! to separate them, and nearest neighbours. A trace enters as its difference from the curve of its condition, in
//! principal components of the training rows. So a trace under a wrong condition is far from all real traces.
use crate::purpose;

use super::measures::{
    Classifier, Gaussian, Interval, Mmd, Sample, density_and_coverage, distance_db, frechet, mean, memorisation, power,
    two_sample,
};
use super::report::count_of;
use super::sides::{Compared, Sides, Twins, count};
use super::table::{ReportTable, TableCell};
use crate::engine::rng::Stream;
use ndarray::{Array1, Array2, Axis};
use serde::Serialize;

/// The number of neighbours for density and coverage.
const NEIGHBOURS: usize = 5;
/// Rows for the maximum mean discrepancy, at most: each bootstrap replicate goes through all pairs.
const MOST_PAIRED: usize = 600;
/// How often the real subjects are split in halves, to see what a classifier scores on two equivalent sets.
const HALVINGS: u64 = 5;
/// The seed of the folds and of the linear mixed model's twins.
const SEED: u64 = 1;
/// The frequency band of the spectral distance: that of most recordings.
const BAND_HZ: [f64; 2] = [100.0, 3000.0];

/// Measures of generated against real traces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Likeness {
    #[serde(flatten)]
    pub compared: Compared,
    pub rows: usize,
    pub subjects: usize,
    /// The model's traces against the real ones.
    pub model: LikenessMeasures,
    /// Traces of the linear mixed model (the curve of the condition plus a normal effect of the subject) against the
    /// real ones.
    pub mixed_model: Option<LikenessMeasures>,
    /// Training rows against the real ones: the distance between two sets of real subjects. `None` without training
    /// rows.
    pub training: Option<Floor>,
    /// The mean score of the classifiers on two halves of the real subjects, over several splits: .5 except for chance.
    /// `None` with fewer than four subjects.
    pub real_halves: Option<Aucs<f64>>,
}

/// One set of generated traces against the real ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LikenessMeasures {
    /// Squared Fréchet distance in µV² (see [`frechet`]).
    pub frechet_uv2: Interval,
    /// The same, divided by the distance between training and real rows.
    pub frechet_over_floor: Option<Interval>,
    /// Squared maximum mean discrepancy (see [`Mmd`]); 0 for equal sets.
    pub mmd2: Interval,
    /// Area under the curve of classifiers that separate generated from real traces of held-out subjects; .5 where they
    /// cannot.
    pub auc: Aucs<Interval>,
    /// See [`density_and_coverage`].
    pub density: f64,
    pub coverage: f64,
    /// Median distance of generated rows to the nearest training row (among 2000 at most), divided by that of real
    /// rows; well below 1 where the model copies training rows.
    pub memorisation: Option<f64>,
    /// Distance between the mean power spectra, from 100 to 3000 Hz (see [`distance_db`]).
    pub spectral_distance_db: Interval,
    /// Standard deviations of the generated traces about the curve of the condition.
    pub sd_uv: Deviations,
    /// The same of the real traces.
    pub real_sd_uv: Deviations,
}

/// The distances of training rows from real ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Floor {
    pub frechet_uv2: f64,
    pub mmd2: f64,
    pub spectral_distance_db: f64,
}

/// Areas under the curve of the two classifiers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Aucs<T> {
    /// Logistic regression on principal components and their squares.
    pub logistic: T,
    /// Distances to the fifth neighbour.
    pub neighbours: T,
}

/// Standard deviations of traces about the curve of their conditions, in µV; NaN where a part cannot be estimated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Deviations {
    /// Of the part that all recordings of a subject share.
    pub between_subjects: f64,
    /// Of the part that differs between a subject's cells.
    pub within_subjects: f64,
    /// Of recordings about their cell average.
    pub noise: f64,
}

/// Components of the variance of traces about the curve of their conditions, in µV² per sample; NaN where a component
/// cannot be estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Variances {
    /// Of the part that all recordings of a subject share: the mean product of two of its cells.
    between_subjects: f64,
    /// Of the part that differs between a subject's cells.
    within_subjects: f64,
    /// Of recordings about their cell average.
    noise: f64,
}

impl Likeness {
    /// Measures twins against the real rows; `training` are the training rows, if available.
    pub(super) fn of(sides: &Sides, training: Option<&Sides>, twins: &Twins) -> Likeness {
        let real = TraceSet::of(sides, &sides.real);
        let train = training.map(|training| TraceSet::of(training, &training.real));
        let floor = train.as_ref().map(|train| {
            let ones = |set: &TraceSet| vec![1.0; set.rows.len()];
            Floor {
                frechet_uv2: frechet(&train.gaussian(None), &real.gaussian(None)),
                mmd2: Mmd::new(train.paired().view(), real.paired().view()).squared(&ones(train), &ones(&real)),
                spectral_distance_db: real.spectral_distance(train, None, sides),
            }
        });
        let beside = |traces: &Array2<f64>| {
            LikenessMeasures::of(sides, &real, &TraceSet::of(sides, traces), train.as_ref(), floor)
        };
        Likeness {
            compared: sides.compared,
            rows: sides.rows.len(),
            subjects: sides.subject_count(),
            model: beside(&twins.compared),
            mixed_model: sides.mixed_model_twins(SEED).as_ref().map(beside),
            training: floor,
            real_halves: real_halves(sides, &real.scores),
        }
    }
}

/// The rows for the maximum mean discrepancy. They are chosen at random, because evenly spaced rows may all have the
/// same condition.
fn some(rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    Stream::new(0, purpose::EVALUATE, 5).rng(0).shuffle(&mut order);
    order.truncate(MOST_PAIRED);
    order
}

/// Traces in the form that the measures need.
struct TraceSet {
    /// `[N, components]`
    scores: Array2<f64>,
    /// `[N, L / 2 + 1]` in µV²/Hz.
    spectra: Array2<f64>,
    /// The rows for the maximum mean discrepancy.
    rows: Vec<usize>,
    variances: Variances,
}

impl TraceSet {
    fn of(sides: &Sides, traces: &Array2<f64>) -> TraceSet {
        let rate_hz = sides.dataset.sample_rate_hz;
        let spectra: Vec<Array1<f64>> = traces.outer_iter().map(|trace| power(trace, rate_hz)).collect();
        let views: Vec<_> = spectra.iter().map(|spectrum| spectrum.view()).collect();
        TraceSet {
            scores: sides.scores(traces.view()),
            spectra: ndarray::stack(Axis(0), &views).expect("spectra of one length"),
            rows: some(traces.nrows()),
            variances: Variances::of(&(traces - &sides.curve), &sides.cells.numbers(), &sides.subjects),
        }
    }

    fn gaussian(&self, weights: Option<&[f64]>) -> Gaussian {
        Gaussian::of(self.scores.view(), weights)
    }

    fn paired(&self) -> Array2<f64> {
        self.scores.select(Axis(0), &self.rows)
    }

    fn spectral_distance(&self, other: &TraceSet, weights: Option<&[f64]>, sides: &Sides) -> f64 {
        let other_weights = weights.filter(|weights| weights.len() == other.spectra.nrows());
        let (p, q) = (mean(self.spectra.view(), weights), mean(other.spectra.view(), other_weights));
        distance_db(p.view(), q.view(), sides.dataset.sample_rate_hz, sides.real.ncols(), BAND_HZ)
    }
}

impl LikenessMeasures {
    fn of(
        sides: &Sides,
        real: &TraceSet,
        made: &TraceSet,
        train: Option<&TraceSet>,
        floor: Option<Floor>,
    ) -> LikenessMeasures {
        let distance = |weights: &[f64]| frechet(&real.gaussian(Some(weights)), &made.gaussian(Some(weights)));
        let frechet_uv2 = sides.interval(distance);
        let over = |floor: f64| {
            let Interval { value, low, high } = frechet_uv2;
            Interval { value: value / floor, low: low.map(|low| low / floor), high: high.map(|high| high / floor) }
        };
        let discrepancy = Mmd::new(real.paired().view(), made.paired().view());
        let paired = |weights: &[f64]| -> Vec<f64> { real.rows.iter().map(|&row| weights[row]).collect() };
        let neighbours = density_and_coverage(real.scores.view(), made.scores.view(), NEIGHBOURS);
        LikenessMeasures {
            frechet_uv2,
            frechet_over_floor: floor.map(|floor| over(floor.frechet_uv2)),
            mmd2: sides.interval(|weights| discrepancy.squared(&paired(weights), &paired(weights))),
            auc: Aucs {
                logistic: auc(sides, real, made, Classifier::Logistic),
                neighbours: auc(sides, real, made, Classifier::Neighbours),
            },
            density: neighbours.density,
            coverage: neighbours.coverage,
            memorisation: train.map(|train| memorisation(train.scores.view(), made.scores.view(), real.scores.view())),
            spectral_distance_db: sides.interval(|weights| real.spectral_distance(made, Some(weights), sides)),
            sd_uv: Deviations::of(&made.variances),
            real_sd_uv: Deviations::of(&real.variances),
        }
    }
}

/// The area under the curve of one classifier. Twins count as other subjects than the real ones whose conditions they
/// share.
fn auc(sides: &Sides, real: &TraceSet, made: &TraceSet, classifier: Classifier) -> Interval {
    let count = sides.subject_count();
    let others: Vec<usize> = sides.subjects.iter().map(|subject| subject + count).collect();
    let held_out = two_sample(
        Sample { points: real.scores.view(), subjects: &sides.subjects },
        Sample { points: made.scores.view(), subjects: &others },
        classifier,
        SEED,
    );
    sides.interval(|weights| held_out.auc(Some(weights), Some(weights)))
}

/// Runs the classifiers on one half of the real subjects against the other.
fn real_halves(sides: &Sides, scores: &Array2<f64>) -> Option<Aucs<f64>> {
    let count = sides.subject_count();
    if count < 4 {
        return None;
    }
    let mean_auc = |classifier: Classifier| {
        let of_halving = |seed: u64| {
            let mut order: Vec<usize> = (0..count).collect();
            let stream = Stream::new(seed, purpose::EVALUATE, 6);
            stream.rng(0).shuffle(&mut order);
            let first: Vec<bool> = (0..count).map(|subject| order[..count / 2].contains(&subject)).collect();
            let half = |wanted: bool| {
                let rows: Vec<usize> =
                    (0..scores.nrows()).filter(|&row| first[sides.subjects[row]] == wanted).collect();
                let subjects: Vec<usize> = rows.iter().map(|&row| sides.subjects[row]).collect();
                (scores.select(Axis(0), &rows), subjects)
            };
            let (a, b) = (half(true), half(false));
            let [a, b] = [&a, &b].map(|(points, subjects)| Sample { points: points.view(), subjects });
            two_sample(a, b, classifier, seed).auc(None, None)
        };
        (0..HALVINGS).map(of_halving).sum::<f64>() / HALVINGS as f64
    };
    Some(Aucs { logistic: mean_auc(Classifier::Logistic), neighbours: mean_auc(Classifier::Neighbours) })
}

impl Variances {
    /// Estimates the components from residuals `[N, L]` in µV, given the cell and the subject of each row.
    ///
    /// A moment estimate from pairs of different recordings (Henderson 1953, Biometrics 9:226): the mean product of two
    /// recordings of one cell contains no noise, and that of two cells of one subject contains only what the cells
    /// share.
    fn of(residuals: &Array2<f64>, cells: &[usize], subjects: &[usize]) -> Variances {
        let length = residuals.ncols();
        let sums = |groups: &[usize]| {
            let mut sums = Array2::<f64>::zeros((count(groups), length));
            let mut sizes = vec![0.0; count(groups)];
            for (residual, &group) in residuals.outer_iter().zip(groups) {
                sums.row_mut(group).zip_mut_with(&residual, |sum, v| *sum += v);
                sizes[group] += 1.0;
            }
            let squares: f64 = sums.iter().map(|v| v * v).sum();
            (squares, sizes.iter().map(|n| n * n).sum::<f64>())
        };
        let n = residuals.nrows() as f64;
        let total: f64 = residuals.iter().map(|v| v * v).sum();
        let ((in_cells, cell_pairs), (in_subjects, subject_pairs)) = (sums(cells), sums(subjects));
        let mean = |sum: f64, pairs: f64| if pairs > 0.0 { sum / pairs / length as f64 } else { f64::NAN };
        let of_rows = mean(total, n);
        let of_cells = mean(in_cells - total, cell_pairs - n);
        let of_subjects = mean(in_subjects - in_cells, subject_pairs - cell_pairs);
        // unless a cell has two rows, the noise cannot be separated from the rest
        let noise = of_rows - of_cells;
        let within = if noise.is_nan() { of_rows - of_subjects } else { of_cells - of_subjects };
        Variances { between_subjects: of_subjects, within_subjects: within, noise }
    }
}

impl Likeness {
    /// Generated against real traces, as whole sets.
    pub(super) fn table(&self) -> ReportTable {
        let title = format!("as a whole, {} of {}", count_of(self.rows, "row"), count_of(self.subjects, "subject"));
        let mut table =
            ReportTable::new(title, &["", "model", "linear mixed model"]).with_note(self.compared.to_string());
        type Show = fn(&LikenessMeasures, &str) -> TableCell;
        let lines: [(&str, Show); 9] = [
            ("Fréchet distance, µV²", |b, at| TableCell::interval(b.frechet_uv2, 4, &format!("{at}/frechet_uv2"))),
            ("  over training rows' own", |b, at| {
                TableCell::some(b.frechet_over_floor, |v| {
                    TableCell::interval(v, 2, &format!("{at}/frechet_over_floor"))
                })
            }),
            ("mean discrepancy (MMD²)", |b, at| TableCell::interval(b.mmd2, 4, &format!("{at}/mmd2"))),
            ("told apart: AUC, logistic", |b, at| {
                TableCell::interval(b.auc.logistic, 2, &format!("{at}/auc/logistic"))
            }),
            ("told apart: AUC, neighbours", |b, at| {
                TableCell::interval(b.auc.neighbours, 2, &format!("{at}/auc/neighbours"))
            }),
            ("density, coverage", |b, at| {
                TableCell::number(b.density, 2, &format!("{at}/density"))
                    + ", "
                    + TableCell::number(b.coverage, 2, &format!("{at}/coverage"))
            }),
            ("nearest training row, over real", |b, at| {
                TableCell::some(b.memorisation, |v| TableCell::number(v, 2, &format!("{at}/memorisation")))
            }),
            ("spectral distance, dB", |b, at| {
                TableCell::interval(b.spectral_distance_db, 1, &format!("{at}/spectral_distance_db"))
            }),
            ("SD between, within, noise, µV", |b, at| b.sd_uv.cell(&format!("{at}/sd_uv"))),
        ];
        let mixed = self.mixed_model.as_ref();
        for (name, show) in lines {
            let of_mixed = TableCell::some(mixed, |beside| show(beside, "/likeness/mixed_model"));
            table.push(name, [show(&self.model, "/likeness/model"), of_mixed]);
        }
        let real = self.model.real_sd_uv.cell("/likeness/model/real_sd_uv");
        table.push("  of the real traces", [real, TableCell::none()]);
        if let Some(halves) = self.real_halves {
            let at = "/likeness/real_halves";
            let both = TableCell::number(halves.logistic, 2, &format!("{at}/logistic"))
                + ", "
                + TableCell::number(halves.neighbours, 2, &format!("{at}/neighbours"));
            table.push("AUCs of two halves of the real", [both, TableCell::none()]);
        }
        table
    }
}

impl Deviations {
    /// The square roots of the variance components; 0 where an estimate is negative.
    fn of(variances: &Variances) -> Deviations {
        // NaN stays NaN
        let root = |v: f64| if v < 0.0 { 0.0 } else { v.sqrt() };
        Deviations {
            between_subjects: root(variances.between_subjects),
            within_subjects: root(variances.within_subjects),
            noise: root(variances.noise),
        }
    }

    fn cell(&self, at: &str) -> TableCell {
        let part = |value, name| TableCell::number(value, 3, &format!("{at}/{name}"));
        part(self.between_subjects, "between_subjects")
            + ", "
            + part(self.within_subjects, "within_subjects")
            + ", "
            + part(self.noise, "noise")
    }
}

#[cfg(test)]
mod tests;
