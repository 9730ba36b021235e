//! The names of a table's columns, kept as its header line has them: a million small texts would take many times its
//! memory.

use super::{ColumnKind, ColumnProblem, is_row_number};
use crate::data::read::delimited::{self, Record};
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The names of a table's columns, as its header line has them.
#[derive(Debug)]
pub struct ColumnNames(pub(super) Record);

impl ColumnNames {
    pub fn len(&self) -> usize {
        self.0.width()
    }

    pub fn get(&self, column: usize) -> Cow<'_, str> {
        delimited::name(&self.0[column])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Cow<'_, str>> {
        (0..self.len()).map(|column| self.get(column))
    }
}

/// Refuses a name that two columns have. Hashes find it, since a set of names would take many times their memory.
pub fn check_distinct(names: &ColumnNames) -> Result<(), ColumnProblem> {
    let hash = |name: &str| {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hasher.finish()
    };
    let mut hashes = Vec::with_capacity(names.len());
    let named = names.iter().enumerate().filter(|(_, name)| !is_row_number(name));
    hashes.extend(named.map(|(column, name)| (hash(&name), column)));
    hashes.sort_unstable();
    let pairs = hashes.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| (pair[1].1, pair[0].1));
    match pairs.filter(|&(second, first)| names.get(first) == names.get(second)).min() {
        Some((second, first)) => Err(named_twice(names, first, second)),
        None => Ok(()),
    }
}

/// The problem of two columns that have one name, or mean one thing.
pub fn named_twice(names: &ColumnNames, first: usize, second: usize) -> ColumnProblem {
    let (a, b) = (names.get(first), names.get(second));
    let named = if a == b { format!("`{a}`") } else { format!("`{a}` and `{b}`, which are one") };
    let problem = format!("columns {} and {} are both named {named}", first + 1, second + 1);
    (problem, "rename or remove one of them".to_string())
}

/// The column of each sample, in the order of their numbers. A number that is there twice, or missing before others, is
/// an error.
pub fn places(
    names: &ColumnNames,
    kinds: &[ColumnKind],
    number: impl Fn(&ColumnKind) -> Option<usize>,
    name: impl Fn(usize) -> String,
) -> Result<Vec<u32>, ColumnProblem> {
    const FREE: u32 = u32::MAX;
    let mut places = vec![FREE; kinds.iter().filter(|kind| number(kind).is_some()).count()];
    let mut beyond = usize::MAX;
    for (column, kind) in kinds.iter().enumerate() {
        let Some(number) = number(kind) else { continue };
        match places.get_mut(number) {
            Some(place) if *place == FREE => *place = column as u32,
            Some(place) => return Err(named_twice(names, *place as usize, column)),
            None => beyond = beyond.min(number),
        }
    }
    let Some(missing) = places.iter().position(|place| *place == FREE) else { return Ok(places) };
    let next = places.iter().skip(missing).position(|place| *place != FREE).map_or(beyond, |after| missing + after);
    let problem = format!("column `{}` is missing, though `{}` is there", name(missing), name(next));
    Err((problem, "number the samples without a gap; the number in a name is the sample's place in time".into()))
}
