//! How far listeners spread under one condition.

use crate::data::Dataset;
use crate::data::cells::Cells;
use ndarray::Array1;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The spread of listeners under conditions that several of them share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ListenerSpread {
    pub listeners: usize,
    /// The variance between listeners, summed over the samples, in µV², corrected for the noise of their means. `None`
    /// unless some condition was recorded for two listeners and repeatedly for one.
    pub variance_uv2: Option<f64>,
}

impl ListenerSpread {
    /// Measures `rows` of a data set: under each condition, the variance of the cell averages (divisor n - 1, so that
    /// it is unbiased with few listeners) minus the variance of their noise, which is estimated within cells (analysis
    /// of variance; Searle, Casella and McCulloch 1992, "Variance Components").
    pub fn of(dataset: &Dataset, rows: &[usize]) -> ListenerSpread {
        let cells = Cells::of(dataset, rows);
        let conditions = Cells::of_conditions(dataset, rows);
        let trace = |place: u32| dataset.signals.row(rows[place as usize]).mapv(f64::from);
        let mut of_condition: BTreeMap<usize, Vec<(Array1<f64>, usize)>> = BTreeMap::new();
        let (mut squares, mut freedom) = (0.0, 0);
        for members in cells.iter() {
            let mut mean = Array1::<f64>::zeros(dataset.signals.ncols());
            members.iter().for_each(|place| mean += &trace(*place));
            mean /= members.len() as f64;
            if members.len() > 1 {
                squares += members.iter().map(|place| squared(&(trace(*place) - &mean))).sum::<f64>();
                freedom += members.len() - 1;
            }
            of_condition.entry(conditions.cell(members[0] as usize)).or_default().push((mean, members.len()));
        }
        let noise = squares / freedom as f64;
        let (mut variance, mut weight) = (0.0, 0);
        for cells in of_condition.values().filter(|cells| cells.len() > 1) {
            let n = cells.len() as f64;
            let mut centre = Array1::<f64>::zeros(dataset.signals.ncols());
            cells.iter().for_each(|(mean, _)| centre += mean);
            centre /= n;
            let between = cells.iter().map(|(mean, _)| squared(&(mean - &centre))).sum::<f64>() / (n - 1.0);
            let of_noise = cells.iter().map(|(_, members)| noise / *members as f64).sum::<f64>() / n;
            variance += (between - of_noise) * n;
            weight += cells.len();
        }
        let listeners = Cells::of_subjects(dataset, rows).iter().len();
        let variance = Some(variance / weight as f64).filter(|v| v.is_finite()).map(|v| v.max(0.0));
        ListenerSpread { listeners, variance_uv2: variance }
    }
}

fn squared(trace: &Array1<f64>) -> f64 {
    trace.iter().map(|v| v * v).sum()
}
