//! Row filters: they drop rows of a table and count them.

use super::Refusal;
use crate::config::{FilterValue, RowFilter};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

/// The filters of `data.filters`, in order. A later filter does not see the rows that an earlier one dropped.
#[derive(Debug)]
pub struct RowFilters(Vec<Counted>);

#[derive(Debug)]
struct Counted {
    filter: RowFilter,
    left_out: usize,
    /// Whether any row had the column.
    seen: bool,
}

/// The number of rows that a filter dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterCount {
    /// A description of the filter: `level_db from 20 to 90`.
    pub filter: String,
    pub left_out: usize,
}

impl RowFilters {
    /// Filters with counts of 0.
    pub fn new(filters: &[RowFilter]) -> RowFilters {
        let count = |filter: &RowFilter| Counted { filter: filter.clone(), left_out: 0, seen: false };
        RowFilters(filters.iter().map(count).collect())
    }

    /// The columns that the filters name.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|counted| counted.filter.column.as_str())
    }

    /// Whether to keep a row. `cell` returns the text of a column, or `None` if the row does not have it.
    ///
    /// # Errors
    /// The column's name and the reason, if a cell holds text where `min` or `max` needs a number.
    pub fn keep<'a>(&mut self, cell: impl Fn(&str) -> Option<Cow<'a, str>>) -> Result<bool, (String, Refusal)> {
        let cells: Vec<Option<Cow<str>>> = self.columns().map(cell).collect();
        for (counted, cell) in self.0.iter_mut().zip(&cells) {
            counted.seen |= cell.is_some();
        }
        for (counted, cell) in self.0.iter_mut().zip(cells) {
            let fits = fits(&counted.filter, cell.unwrap_or_default().trim());
            if !fits.map_err(|refusal| (counted.filter.column.clone(), refusal))? {
                counted.left_out += 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A filtered column that no row had.
    pub fn unseen(&self) -> Option<&str> {
        self.0.iter().find(|counted| !counted.seen).map(|counted| counted.filter.column.as_str())
    }

    /// The counts of all filters, in order.
    pub fn counts(&self) -> Vec<FilterCount> {
        let count = |counted: &Counted| FilterCount { filter: words(&counted.filter), left_out: counted.left_out };
        self.0.iter().map(count).collect()
    }
}

impl Display for FilterCount {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let rows = if self.left_out == 1 { "row" } else { "rows" };
        write!(f, "filter {}: {} {rows} left out", self.filter, self.left_out)
    }
}

/// Whether a cell passes a filter. An empty cell is outside all bounds.
fn fits(filter: &RowFilter, text: &str) -> Result<bool, Refusal> {
    let listed = |list: &Option<Vec<FilterValue>>| list.as_ref().map(|list| list.iter().any(|cell| equal(cell, text)));
    if listed(&filter.equals) == Some(false) || listed(&filter.not) == Some(true) {
        return Ok(false);
    }
    if filter.min.is_none() && filter.max.is_none() {
        return Ok(true);
    }
    if text.is_empty() {
        return Ok(false);
    }
    let number = text.parse::<f64>().ok().filter(|number| !number.is_nan()).ok_or_else(|| {
        let problem = format!("\"{text}\" is not a number, and data.filters has a min or max for it");
        Refusal::new(problem, format!("leave such rows out before with {{\"column\": …, \"not\": [\"{text}\"]}}"))
    })?;
    Ok(filter.min.is_none_or(|min| number >= min) && filter.max.is_none_or(|max| number <= max))
}

fn equal(cell: &FilterValue, text: &str) -> bool {
    match cell {
        FilterValue::Text(wanted) => wanted == text,
        FilterValue::Number(wanted) => text.parse::<f64>().is_ok_and(|number| number == *wanted),
    }
}

fn words(filter: &RowFilter) -> String {
    let list = |cells: &[FilterValue]| {
        let text = |cell: &FilterValue| match cell {
            FilterValue::Number(number) => number.to_string(),
            FilterValue::Text(text) => format!("\"{text}\""),
        };
        cells.iter().map(text).collect::<Vec<_>>().join(" or ")
    };
    let bounds = match (filter.min, filter.max) {
        (Some(min), Some(max)) => Some(format!("from {min} to {max}")),
        (Some(min), None) => Some(format!("from {min}")),
        (None, Some(max)) => Some(format!("to {max}")),
        (None, None) => None,
    };
    let equals = filter.equals.as_deref().map(list);
    let not = filter.not.as_deref().map(|cells| format!("not {}", list(cells)));
    format!("{} {}", filter.column, [bounds, equals, not].into_iter().flatten().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(json: &str) -> RowFilters {
        RowFilters::new(&serde_json::from_str::<Vec<RowFilter>>(json).unwrap())
    }

    /// Rows of two cells.
    fn kept(filters: &mut RowFilters, rows: &[[&'static str; 2]]) -> Result<Vec<bool>, String> {
        let columns: Vec<String> = filters.columns().map(str::to_string).collect();
        let cell = |row: &[&'static str; 2], name: &str| {
            columns.iter().position(|column| column == name).map(|i| Cow::Borrowed(row[i]))
        };
        let keep = |row| filters.keep(|name| cell(row, name)).map_err(|(name, r)| format!("{name}: {}", r.problem));
        rows.iter().map(keep).collect()
    }

    #[test]
    fn rows_are_kept_and_the_rest_counted_by_the_first_filter_that_leaves_them_out() {
        let mut f =
            filters(r#"[{"column": "level_db", "min": 20, "max": 90}, {"column": "part", "not": ["aborted"]}]"#);
        assert_eq!(f.columns().collect::<Vec<_>>(), ["level_db", "part"]);
        let rows =
            [["20", "full"], ["90.0", ""], ["19.9", "aborted"], ["95", "full"], ["", "full"], ["30", " aborted "]];
        assert_eq!(kept(&mut f, &rows).unwrap(), [true, true, false, false, false, false]);
        let counts: Vec<String> = f.counts().iter().map(FilterCount::to_string).collect();
        let wanted = ["filter level_db from 20 to 90: 3 rows left out", "filter part not \"aborted\": 1 row left out"];
        assert_eq!(counts, wanted);
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_text_as_text() {
        let mut f = filters(r#"[{"column": "a", "equals": [16000, "click"]}, {"column": "b", "min": 1, "not": [2]}]"#);
        let rows =
            [["16000.0", "1"], ["click", "1"], ["clicks", "1"], ["click", "2.0"], ["click", "0"], ["1.6e4", "3"]];
        assert_eq!(kept(&mut f, &rows).unwrap(), [true, true, false, false, false, true]);
        assert_eq!(f.counts()[0].filter, "a 16000 or \"click\"");
        assert_eq!(f.counts()[1].filter, "b from 1, not 2");
    }

    #[test]
    fn text_under_bounds_is_an_error_unless_an_earlier_filter_leaves_it_out() {
        let mut f = filters(r#"[{"column": "hz", "max": 16000}, {"column": "b", "not": ["x"]}]"#);
        assert_eq!(
            kept(&mut f, &[["click", "1"]]).unwrap_err(),
            "hz: \"click\" is not a number, and data.filters has a min or max for it"
        );
        assert!(kept(&mut f, &[["nan", "1"]]).is_err());
        let mut f = filters(r#"[{"column": "hz", "not": ["click"]}, {"column": "hz", "max": 16000}]"#);
        assert_eq!(kept(&mut f, &[["click", "click"], ["8000", "8000"]]).unwrap(), [false, true]);
        assert_eq!(f.unseen(), None);
        assert_eq!(filters(r#"[{"column": "hz", "max": 16000}]"#).unseen(), Some("hz"));
    }
}
