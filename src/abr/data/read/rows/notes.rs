//! Collects what the user should know about a table after its last row.

use super::{TableContext, tdt};
use crate::data::recording::Recording;
use std::collections::HashSet;

/// With fewer rows, distinct values of `ID` are plausible subjects.
const FEW_ROWS: usize = 5;

#[derive(Default)]
pub struct TableNotes {
    /// Rows that were read, without skipped ones.
    pub rows: usize,
    /// Cells that are not UTF-8.
    pub odd_cells: usize,
    /// The onset delays that are not 0, in ms.
    pub delays_ms: Vec<f64>,
    /// Skipped rows with other responses than ABRs.
    pub others: usize,
    /// Where the first of them names its response.
    pub other: Option<String>,
    /// The values of a column `ID`.
    ids: HashSet<String>,
    /// Whether a value of `ID` occurs twice.
    repeated: bool,
}

impl TableNotes {
    /// Records the value of a column `ID`, which may number the rows instead of naming subjects.
    pub fn note_id(&mut self, recording: &Recording) {
        if !self.repeated {
            self.repeated = recording.subject.is_empty() || !self.ids.insert(recording.subject.clone());
        }
    }

    /// A notice if the subject column may number the rows.
    pub fn doubt(&self, context: &TableContext) -> Option<String> {
        let id = context.lone_id.filter(|_| !self.repeated && self.ids.len() >= FEW_ROWS)?;
        let column = context.columns.names.get(id);
        Some(format!(
            "{}: column `{column}` has another value in each row, and was taken for the subject; if it only numbers \
             the rows, set data.subject_column to the column with the subjects, or rename that column `subject`",
            context.source.name()
        ))
    }

    /// The notices after the last row.
    pub fn notices(&self, context: &TableContext) -> Vec<String> {
        let name = context.source.name();
        let mut notices = Vec::new();
        if let Some(first) = &self.other {
            let remedy = "to read such rows all the same, give the column another name";
            notices.push(format!("{name}: {} rows were left out: {first}; {remedy}", self.others));
        }
        if self.odd_cells > 0 {
            notices.push(format!("{name}: {} cells are not UTF-8 and were read as Windows-1252", self.odd_cells));
        }
        notices.extend(tdt::delay_notice(&self.delays_ms).map(|notice| format!("{name}: {notice}")));
        notices
    }
}
