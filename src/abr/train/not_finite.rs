//! Stops a training whose numbers are no longer finite, and says where that began.

use super::Trainer;
use crate::checkpoint::StoredTensor;
use crate::engine::tape::NotFinite;
use crate::error::{Error, Result};

/// The most rows that a message lists.
const MOST_ROWS: usize = 5;

/// Which rows of the data a batch has.
#[derive(Debug, Clone, Copy)]
pub(super) enum BatchOf {
    /// Rows of the current epoch's order, from this one on.
    Training(usize),
    /// Validation rows, from this one on.
    Validation(usize),
}

impl Trainer {
    /// Remembers that a loss at `place` is not finite, with the first tensor of the tape's program that is not and, of
    /// a known batch, its rows. From now on every call fails.
    pub(super) fn stop(&mut self, place: String, problem: String, batch: Option<BatchOf>) -> Result<()> {
        let origin = match batch {
            Some(batch) => self.model.tape().first_not_finite()?.map(|found| self.origin(&found, batch)),
            None => None,
        };
        self.broken = Some((place, problem + &origin.unwrap_or_default()));
        self.check_finite()
    }

    /// Fails if a loss, a validation or a weight was not finite.
    pub(super) fn check_finite(&self) -> Result<()> {
        let Some((place, problem)) = &self.broken else { return Ok(()) };
        let remedy =
            "lower training.learning_rate, set training.gradient_clip (1.0, say), or look for outliers in the data";
        Err(Error::input("training", place, problem, remedy))
    }

    /// Refuses weights that are not finite: the loss of a step does not show what its update did.
    pub(super) fn check_weights(&mut self, state: &[StoredTensor]) -> Result<()> {
        // no early exit, which would keep the compiler from looking at several values at a time
        let finite = |values: &[f32]| values.iter().fold(true, |all, value| all & value.is_finite());
        let Some(tensor) = state.iter().find(|tensor| !finite(&tensor.values)) else {
            return Ok(());
        };
        let place = format!("epoch {}, step {}", self.progress.epoch + 1, self.progress.step_in_epoch);
        self.stop(place, format!("the values of {} are no longer finite", tensor.name), None)
    }

    /// `; the first tensor that is not finite: linear(decoder.layer1.0.weight) [32, 128], rows 3 and 17 of table.csv`
    fn origin(&self, found: &NotFinite, batch: BatchOf) -> String {
        let parameters = self.model.parameters();
        let name = |var| parameters.iter().find(|(_, own)| *own == var).map(|(parameter, _)| parameter.name.as_str());
        let names: Vec<&str> = found.inputs.iter().filter_map(|var| name(*var)).collect();
        let numbers: Vec<String> =
            found.rows.iter().take(MOST_ROWS).map(|row| self.row_number(batch, *row).to_string()).collect();
        let rows = match found.rows.len() {
            0 => String::new(),
            1 => format!(", row {}", numbers[0]),
            count if count <= MOST_ROWS => format!(", rows {}", numbers.join(", ")),
            count => format!(", {count} rows, the first {}", numbers.join(", ")),
        };
        let of_data = self.manifest["data"].as_str().filter(|_| !rows.is_empty());
        let of_data = of_data.map_or(String::new(), |data| format!(" of {data}"));
        let of_parameters = if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) };
        let (op, shape) = (found.op, found.shape);
        format!("; the first tensor that is not finite: {op}{of_parameters} {shape:?}{rows}{of_data}")
    }

    /// The number of a batch's row in the data, from 1, as `split.json` counts them.
    fn row_number(&self, batch: BatchOf, row: usize) -> u64 {
        let (part, row) = match batch {
            BatchOf::Training(start) => ("train", self.order[start + row]),
            BatchOf::Validation(start) => ("validation", start + row),
        };
        self.manifest[part]["row_numbers"][row].as_u64().expect("the split lists all rows")
    }
}
