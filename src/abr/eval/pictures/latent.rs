//! The use of the latent units by level, and the positions of recordings in the latent space.

use super::distinct;
use crate::eval::Reconstruction;
use crate::eval::metrics::LatentUnits;
use ndarray::{Array2, Axis};
use serde::Serialize;

/// The maximum number of points in the map.
const MOST_POINTS: usize = 400;

/// The use of the latent units by level, and a map of two of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatentMap {
    /// In ascending order of level; empty without levels.
    pub kl_by_level: Vec<KlAtLevel>,
    /// The two units with the largest KL; `None` with fewer than two units.
    pub units: Option<[usize; 2]>,
    /// The rows' mu in these two units; an evenly spaced selection if there are many rows.
    pub points: Vec<LatentPoint>,
}

/// The KL of each unit over rows of one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KlAtLevel {
    pub level_db: f64,
    pub rows: usize,
    /// `[Z]`
    pub kl_nats: Vec<f64>,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LatentPoint {
    /// Minus the mean of a learned prior.
    pub mu: [f32; 2],
    pub level_db: Option<f64>,
}

impl LatentMap {
    /// For rows with levels `levels_db [N]`, NaN where unknown; `latent` holds the measures over all rows.
    pub(super) fn of(made: &Reconstruction, latent: &LatentUnits, levels_db: Option<&[f64]>) -> LatentMap {
        let centred = &made.mu - &made.prior_mean;
        let units = match latent.by_kl()[..] {
            [first, second, ..] => Some([first, second]),
            _ => None,
        };
        let step = made.mu.nrows().div_ceil(MOST_POINTS).max(1);
        let level = |row: usize| levels_db.map(|levels| levels[row]).filter(|level| level.is_finite());
        let point = |units: [usize; 2], row: usize| LatentPoint {
            mu: units.map(|unit| centred[[row, unit]]),
            level_db: level(row),
        };
        let rows = (0..made.mu.nrows()).step_by(step);
        LatentMap {
            kl_by_level: levels_db.map_or(Vec::new(), |levels| by_level(&centred, &made.logvar, levels)),
            units,
            points: units.map_or(Vec::new(), |units| rows.map(|row| point(units, row)).collect()),
        }
    }
}

/// From mu minus the prior's mean, and logvar, both `[N, Z]`.
fn by_level(centred: &Array2<f32>, logvar: &Array2<f32>, levels: &[f64]) -> Vec<KlAtLevel> {
    let at = |level_db: f64| {
        let rows: Vec<usize> = (0..levels.len()).filter(|&row| levels[row] == level_db).collect();
        let of_level = |values: &Array2<f32>| values.select(Axis(0), &rows);
        let units = LatentUnits::of(of_level(centred).view(), of_level(logvar).view());
        KlAtLevel { level_db, rows: rows.len(), kl_nats: units.kl_nats }
    };
    distinct(levels).into_iter().map(at).collect()
}
