//! Reads a table of conditions: one row per condition, one column per conditioning variable. A cell may be empty.

use crate::data::read::SourceFile;
use crate::data::read::delimited::{Layout, Record, ambiguous, plain_number, trimmed};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// The non-empty cells of each row, as `(column, cell)`.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read. [`Error::Input`] for a table without rows, a column without a name, a name
/// that stands twice, and (with row and line) a ragged row or an ambiguous number.
pub fn read_conditions(path: &Path) -> Result<Vec<Vec<(String, String)>>> {
    let source = SourceFile::open_head(path)?;
    let refuse = |place: String, problem: String, remedy: &str| Error::input(source.name(), place, problem, remedy);
    let remedy = "write a header line of conditioning variables, and one row per condition";
    let layout = Layout::find(source.head(), |cells| cells.iter().any(|cell| !cell.is_empty()));
    let layout = layout.ok_or_else(|| refuse(String::new(), "contains no condition".to_string(), remedy))?;
    let (mut table, mut record) = (layout.open(&source)?, Record::default());
    table.next(&source, &mut record)?;
    let names: Vec<String> = record.iter().map(|cell| trimmed(cell).into_owned()).collect();
    check_names(source.name(), &names)?;
    let mut rows = Vec::new();
    while let Some(line) = table.next(&source, &mut record)? {
        let place = || format!("row {} (line {line})", rows.len() + 1);
        if record.width() != names.len() {
            let problem = format!("{} values, but the header has {} columns", record.width(), names.len());
            let remedy = "give every row a value (or an empty cell) for each column";
            return Err(refuse(place(), problem, remedy));
        }
        let mut row = Vec::new();
        for (name, cell) in names.iter().zip(record.iter().map(trimmed)).filter(|(_, cell)| !cell.is_empty()) {
            let Some(plain) = plain_number(&cell, table.decimals) else {
                let (problem, remedy) = ambiguous(&cell, table.decimals);
                return Err(refuse(format!("{}, column `{name}`", place()), problem, &remedy));
            };
            let is_number = plain.parse::<f64>().is_ok();
            row.push((name.clone(), if is_number { plain.into_owned() } else { cell.into_owned() }));
        }
        rows.push(row);
    }
    if rows.is_empty() { Err(refuse(String::new(), "contains no condition".to_string(), remedy)) } else { Ok(rows) }
}

fn check_names(source: &str, names: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (i, name) in names.iter().enumerate() {
        let problem = match name.as_str() {
            "" => format!("column {} has no name", i + 1),
            name if !seen.insert(name) => format!("two columns are named `{name}`"),
            _ => continue,
        };
        return Err(Error::input(source, "header", problem, "name each column after a conditioning variable, once"));
    }
    Ok(())
}
