//! Steps whose readback is pending.

use super::Trainer;
use super::not_finite::BatchOf;
use crate::engine::device::{NormHandles, ScalarHandle, Ticket};
use crate::error::Result;
use crate::model::Losses;

/// A step whose readback is pending.
pub(super) struct PendingStep {
    ticket: Ticket,
    report: StepReport,
    epoch: usize,
    /// The number in its epoch, from 0.
    step: usize,
    /// The first of its rows in the epoch's order, and their number.
    start: usize,
    rows: usize,
    labels: f64,
}

/// The scalars that a step reports.
pub(super) struct StepReport {
    pub losses: Losses<ScalarHandle>,
    /// The gradient norm of each FiLM generator.
    pub film_norms: NormHandles,
    /// The norm of all gradients; `None` without clipping.
    pub norm: Option<ScalarHandle>,
}

impl Trainer {
    /// Starts the readback of the current step's report.
    pub(super) fn read_back(&mut self, report: StepReport, (start, rows): (usize, usize)) -> Result<()> {
        self.scalars.clear();
        self.scalars.extend(report.losses.iter().chain(report.film_norms.iter()).chain(report.norm));
        let ticket = self.model.tape().readback(&self.scalars)?;
        let (epoch, step, labels) = (self.progress.epoch, self.progress.step_in_epoch, self.gathered.labels());
        self.pending.push_back(PendingStep { ticket, report, epoch, step, start, rows, labels });
        Ok(())
    }

    /// Waits for all pending steps and adds them to the epoch's sums.
    ///
    /// # Errors
    /// When a loss is not finite; see [`Trainer::step`].
    pub fn settle(&mut self) -> Result<()> {
        self.collect(0)
    }

    /// Waits for the oldest pending steps, until at most `in_flight` are left, and adds them to the epoch's sums.
    pub(super) fn collect(&mut self, in_flight: usize) -> Result<()> {
        // once the weights contain a step with a loss that is not finite, every call fails
        self.check_finite()?;
        while self.pending.len() > in_flight {
            let PendingStep { ticket, report, epoch, step, start, rows, labels } =
                self.pending.pop_front().expect("a pending step");
            let values = &mut self.values;
            self.model.tape().wait(ticket, values)?;
            let (terms, total) = report.losses.terms(values);
            if !total.is_finite() {
                let place = format!("epoch {}, step {}", epoch + 1, step + 1);
                // the tape has the last step alone
                let batch = self.pending.is_empty().then_some(BatchOf::Training(start));
                return self.stop(place, format!("the loss is no longer finite: {terms:?}"), batch);
            }
            for (sum, norm) in self.progress.film_gradient_norms.iter_mut().zip(report.film_norms.iter()) {
                *sum += values.get(norm);
            }
            self.progress.gradient_norm += report.norm.map_or(0.0, |norm| values.get(norm));
            self.progress.train.add(&terms, rows, labels);
        }
        Ok(())
    }

    /// Drops all pending steps and the error of a loss that was not finite.
    pub(super) fn drop_pending(&mut self) -> Result<()> {
        while let Some(step) = self.pending.pop_front() {
            self.model.tape().wait(step.ticket, &mut self.values)?;
        }
        self.broken = None;
        Ok(())
    }
}
