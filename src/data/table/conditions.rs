//! A table of conditions: one row each, a column a static parameter, empty where not named.

use crate::error::{Error, Result};
use std::path::Path;

/// The rows as `(column, cell)` of the cells that are not empty.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Input`] for a ragged row or a table without rows.
pub fn read_conditions(path: &Path) -> Result<Vec<Vec<(String, String)>>> {
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let source = path.display().to_string();
    let mut reader = csv::Reader::from_reader(file);
    let refuse = |e: csv::Error| Error::input(&source, "", e, "write one header line and as many cells in every row");
    let header = reader.headers().map_err(refuse)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(refuse)?;
        let named = header.iter().zip(&record).map(|(name, cell)| (name.trim().to_string(), cell.trim().to_string()));
        rows.push(named.filter(|(_, cell)| !cell.is_empty()).collect());
    }
    if rows.is_empty() {
        let remedy = "write a header line of static columns and a row a condition";
        return Err(Error::input(&source, "", "holds no condition", remedy));
    }
    Ok(rows)
}
