//! Tables of an evaluation. The terminal and the HTML report show the same tables; each number carries its place in the
//! JSON.

use super::measures::Interval;
use std::fmt::{self, Display, Formatter};

/// Headings and rows of cells. The first cell of a row is its name.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportTable {
    pub title: String,
    /// What readers need to know.
    pub note: Option<String>,
    pub headings: Vec<String>,
    pub rows: Vec<Vec<TableCell>>,
}

/// Text, and the JSON place of each number in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableCell {
    pub text: String,
    /// In the order of the numbers in the text; names and constants have none.
    pub numbers: Vec<JsonPlace>,
}

/// The place of a number in the JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPlace {
    /// A JSON pointer (RFC 6901). If it points to an array, the number is the array's length.
    pub pointer: String,
    /// Whether the text shows the number in percent.
    pub percent: bool,
}

impl ReportTable {
    pub fn new(title: impl Into<String>, headings: &[&str]) -> ReportTable {
        let headings = headings.iter().map(|heading| heading.to_string()).collect();
        ReportTable { title: title.into(), note: None, headings, rows: Vec::new() }
    }

    pub fn with_note(self, note: impl Into<String>) -> ReportTable {
        ReportTable { note: Some(note.into()), ..self }
    }

    pub fn push(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = TableCell>) {
        self.rows.push([TableCell::name(name)].into_iter().chain(cells).collect());
    }
}

impl TableCell {
    /// Text without a number.
    pub fn name(text: impl Into<String>) -> TableCell {
        TableCell { text: text.into(), numbers: Vec::new() }
    }

    pub fn none() -> TableCell {
        TableCell::name("-")
    }

    /// A number with this many decimals; `-` if it is not finite.
    pub fn number(value: f64, decimals: usize, pointer: &str) -> TableCell {
        TableCell::of(value, format!("{value:.decimals$}"), pointer, false)
    }

    pub fn count(value: usize, pointer: &str) -> TableCell {
        TableCell::of(value as f64, value.to_string(), pointer, false)
    }

    /// A share in percent.
    pub fn percent(share: f64, decimals: usize, pointer: &str) -> TableCell {
        let text = format!("{:.decimals$} %", 100.0 * share);
        // a share that rounds to 0 has no sign
        let text = if text.starts_with("-0") && !text.contains(|c: char| ('1'..='9').contains(&c)) {
            text[1..].to_string()
        } else {
            text
        };
        TableCell::of(share, text, pointer, true)
    }

    fn of(value: f64, text: String, pointer: &str, percent: bool) -> TableCell {
        match value.is_finite() {
            true => TableCell { text, numbers: vec![JsonPlace { pointer: pointer.into(), percent }] },
            false => TableCell::none(),
        }
    }

    /// A value with its interval, if it has one.
    pub fn interval(interval: Interval, decimals: usize, pointer: &str) -> TableCell {
        TableCell::interval_of(interval, pointer, |value, at| TableCell::number(value, decimals, at))
    }

    /// The same in percent.
    pub fn percent_interval(interval: Interval, decimals: usize, pointer: &str) -> TableCell {
        TableCell::interval_of(interval, pointer, |share, at| TableCell::percent(share, decimals, at))
    }

    fn interval_of(interval: Interval, pointer: &str, cell: impl Fn(f64, &str) -> TableCell) -> TableCell {
        let number = |value, name| cell(value, &format!("{pointer}/{name}"));
        let value = number(interval.value, "value");
        match (interval.low, interval.high) {
            (Some(low), Some(high)) => value + " [" + number(low, "low") + ", " + number(high, "high") + "]",
            _ => value,
        }
    }

    /// Appends words, if the cell has a number.
    pub fn with(self, words: &str) -> TableCell {
        if self.numbers.is_empty() { self } else { self + words }
    }

    /// The cell of a value, or `-` without one.
    pub fn some<T>(value: Option<T>, cell: impl FnOnce(T) -> TableCell) -> TableCell {
        value.map_or_else(TableCell::none, cell)
    }
}

impl std::ops::Add for TableCell {
    type Output = TableCell;

    fn add(mut self, other: TableCell) -> TableCell {
        self.text += &other.text;
        self.numbers.extend(other.numbers);
        self
    }
}

impl std::ops::Add<&str> for TableCell {
    type Output = TableCell;

    fn add(mut self, text: &str) -> TableCell {
        self.text += text;
        self
    }
}

/// Columns are as wide as their content; the first is left-aligned, all others are right-aligned.
impl Display for ReportTable {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let headings: Vec<&str> =
            std::iter::once(self.title.as_str()).chain(self.headings.iter().skip(1).map(String::as_str)).collect();
        let rows: Vec<Vec<&str>> =
            self.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()).collect();
        let width = |column: usize| {
            let heading = headings.get(column);
            let cells = rows.iter().filter_map(|row| row.get(column));
            let indent = if column == 0 { 2 } else { 0 };
            let widest = cells.map(|cell| cell.chars().count() + indent).max().unwrap_or(0);
            widest.max(heading.map_or(0, |heading| heading.chars().count()))
        };
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(headings.len());
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut line = |cells: &[&str], indent: &str| {
            let first = cells.first().map_or(String::new(), |first| format!("{indent}{first}"));
            let mut text = format!("{first:<0$}", widths[0]);
            for (cell, width) in cells.iter().zip(&widths).skip(1) {
                text += &format!("  {cell:>width$}");
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(&headings, "")?;
        rows.iter().try_for_each(|row| line(row, "  "))?;
        match &self.note {
            Some(note) => writeln!(f, "  ({note})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_know_the_places_of_their_numbers() {
        let interval = Interval { value: 0.71, low: Some(0.6), high: Some(0.8) };
        let cell = TableCell::interval(interval, 2, "/a") + " of " + TableCell::percent(0.925, 1, "/b");
        assert_eq!(cell.text, "0.71 [0.60, 0.80] of 92.5 %");
        let places: Vec<(&str, bool)> = cell.numbers.iter().map(|n| (n.pointer.as_str(), n.percent)).collect();
        assert_eq!(places, [("/a/value", false), ("/a/low", false), ("/a/high", false), ("/b", true)]);
        assert_eq!(TableCell::number(f64::NAN, 2, "/a"), TableCell::none());
        assert_eq!(TableCell::percent(-0.0001, 1, "/a").text, "0.0 %");
        assert_eq!(TableCell::percent(-0.01, 1, "/a").text, "-1.0 %");
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let mut table = ReportTable::new("waves", &["", "latency, ms", "n"]).with_note("of all rows");
        table.push("V", [TableCell::number(5.6, 2, "/v"), TableCell::count(12, "/n")]);
        table.push("a longer name", [TableCell::none(), TableCell::none()]);
        let lines = [
            "waves            latency, ms   n",
            "  V                     5.60  12",
            "  a longer name            -   -",
            "  (of all rows)",
        ];
        assert_eq!(table.to_string().lines().collect::<Vec<_>>(), lines);
    }
}
