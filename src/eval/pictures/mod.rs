//! What the pictures of a report show, as numbers: it stands in the JSON, and [`report`](crate::report) draws it.

mod film;
mod latent;
mod traces;

pub use film::{FilmResponse, Quantiles};
pub use latent::{KlAtLevel, LatentMap, LatentPoint};

use super::level_series::LevelSeries;
use super::metrics::LatentUnits;
use super::reference::Reference;
use super::table::{ReportTable, TableCell};
use super::{Reconstruction, level_column};
use crate::checkpoint::TrainedModel;
use crate::data::Dataset;
use crate::error::Result;
use crate::model::Cvae;
use serde::Serialize;

/// More levels than this are no steps of a series: they are taken together by tens of dB.
const MOST_LEVELS: usize = 12;

/// The numbers behind the pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pictures {
    /// Of some listeners two panels each: real traces over what is drawn under their conditions, and one drawn
    /// listener. None of bare weights.
    pub level_series: Option<LevelSeries>,
    /// Rows between the best reconstructed one and the worst …
    pub reconstructed: Vec<ShownRow>,
    /// … a panel each.
    pub reconstructions: LevelSeries,
    pub latent: LatentMap,
    /// One a FiLM block; empty without FiLM.
    pub film: Vec<FilmResponse>,
}

/// A row whose reconstruction is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownRow {
    /// In the data set, from 1.
    pub row: usize,
    pub subject: String,
    pub level_db: Option<f64>,
    /// `1 - Σ(made - target)² / Σ(target - training mean)²` of this row, the target being what stands for the truth, or
    /// else the recording; none where that is not defined.
    pub explained_variance: Option<f64>,
}

/// The rows that are evaluated, and what the model makes of them.
pub(super) struct Evaluated<'a> {
    pub dataset: &'a Dataset,
    pub rows: &'a [usize],
    pub made: &'a Reconstruction,
    pub reference: &'a Reference,
}

impl Pictures {
    /// The rows whose reconstructions are shown.
    pub fn reconstructed_table(&self) -> ReportTable {
        let mut table = ReportTable::new("reconstructions that are shown", &["", "level, dB", "explained"]);
        for (i, shown) in self.reconstructed.iter().enumerate() {
            let at = |name: &str| format!("/pictures/reconstructed/{i}/{name}");
            let level = TableCell::some(shown.level_db, |level| TableCell::number(level, 1, &at("level_db")));
            let share = TableCell::some(shown.explained_variance, |share| {
                TableCell::percent(share, 1, &at("explained_variance"))
            });
            table.push(format!("row {}: {}", shown.row, shown.subject), [level, share]);
        }
        table
    }

    /// `can_draw`: whether there are training rows to draw listeners by.
    pub(super) fn of(
        trained: &TrainedModel,
        model: &mut Cvae,
        evaluated: &Evaluated,
        latent: &LatentUnits,
        can_draw: bool,
    ) -> Result<Pictures> {
        let (reconstructed, reconstructions) = traces::reconstructions(evaluated);
        Ok(Pictures {
            level_series: can_draw.then(|| traces::level_series(trained, model, evaluated)).transpose()?,
            reconstructed,
            reconstructions,
            latent: LatentMap::of(evaluated.made, latent, evaluated.levels().as_deref()),
            film: film::responses(trained, model, evaluated)?,
        })
    }
}

impl Evaluated<'_> {
    /// The level of each row in dB, by tens where there are too many; `None` where the model knows none.
    fn levels(&self) -> Option<Vec<f64>> {
        let levels = level_column(self.dataset, self.rows)?;
        match distinct(&levels).len() > MOST_LEVELS {
            true => Some(levels.iter().map(|level| (level / 10.0).round() * 10.0).collect()),
            false => Some(levels),
        }
    }
}

/// Each known level once, ascending.
fn distinct(levels_db: &[f64]) -> Vec<f64> {
    let mut distinct: Vec<f64> = levels_db.iter().copied().filter(|level| level.is_finite()).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    distinct
}
