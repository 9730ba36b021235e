//! The lines before the header: one value for all recordings, or one for each column.

use super::names::known;
use crate::data::read::delimited::LineCells;
use crate::data::read::{SourceFile, text};
use crate::error::Result;

/// A line before the header.
pub struct Attribute {
    pub line: usize,
    pub name: String,
    values: Vec<String>,
}

impl Attribute {
    pub fn all(preamble: &str, delimiter: u8) -> Vec<Attribute> {
        let lines = text::lines(preamble.trim_start_matches('\u{feff}'));
        let attributes = lines.filter_map(|(line, text)| {
            let cells = LineCells::split(text.as_bytes(), delimiter);
            let mut cells = cells.iter().map(String::from);
            let name = cells.next().filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("sep="))?;
            let mut values: Vec<String> = cells.collect();
            // spreadsheets pad lines with empty cells
            if values.iter().skip(1).all(String::is_empty) {
                values.truncate(1);
            }
            Some(Attribute { line, name, values })
        });
        attributes.collect()
    }

    /// The value for a column; empty if there is none.
    pub fn value(&self, column: usize) -> &str {
        let value = if self.values.len() == 1 { self.values.first() } else { self.values.get(column.wrapping_sub(1)) };
        value.map_or("", String::as_str)
    }

    /// Refuses a line that has neither one value nor one for each column up to the last sample column. A line with an
    /// unknown name is a note, in which commas have no meaning.
    pub fn check(&self, source: &SourceFile, names: &[String], last: usize) -> Result<()> {
        let given = self.values.len() - self.values.iter().rev().take_while(|value| value.is_empty()).count();
        if given < 2 || (last <= self.values.len() && given < names.len()) {
            return Ok(());
        }
        if known(&self.name).is_none_or(|name| name == "date") {
            return Ok(());
        }
        let problem = format!("`{}` has {given} values, and there are {last} columns besides the times", self.name);
        let remedy = "give one value for all recordings, or one (or an empty cell) for each column";
        Err(source.error(format_args!("line {}", self.line), problem, remedy))
    }
}
