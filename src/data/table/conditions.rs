//! A table of conditions: one row each, a column a static parameter, empty where not named.

use crate::error::{Error, Result};
use csv::ReaderBuilder;
use std::collections::BTreeSet;
use std::path::Path;

/// The rows as `(column, cell)` of the cells that are not empty.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Input`] for a table without rows, a column without a name or with
/// another's, and (with row and line) a ragged row.
pub fn read_conditions(path: &Path) -> Result<Vec<Vec<(String, String)>>> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let source = path.display().to_string();
    let unreadable = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::io("read", path)(error),
        other => Error::input(&source, "", format!("no table of text: {other:?}"), "save the table as UTF-8"),
    };
    // flexible: ragged rows are refused below, with a remedy
    let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
    let names: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(str::to_string).collect();
    check_names(&source, &names)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        if record.len() != names.len() {
            let line = record.position().map_or(0, |position| position.line());
            let problem = format!("{} values, but the header has {} columns", record.len(), names.len());
            let remedy = "give every row a value (or an empty cell) for each column";
            return Err(Error::input(&source, format!("row {} (line {line})", rows.len() + 1), problem, remedy));
        }
        let cells = record.iter().map(str::to_string);
        rows.push(names.iter().cloned().zip(cells).filter(|(_, cell)| !cell.is_empty()).collect());
    }
    if rows.is_empty() {
        let remedy = "write a header line of static columns and a row a condition";
        return Err(Error::input(&source, "", "holds no condition", remedy));
    }
    Ok(rows)
}

fn check_names(source: &str, names: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (i, name) in names.iter().enumerate() {
        let problem = match name.as_str() {
            "" => format!("column {} has no name", i + 1),
            name if !seen.insert(name) => format!("two columns are named `{name}`"),
            _ => continue,
        };
        return Err(Error::input(source, "header", problem, "name each column after a static parameter, once"));
    }
    Ok(())
}
