//! One row of a table, and its cells as what they should hold.

use super::layout::Place;
use crate::data::prepare::Refusal;
use crate::error::{Error, Result};
use csv::ByteRecord;

/// Microvolts beyond which no sample is believed: 1000 V.
const MAX_SAMPLE_UV: f32 = 1e9;

/// One row of the table and where it stands.
pub struct Row<'a> {
    pub source: &'a str,
    /// Counted from 1, without the header and with the rows that filters leave out.
    pub number: usize,
    /// Of the source; `None` for recordings of other formats, which name their file in the second column.
    pub line: Option<u64>,
    pub record: &'a ByteRecord,
}

impl Row<'_> {
    pub fn error(
        &self,
        column: Option<&Place>,
        problem: impl std::fmt::Display,
        remedy: impl std::fmt::Display,
    ) -> Error {
        let column = column.map(|c| format!(", column `{}`", c.name)).unwrap_or_default();
        let place = match self.line {
            Some(line) => format!("line {line}"),
            None => String::from_utf8_lossy(self.record.get(1).unwrap_or_default()).into_owned(),
        };
        Error::input(self.source, format!("row {} ({place}){column}", self.number), problem, remedy)
    }

    /// The error of a recording that cannot be prepared.
    pub fn refuse(&self, column: Option<&Place>, refusal: Refusal) -> Error {
        self.error(column, refusal.problem, refusal.remedy)
    }

    pub fn check_width(&self, width: usize) -> Result<()> {
        let found = self.record.len();
        if found == width {
            return Ok(());
        }
        let problem = format!("{found} values, but the header has {width} columns");
        Err(self.error(
            None,
            problem,
            "give every row a value (or an empty cell) for each column; quote text with commas",
        ))
    }

    pub fn text(&self, column: &Place) -> Result<&str> {
        std::str::from_utf8(&self.record[column.index])
            .map(str::trim)
            .map_err(|_| self.error(Some(column), "not UTF-8 text", "save the table as UTF-8"))
    }

    /// A finite number, or `None` in an empty cell.
    pub fn optional<T: num_traits::Float + std::str::FromStr>(&self, column: &Place) -> Result<Option<T>> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<T>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            Ok(_) => Err(self.error(
                Some(column),
                format!("\"{text}\" is not a finite number"),
                "correct the value or remove the row; a cell that may be empty must be empty",
            )),
            Err(_) => {
                let comma = text.contains(',') && text.replace(',', ".").parse::<T>().is_ok();
                let remedy = if comma { "use a decimal point" } else { "write a number, or remove the row" };
                Err(self.error(Some(column), format!("\"{text}\" is not a number"), remedy))
            }
        }
    }

    pub fn number<T: num_traits::Float + std::str::FromStr>(&self, column: &Place) -> Result<T> {
        self.optional(column)?
            .ok_or_else(|| self.error(Some(column), "empty, but a number is needed", "fill it in, or remove the row"))
    }

    /// The samples of a recording that may be shorter than others: empty cells at its end are none.
    pub fn recording(&self, columns: &[Place], out: &mut Vec<f32>) -> Result<()> {
        let empty = |column: &&Place| self.record[column.index].trim_ascii().is_empty();
        let recorded = columns.len() - columns.iter().rev().take_while(empty).count();
        out.clear();
        self.samples(&columns[..recorded], out)
    }

    /// Every sample of `columns`.
    pub fn samples(&self, columns: &[Place], out: &mut Vec<f32>) -> Result<()> {
        for column in columns {
            let sample: f32 = self.number(column)?;
            if sample.abs() > MAX_SAMPLE_UV {
                let problem = format!("{sample} µV is beyond any recording");
                return Err(self.error(Some(column), problem, "check the value; samples are in microvolts"));
            }
            out.push(sample);
        }
        Ok(())
    }

    pub fn labels(&self, columns: &[Option<Place>], out: &mut Vec<f32>) -> Result<()> {
        for column in columns {
            let label = column.as_ref().map(|column| self.optional(column)).transpose()?.flatten();
            out.push(label.unwrap_or(f32::NAN));
        }
        Ok(())
    }
}
