//! Parses the cells of a row: numbers, labels and stimuli. Errors name row, line and column.

use super::{TableRow, push};
use crate::data::read::delimited::{self, Decimals};
use crate::data::read::vocabulary::{self, Stimulus};
use crate::data::read::{Recording, text};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::fmt::Display;

impl TableRow<'_> {
    pub(super) fn positive(&self, column: usize, what: &str) -> Result<Option<f64>> {
        match self.number::<f64>(column)? {
            Some(value) if value <= 0.0 => {
                let remedy = format!("a {what} is above 0: correct it, or leave the cell empty if it is not known");
                Err(self.error(Some(column), format!("{value} is no {what}"), remedy))
            }
            other => Ok(other),
        }
    }

    pub(super) fn not_negative(&self, column: usize) -> Result<Option<f64>> {
        match self.number::<f64>(column)? {
            Some(value) if value < 0.0 => {
                let remedy = "correct it, or leave the cell empty if it is not known";
                Err(self.error(Some(column), format!("{value} is below 0"), remedy))
            }
            other => Ok(other),
        }
    }

    /// A latency in ms or an amplitude in µV; NaN for an empty cell.
    pub(super) fn label(&self, column: usize, factor: f64) -> Result<f32> {
        let label = self.number::<f64>(column)?.map_or(f32::NAN, |value| (value * factor) as f32);
        match label.is_infinite() {
            true => Err(self.not_finite(column)),
            false => Ok(label),
        }
    }

    /// Parses a stimulus: its frequency, or its text if the unit is unknown.
    pub(super) fn frequency(
        &self,
        column: usize,
        unit: Option<f64>,
        cell: &str,
        recording: &mut Recording,
    ) -> Result<()> {
        let (mut hz, mut stimulus) = (String::new(), "");
        match unit {
            _ if vocabulary::words(cell).any(|word| ["click", "clicks"].contains(&&*word.to_lowercase())) => {
                hz = "click".to_string();
            }
            Some(_) if is_word(cell) => stimulus = cell,
            Some(factor) => match self.not_negative(column)? {
                Some(0.0) => hz = "click".to_string(),
                Some(value) if factor == 1.0 => hz = value.to_string(),
                Some(value) => hz = text::hz_from_khz(value).to_string(),
                None => {}
            },
            None => {
                let plain = self.plain(column, cell)?;
                let number = plain.parse().ok();
                let name = self.context.columns.names.get(column);
                match number.and_then(|number| Stimulus::without_unit(&name, number)) {
                    Some(Stimulus::Click) => hz = "click".to_string(),
                    Some(Stimulus::Tone(value)) => hz = value.to_string(),
                    _ => match with_unit(&plain) {
                        Some(value) => hz = value.to_string(),
                        None => stimulus = cell,
                    },
                }
            }
        }
        push(recording, "frequency_hz", hz);
        if unit.is_none() || !stimulus.is_empty() {
            push(recording, "stimulus", stimulus);
        }
        Ok(())
    }

    /// A finite number; `None` for an empty cell.
    pub(super) fn number<T: num_traits::Float + std::str::FromStr>(&self, column: usize) -> Result<Option<T>> {
        let cell = self.text(column);
        // fast path: most cells are plain numbers
        if let Ok(number) = cell.parse::<T>()
            && number.is_finite()
            && self.context.decimals == Decimals::Point
        {
            return Ok(Some(number));
        }
        if delimited::is_missing(cell) {
            return Ok(None);
        }
        match self.plain(column, cell)?.parse::<T>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            Ok(_) => Err(self.not_finite(column)),
            Err(_) => {
                let plain = "write a number, or leave the cell empty";
                let remedy = delimited::without_comma(cell).unwrap_or(plain.to_string());
                Err(self.error(Some(column), format!("\"{cell}\" is not a number"), remedy))
            }
        }
    }

    pub(super) fn text(&self, column: usize) -> &str {
        delimited::without_mark(self.cells.get(column).unwrap_or_default().trim_ascii())
    }

    pub(super) fn not_finite(&self, column: usize) -> Error {
        let problem = format!("\"{}\" is not a finite number", self.text(column));
        let remedy = "correct the value or remove the row; leave the cell of an unknown value empty";
        self.error(Some(column), problem, remedy)
    }

    /// A cell's text. A number with a decimal comma gets a decimal point.
    pub(super) fn plain<'c>(&self, column: usize, cell: &'c str) -> Result<Cow<'c, str>> {
        match delimited::plain_number(cell, self.context.decimals) {
            Some(plain) if plain.parse::<f64>().is_ok() => Ok(plain),
            Some(_) => Ok(Cow::Borrowed(cell)),
            None => {
                let (problem, remedy) = delimited::ambiguous(cell, self.context.decimals);
                Err(self.error(Some(column), problem, remedy))
            }
        }
    }

    pub(super) fn error(&self, column: Option<usize>, problem: impl Display, remedy: impl Display) -> Error {
        let column =
            column.map(|column| format!(", column `{}`", self.context.columns.names.get(column))).unwrap_or_default();
        self.context.source.error(format_args!("row {} (line {}){column}", self.row, self.line), problem, remedy)
    }
}

/// Whether a cell in a number column holds a word instead, such as `Noise`.
fn is_word(cell: &str) -> bool {
    let letters = cell.chars().all(|c| c.is_alphabetic() || " -_".contains(c)) && cell.contains(char::is_alphabetic);
    letters && !delimited::is_missing(cell) && cell.parse::<f64>().is_err()
}

/// Parses a frequency with its unit, such as `4 kHz` or `500Hz`, to Hz.
fn with_unit(cell: &str) -> Option<f64> {
    let lower = cell.to_lowercase();
    let (number, khz) = match lower.strip_suffix("khz") {
        Some(number) => (number, true),
        None => (lower.strip_suffix("hz")?, false),
    };
    let value: f64 = number.trim().parse().ok().filter(|value: &f64| value.is_finite())?;
    Some(if khz { text::hz_from_khz(value) } else { value })
}
