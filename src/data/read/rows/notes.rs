//! What a user should know of a table after its last row.

use super::{TableContext, tdt};
use crate::data::recording::Recording;
use std::collections::HashSet;

/// Fewer rows with an `ID` each may well be so many subjects.
const FEW_ROWS: usize = 5;

#[derive(Default)]
pub struct TableNotes {
    /// Rows that were read, without those that were left out.
    pub rows: usize,
    /// Cells that are not UTF-8.
    pub odd_cells: usize,
    /// The onset delays that are not 0, in ms.
    pub delays_ms: Vec<f64>,
    /// Rows of other responses than ABRs.
    pub others: usize,
    /// Where the first of them says so.
    pub other: Option<String>,
    /// The subjects of a column `ID`.
    ids: HashSet<String>,
    /// Whether one of them has two rows.
    repeated: bool,
}

impl TableNotes {
    /// Takes note of who was recorded, where a column `ID` says it, which may number the rows as well.
    pub fn note_id(&mut self, recording: &Recording) {
        if !self.repeated {
            self.repeated = recording.subject.is_empty() || !self.ids.insert(recording.subject.clone());
        }
    }

    /// What speaks against the subjects.
    pub fn doubt(&self, context: &TableContext) -> Option<String> {
        let column =
            &context.columns.names[context.lone_id.filter(|_| !self.repeated && self.ids.len() >= FEW_ROWS)?];
        Some(format!(
            "{}: column `{column}` has another value in each row, and was taken for the subject; if it numbers the \
             rows, say which column names the subjects in data.subject_column, or head that one `subject`",
            context.source.name()
        ))
    }

    /// What is to be said.
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
