//! Finds recordings that stand in several rows: exact copies, and copies that went through another file format.

mod sketch;

pub use sketch::{SketchMatch, Sketches};

use super::assume::extremes;
use super::split::{Split, some_of};
use super::{Dataset, Recording};
use crate::config::{DataConfig, SplitBy};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap};

/// Samples of one recording in two formats differ by at most this, in µV: 1e-4, plus a little for the rounding of
/// `f32`.
const TOLERANCE_UV: f64 = 1.01e-4;
/// Traces with a smaller peak-to-peak range, in µV, are not compared within the tolerance: quiet traces agree by
/// chance.
const SMALLEST_RANGE_UV: f32 = 1e-2;

/// Two numbers that tell most traces apart.
#[derive(Debug, Clone, Copy)]
struct TraceKey {
    /// The largest sample plus the mean, in µV. Traces without a mean differ in the first; traces scaled to one
    /// amplitude differ in the second. Copies differ by at most twice the tolerance.
    largest_plus_mean: f64,
    /// Smallest sample in µV.
    smallest: f32,
}

impl TraceKey {
    /// `None` for a flat or nearly flat trace.
    fn of(samples: &[f32]) -> Option<TraceKey> {
        let (smallest, largest) = extremes(samples)?;
        let mean = samples.iter().map(|&v| f64::from(v)).sum::<f64>() / samples.len() as f64;
        let largest_plus_mean = f64::from(largest) + mean;
        (largest - smallest > SMALLEST_RANGE_UV && largest_plus_mean.is_finite())
            .then_some(TraceKey { largest_plus_mean, smallest })
    }
}

/// Groups of rows with the same samples, as row numbers from 0: exact copies, and rows of equal length whose samples
/// all agree within 1e-4 µV and range over more than 1e-2 µV. Flat rows never count as copies. Groups are in the order
/// of their first rows, and the rows within each group are sorted.
pub fn repeats(rows: &[&[f32]]) -> Vec<Vec<usize>> {
    let mut keys: Vec<(u32, TraceKey, u32)> = Vec::with_capacity(rows.len());
    keys.extend(rows.iter().enumerate().filter_map(|(row, samples)| {
        // narrow types save memory: every row of a set has an entry
        Some((u32::try_from(samples.len()).ok()?, TraceKey::of(samples)?, u32::try_from(row).ok()?))
    }));
    keys.sort_unstable_by(|a, b| {
        a.0.cmp(&b.0).then(a.1.largest_plus_mean.total_cmp(&b.1.largest_plus_mean)).then(a.2.cmp(&b.2))
    });
    let mut sets = DisjointSets((0..rows.len()).collect());
    let mut quiet: HashMap<&[u32], usize> = HashMap::new();
    let is_quiet = |samples: &[f32]| {
        TraceKey::of(samples).is_none() && !is_flat(samples) && samples.iter().all(|sample| sample.is_finite())
    };
    for (row, samples) in rows.iter().enumerate().filter(|(_, samples)| is_quiet(samples)) {
        let first = *quiet.entry(bytemuck::cast_slice(samples)).or_insert(row);
        sets.join(first, row);
    }
    for (i, (length, key, row)) in keys.iter().enumerate() {
        let near = keys[i + 1..].iter().take_while(|(other_length, other, _)| {
            other_length == length && other.largest_plus_mean - key.largest_plus_mean <= 2.0 * TOLERANCE_UV
        });
        for (_, other, other_row) in near {
            if !within(key.smallest, other.smallest) {
                continue;
            }
            let (row, other_row) = (*row as usize, *other_row as usize);
            match compare(rows[row], rows[other_row]) {
                Agreement::None => {}
                Agreement::Close => sets.join(row, other_row),
                // this row's exact copy will find the remaining matches
                Agreement::Exact => {
                    sets.join(row, other_row);
                    break;
                }
            }
        }
    }
    sets.of_several()
}

enum Agreement {
    None,
    Close,
    Exact,
}

fn compare(a: &[f32], b: &[f32]) -> Agreement {
    let mut exact = true;
    for (&a, &b) in a.iter().zip(b) {
        if a != b {
            exact = false;
            if !within(a, b) {
                return Agreement::None;
            }
        }
    }
    if exact { Agreement::Exact } else { Agreement::Close }
}

fn within(a: f32, b: f32) -> bool {
    (f64::from(a) - f64::from(b)).abs() <= TOLERANCE_UV
}

/// Disjoint sets of rows (union-find): each row points to a smaller row of its set, the smallest row to itself.
struct DisjointSets(Vec<usize>);

impl DisjointSets {
    fn smallest(&mut self, mut row: usize) -> usize {
        while self.0[row] != row {
            // path halving keeps later look-ups short
            self.0[row] = self.0[self.0[row]];
            row = self.0[row];
        }
        row
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.smallest(a), self.smallest(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// The sets with two or more rows.
    fn of_several(mut self) -> Vec<Vec<usize>> {
        let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in 0..self.0.len() {
            let smallest = self.smallest(row);
            if smallest != row {
                sets.entry(smallest).or_insert_with(|| vec![smallest]).push(row);
            }
        }
        sets.into_values().collect()
    }
}

/// Whether all samples are equal.
pub(super) fn is_flat(samples: &[f32]) -> bool {
    samples.windows(2).all(|pair| pair[0] == pair[1])
}

/// The rows, counted from 1, that repeat the samples of an earlier row.
pub fn repeated_rows(recordings: &[Recording]) -> Vec<usize> {
    let samples: Vec<&[f32]> = recordings.iter().map(|recording| &recording.samples[..]).collect();
    let mut rows: Vec<usize> = repeats(&samples).iter().flat_map(|group| &group[1..]).map(|row| row + 1).collect();
    rows.sort_unstable();
    rows
}

/// A notice about recordings that repeat others; `None` if none do.
pub fn notice(recordings: &[Recording]) -> Option<String> {
    let rows = repeated_rows(recordings);
    let named = |&row: &usize| match &recordings[row - 1] {
        Recording { file, subject, .. } if file.is_empty() => format!("row {row} ({subject})"),
        Recording { file, subject, .. } => format!("row {row} ({subject}, {file})"),
    };
    (!rows.is_empty()).then(|| {
        let (count, some) = (rows.len(), some_of(rows.iter().map(named)));
        format!("{count} rows repeat the samples of an earlier one: {some}; keep one of each")
    })
}

/// Looks for rows with the same samples within and across the parts of a split. Returns notices for the user about
/// copies within a part and, if `data.allow_repeats` is true, about copies in two parts.
///
/// # Errors
/// [`Error::Input`] if rows with the same samples stand in two parts, unless `data.allow_repeats` is true.
pub fn check_split(dataset: &Dataset, split: &Split, config: &DataConfig) -> Result<Vec<String>> {
    let mut part_of = vec![""; dataset.len()];
    for (part, rows) in split.parts() {
        rows.iter().for_each(|&row| part_of[row] = part);
    }
    let signals = dataset.signals.as_standard_layout();
    let rows: Vec<&[f32]> = signals.outer_iter().map(|row| row.to_slice().expect("standard layout")).collect();
    let mut groups = repeats(&rows);
    groups.iter_mut().for_each(|group| group.retain(|&row| !part_of[row].is_empty()));
    groups.retain(|group| group.len() > 1);
    let in_two_parts = |group: &Vec<usize>| group.iter().any(|&row| part_of[row] != part_of[group[0]]);
    let (across, within): (Vec<_>, Vec<_>) = groups.into_iter().partition(in_two_parts);

    let named = |row: usize| format!("row {} ({}, {})", row + 1, dataset.subjects[row], part_of[row]);
    // a message shows two rows of each group, from different parts if possible
    let pair = |group: &Vec<usize>| {
        let second = group.iter().find(|&&row| part_of[row] != part_of[group[0]]).unwrap_or(&group[1]);
        format!("{} and {}", named(group[0]), named(*second))
    };
    let listed = |groups: &[Vec<usize>]| some_of(groups.iter().map(pair));
    let count = |groups: &[Vec<usize>]| groups.iter().map(Vec::len).sum::<usize>();

    let mut notices = Vec::new();
    if !across.is_empty() {
        let problem = format!("{} rows in two parts have the same samples: {}", count(&across), listed(&across));
        if !config.allow_repeats {
            let together = if config.split == SplitBy::Row { "" } else { "give copies the same subject, " };
            let remedy = format!("leave copies out, {together}or set data.allow_repeats to true");
            return Err(Error::input(&dataset.source, "the split", problem, remedy));
        }
        notices.push(format!("{problem}; data.allow_repeats lets them pass, and results will look too good"));
    }
    if !within.is_empty() {
        let (rows, pairs) = (count(&within), listed(&within));
        notices.push(format!("{rows} rows have the same samples as another row of their part of the split: {pairs}"));
    }
    Ok(notices)
}

#[cfg(test)]
mod tests;
