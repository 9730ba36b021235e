//! Measures of the similarity of two sets of points, of draws against observations, and of a measure's uncertainty.
//!
//! There is one file per measure; it opens with formula, source and conventions. All measures are functions of numbers:
//! they know neither models nor data sets. Points are rows, `[N, F]`; traces are rows of L samples. A weight says how
//! many times a row counts, so that [`bootstrap()`] can resample rows without copying them. Undefined results are NaN.

mod auc;
mod bootstrap;
mod coverage;
mod distances;
mod frechet;
mod linear;
mod logistic;
mod mmd;
mod moments;
mod neighbours;
mod quantile;
mod ridge;
mod scores;
mod spectrum;
mod two_sample;

pub use auc::auc;
pub use bootstrap::{Interval, bootstrap, bootstrap_all, of_rows};
pub use coverage::Intervals;
pub use frechet::{Gaussian, frechet};
pub use logistic::Logistic;
pub use mmd::Mmd;
pub use moments::{Standard, covariance, mean, with_squares};
pub use neighbours::{DensityCoverage, density_and_coverage, memorisation, nearest_distances};
pub use quantile::{median, quantile};
pub use ridge::Ridge;
pub use scores::{EnergyScore, VariogramScore};
pub use spectrum::{distance_db, power};
pub use two_sample::{Classifier, HeldOut, Sample, Scored, two_sample};

#[cfg(test)]
mod tests;
