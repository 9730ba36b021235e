//! The numbers behind the pictures of a report. They are part of the JSON, and [`report`](crate::report) draws them.

mod film;
mod latent;
mod traces;

pub use film::{AttentionResponse, FilmResponse, Quantiles};
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

/// More levels than this are not steps of a series; they are grouped by tens of dB.
const MOST_LEVELS: usize = 12;

/// The numbers behind the pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pictures {
    /// Two panels for each of some listeners: real traces over draws under their conditions, and one drawn listener.
    /// `None` for bare weights.
    pub level_series: Option<LevelSeries>,
    /// Some rows, from the best to the worst reconstruction …
    pub reconstructed: Vec<ShownRow>,
    /// … with one panel each.
    pub reconstructions: LevelSeries,
    pub latent: LatentMap,
    /// One per variable and FiLM block; empty without FiLM.
    pub film: Vec<FilmResponse>,
    /// One per variable and decoder level; empty without attention.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<AttentionResponse>,
}

/// A row whose reconstruction is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownRow {
    /// The row number in the data set, from 1.
    pub row: usize,
    pub subject: String,
    pub level_db: Option<f64>,
    /// `1 - Σ(made - target)² / Σ(target - training mean)²` of this row. The target is the reference trace, else the
    /// recording. `None` where undefined.
    pub explained_variance: Option<f64>,
}

/// The evaluated rows, with their reconstructions and reference traces.
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

    /// `can_draw` says whether listeners can be drawn, which needs training rows.
    pub(super) fn of(
        trained: &TrainedModel,
        model: &mut Cvae,
        evaluated: &Evaluated,
        latent: &LatentUnits,
        can_draw: bool,
    ) -> Result<Pictures> {
        let (reconstructed, reconstructions) = traces::reconstructions(evaluated);
        let film::Responses { film, attention } = film::responses(trained, model, evaluated)?;
        Ok(Pictures {
            level_series: can_draw.then(|| traces::level_series(trained, model, evaluated)).transpose()?,
            reconstructed,
            reconstructions,
            latent: LatentMap::of(evaluated.made, latent, evaluated.levels().as_deref()),
            film,
            attention,
        })
    }
}

impl Evaluated<'_> {
    /// The level of each row in dB, rounded to tens if there are too many; `None` if the model has no level variable.
    fn levels(&self) -> Option<Vec<f64>> {
        let levels = level_column(self.dataset, self.rows)?;
        match distinct(&levels).len() > MOST_LEVELS {
            true => Some(levels.iter().map(|level| (level / 10.0).round() * 10.0).collect()),
            false => Some(levels),
        }
    }
}

/// The distinct known levels, ascending.
fn distinct(levels_db: &[f64]) -> Vec<f64> {
    let mut distinct: Vec<f64> = levels_db.iter().copied().filter(|level| level.is_finite()).collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    distinct
}
