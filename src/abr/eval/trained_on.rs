//! How many of the evaluated rows the model has seen in training.

use crate::checkpoint::DataFacts;
use crate::data::{Dataset, repeats::SketchMatch, split::subjects};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

/// How many of the evaluated rows and subjects the model was trained on. Validation rows do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrainedOn {
    /// Training rows, and rows with the same samples as a training row, whatever their file and subject names.
    pub rows: usize,
    /// Subjects with such a row, and those with the name of a training subject.
    pub subjects: usize,
    /// Subjects with such a row.
    pub subjects_by_samples: usize,
    /// Subjects with the name of a training subject.
    pub subjects_by_name: usize,
    /// Rows that are too flat to compare by their samples, and not known as training rows.
    pub flat_rows: usize,
}

impl TrainedOn {
    /// `train` are the training rows of the data set, if the model was trained on it. `None` if the checkpoint has no
    /// record of its training rows.
    pub(super) fn new(facts: &DataFacts, dataset: &Dataset, rows: &[usize], train: &[usize]) -> Option<Self> {
        let sketches = facts.train_sketches.as_ref()?;
        let train: BTreeSet<usize> = train.iter().copied().collect();
        let found = |row: usize| match train.contains(&row) {
            true => SketchMatch::Known,
            false => sketches.look_up(&dataset.signals.row(row).to_vec()),
        };
        let names: BTreeSet<&str> = facts.train_subjects.iter().map(String::as_str).collect();
        let (mut known, mut flat_rows) = (Vec::new(), 0);
        for &row in rows {
            match found(row) {
                SketchMatch::Known => known.push(row),
                SketchMatch::Unknown => {}
                SketchMatch::Flat => flat_rows += 1,
            }
        }
        let by_samples = subjects(dataset, &known);
        let mut by_name = subjects(dataset, rows);
        by_name.retain(|name| names.contains(&*facts.stored_name(name)));
        Some(TrainedOn {
            rows: known.len(),
            subjects: by_samples.union(&by_name).count(),
            subjects_by_samples: by_samples.len(),
            subjects_by_name: by_name.len(),
            flat_rows,
        })
    }
}

/// `trained on 16 of these rows and 4 of these subjects`
impl Display for TrainedOn {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let number = |n: usize| if n == 0 { "none".to_string() } else { n.to_string() };
        write!(f, "trained on {} of these rows and {} of these subjects", number(self.rows), number(self.subjects))?;
        let (samples, name) = (self.subjects_by_samples, self.subjects_by_name);
        if samples != self.subjects || name != self.subjects {
            write!(f, " ({} by their samples, {} by their names)", number(samples), number(name))?;
        }
        match self.flat_rows {
            0 => Ok(()),
            1 => write!(f, "; 1 row is too flat to tell"),
            rows => write!(f, "; {rows} rows are too flat to tell"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_of_subjects_are_named_where_they_differ() {
        let text = |rows, [subjects, subjects_by_samples, subjects_by_name]: [usize; 3], flat_rows| {
            TrainedOn { rows, subjects, subjects_by_samples, subjects_by_name, flat_rows }.to_string()
        };
        assert_eq!(text(16, [4, 4, 4], 0), "trained on 16 of these rows and 4 of these subjects");
        assert_eq!(text(0, [0, 0, 0], 0), "trained on none of these rows and none of these subjects");
        let renamed = "trained on 3 of these rows and 1 of these subjects (1 by their samples, none by their names)";
        assert_eq!(text(3, [1, 1, 0], 0), renamed);
        assert!(text(3, [3, 2, 2], 2).ends_with("(2 by their samples, 2 by their names); 2 rows are too flat to tell"));
    }
}
