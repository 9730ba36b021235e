//! The model's errors for each subject and for each condition.

use super::Reference;
use super::metrics::{TraceErrors, explained_variance, squares};
use super::table::{ReportTable, TableCell};
use crate::data::cells::Cells;
use crate::data::split::is_row_number;
use crate::data::{Column, Dataset, Values};
use ndarray::{Array2, Axis};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::{self, Display, Formatter};

/// With more conditions than this, there is no table.
const MOST_CONDITIONS: usize = 200;

/// The errors of some rows: against their reference traces where rows have them, else against the recordings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupErrors {
    /// The subject or the condition that the rows share.
    #[serde(flatten)]
    pub group: RowGroup,
    pub rows: usize,
    pub mse_uv2: f64,
    pub rmse_uv: f64,
    /// The mean correlation over the rows where it is defined.
    pub pearson_r: f64,
    /// As in [`GoodnessOfFit`](super::GoodnessOfFit); `None` where the training mean is unknown.
    pub explained_variance: Option<f64>,
    /// The explained variance, as a share of the reference variance that is not noise.
    pub share_of_ceiling: Option<f64>,
}

/// What rows have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowGroup {
    Subject(String),
    /// The conditioning variables and their values.
    Condition(Map<String, Value>),
}

/// One entry per subject; empty where rows have no subjects.
pub(super) fn by_subject(
    dataset: &Dataset,
    rows: &[usize],
    made: &Array2<f32>,
    reference: &Reference,
) -> Vec<GroupErrors> {
    if rows.iter().any(|&row| is_row_number(&dataset.subjects[row]) || dataset.subjects[row].is_empty()) {
        return Vec::new();
    }
    let of = |members: &[u32]| {
        let name = dataset.subjects[rows[members[0] as usize]].clone();
        GroupErrors::of(RowGroup::Subject(name), members, made, reference)
    };
    Cells::of_subjects(dataset, rows).iter().filter_map(of).collect()
}

/// One entry per condition; empty where nearly every row has its own condition.
pub(super) fn by_condition(
    dataset: &Dataset,
    rows: &[usize],
    made: &Array2<f32>,
    reference: &Reference,
) -> Vec<GroupErrors> {
    let conditions = Cells::of_conditions(dataset, rows);
    let count = conditions.iter().len();
    if count > MOST_CONDITIONS || 2 * count > rows.len() {
        return Vec::new();
    }
    let of = |members: &[u32]| {
        let row = rows[members[0] as usize];
        let named = dataset.conditions.iter().map(|column| (column.name.clone(), value(column, row)));
        GroupErrors::of(RowGroup::Condition(named.collect()), members, made, reference)
    };
    conditions.iter().filter_map(of).collect()
}

fn value(column: &Column, row: usize) -> Value {
    match &column.values {
        Values::Number(values) => Value::from(values[row]),
        Values::Text(values) => Value::from(values[row].as_str()),
    }
}

impl GroupErrors {
    /// `None` where other groups have reference traces and this one does not.
    fn of(group: RowGroup, members: &[u32], made: &Array2<f32>, reference: &Reference) -> Option<GroupErrors> {
        let places = members.iter().map(|place| *place as usize);
        let (places, target): (Vec<usize>, Vec<_>) = match &reference.traces {
            Some(_) => places.filter_map(|place| Some((place, reference.trace_of(place)?))).unzip(),
            None => places.map(|place| (place, reference.recorded.row(place))).unzip(),
        };
        let target = ndarray::stack(Axis(0), &target).ok()?;
        let made = made.select(Axis(0), &places);
        let summary = TraceErrors::of(made.view(), target.view()).summary();
        let mse_uv2 = summary.spreads[0].mean;
        let explained = reference.mean.as_ref().map(|mean| explained_variance(made.view(), target.view(), mean.view()));
        // each group has its own ceiling: at low levels, little can be explained
        let noise: f64 = places.iter().map(|&place| reference.noise_of_trace(place)).sum();
        let ceiling =
            reference.traces.as_ref().zip(reference.mean.as_ref()).map(|(_, mean)| {
                1.0 - noise / target.outer_iter().map(|target| squares(target, mean.view())).sum::<f64>()
            });
        Some(GroupErrors {
            group,
            rows: places.len(),
            mse_uv2,
            rmse_uv: mse_uv2.sqrt(),
            pearson_r: summary.spreads[3].mean,
            explained_variance: explained,
            share_of_ceiling: explained
                .zip(ceiling.filter(|ceiling| *ceiling > 0.0))
                .map(|(explained, ceiling)| explained / ceiling),
        })
    }
}

/// One row per group; `at` is the JSON pointer of the list.
pub(super) fn table(title: &str, at: &str, groups: &[GroupErrors], against: &str) -> ReportTable {
    let headings = ["", "rows", "RMSE, µV", "r", "explained", "of what can be"];
    let mut table = ReportTable::new(title, &headings).with_note(format!("reconstructions against {against}"));
    for (i, group) in groups.iter().enumerate() {
        let at = |name: &str| format!("{at}/{i}/{name}");
        let cells = [
            TableCell::count(group.rows, &at("rows")),
            TableCell::number(group.rmse_uv, 4, &at("rmse_uv")),
            TableCell::number(group.pearson_r, 3, &at("pearson_r")),
            TableCell::some(group.explained_variance, |v| TableCell::percent(v, 1, &at("explained_variance"))),
            TableCell::some(group.share_of_ceiling, |v| TableCell::percent(v, 1, &at("share_of_ceiling"))),
        ];
        table.push(group.group.to_string(), cells);
    }
    table
}

impl Display for RowGroup {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            RowGroup::Subject(name) => f.write_str(name),
            RowGroup::Condition(values) => {
                let named = values.iter().map(|(name, value)| match value {
                    Value::String(text) => format!("{name} {text}"),
                    other => format!("{name} {other}"),
                });
                f.write_str(&named.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
