//! Detects tables in which time runs down the rows, by the column names and the first lines below them.

use super::names::{known, time_unit};
use super::sweeps::{FEWEST, equal_step, likely_unit};
use super::{RATES_HZ, is_missing};
use crate::data::read::columns::{ColumnKind, Naming, meaning};
use crate::data::read::delimited::{Layout, LineCells};
use std::cell::Cell;

/// The fewest rising times that are evidence, even with a unit.
const FEWEST_TIMES: usize = 3;

pub fn find(head: &[u8]) -> Option<Layout> {
    // a line before the header may also begin with a time: `Time,10:31`
    let mut skipped = 0;
    loop {
        let (seen, numbered) = (Cell::new(0), Cell::new(false));
        let layout = Layout::find(head, |names| {
            seen.set(seen.get() + 1);
            numbered.set(Naming::of(names.iter()).is_some());
            seen.get() > skipped && (numbered.get() || time_column(names).is_some())
        })?;
        if numbered.get() {
            return runs_down(&layout, head).then_some(layout);
        }
        if are_instants(&layout.first_lines(head, 3)) {
            return Some(layout);
        }
        skipped = seen.get();
    }
}

/// Whether the rows of a table with numbered columns are instants instead of recordings: their times rise in equal
/// steps, at a sample rate of evoked responses.
pub fn runs_down(layout: &Layout, head: &[u8]) -> bool {
    let lines = layout.first_lines(head, 1 + FEWEST);
    let Some((names, rows)) = lines.split_first() else { return false };
    let Some(time) = time_column(names) else { return false };
    let stated = names.iter().nth(time).and_then(|name| time_unit(&name)).flatten();
    // without a unit, the numbers may count days
    if rows.len() < if stated.is_some() { FEWEST_TIMES } else { FEWEST } {
        return false;
    }
    let times: Option<Vec<f64>> = rows.iter().map(|row| number(&row.iter().nth(time)?)).collect();
    let Some(step) = times.and_then(|times| equal_step(&times)) else { return false };
    let rate = 1000.0 / (step * stated.unwrap_or_else(|| likely_unit(step).0));
    let tells_of_recordings = |(column, name): (usize, &str)| match meaning(name) {
        Some(ColumnKind::SampleRateHz | ColumnKind::SamplePeriodUs | ColumnKind::T0Ms | ColumnKind::OnsetDelayMs) => {
            true
        }
        _ => known(name).is_some() && rows.iter().any(|row| row.iter().nth(column) != rows[0].iter().nth(column)),
    };
    RATES_HZ.contains(&rate) && !names.iter().enumerate().any(|(column, name)| tells_of_recordings((column, &name)))
}

/// The time column: the first named column that does not describe samples, if other columns follow.
fn time_column(names: &LineCells) -> Option<usize> {
    let (first, name) = names.iter().enumerate().find(|(_, name)| !name.is_empty() && known(name).is_none())?;
    (time_unit(&name).is_some() && names.iter().nth(1).is_some()).then_some(first)
}

/// Whether the line below the header has a time, and beside it a sample or an empty cell. After columns that describe
/// samples, where many tables have a time or a latency, the next lines must also be later instants of the same
/// recording.
fn are_instants(lines: &[LineCells]) -> bool {
    let [names, row, later @ ..] = lines else { return false };
    let Some(column) = time_column(names) else { return false };
    let time = |row: &LineCells| row.iter().nth(column).and_then(|cell| number(&cell));
    let sample = |cell: &str| is_missing(cell) || number(cell).is_some();
    if time(row).is_none() || !row.iter().skip(column + 1).any(|cell| sample(&cell)) {
        return false;
    }
    let is_later =
        |(a, b): (&LineCells, &LineCells)| time(a) < time(b) && a.iter().take(column).eq(b.iter().take(column));
    let leads = names.iter().take(column).all(|name| name.is_empty());
    let is_latency = || names.iter().nth(column).is_some_and(|name| name.to_lowercase().starts_with("latency"));
    leads || (!later.is_empty() && !is_latency() && lines[1..].iter().zip(later).all(is_later))
}

fn number(cell: &str) -> Option<f64> {
    let parse = |cell: &str| cell.parse().ok().filter(|value: &f64| value.is_finite());
    parse(cell).or_else(|| parse(&cell.replacen(',', ".", 1)))
}
