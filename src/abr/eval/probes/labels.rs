//! Labels from noise-free traces: whether there is a response, and when; and noise without a response.

use super::super::sides::{Compared, Sides};
use super::super::species::Picker;
use crate::config::Species;
use crate::data::cells::Cells;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use std::f64::consts::SQRT_2;

/// The wave that determines thresholds: V in people, I in mice.
pub(in super::super) fn threshold_wave(species: Species) -> &'static str {
    match species {
        Species::Human => "V",
        Species::Mouse => "I",
    }
}

/// A response counts as present if the threshold wave of the noise-free trace reaches this amplitude in µV from peak to
/// trough. Our choice: some rows of the built-in listeners lie below, and so do the mean traces of mice below about 20
/// to 35 dB SPL, where the remaining noise is half as large.
pub(super) fn present_uv(species: Species) -> f64 {
    match species {
        Species::Human => 0.1,
        Species::Mouse => 0.3,
    }
}

/// The latency of the threshold wave in each of the noise-free `traces [N, L]` in µV, in ms; `None` if no response is
/// present. `level_db(row)` selects the time window.
pub(super) fn responses(
    picker: &Picker,
    traces: ArrayView2<f32>,
    level_db: impl Fn(usize) -> Option<f64>,
) -> Vec<Option<f64>> {
    let wave = threshold_wave(picker.species);
    let at = picker.species.waves().iter().position(|w| w.name == wave).expect("a wave of the species");
    let response = |(row, trace): (usize, ArrayView1<f32>)| {
        let peak = picker.pick(trace, level_db(row))[at]?;
        (peak.amplitude_uv >= present_uv(picker.species)).then_some(peak.latency_ms)
    };
    traces.outer_iter().enumerate().map(response).collect()
}

/// The noise of real rows without their response: `[P, L]` in µV, and the places of these rows. `None` if the noise is
/// unknown.
pub(super) fn noise_alone(sides: &Sides) -> Option<(Vec<usize>, Array2<f64>)> {
    let known = match sides.compared {
        Compared::NoiseFree | Compared::NoiseOnOneSide => return None,
        Compared::NoiseAdded { .. } => {
            let truth = sides.dataset.ground_truth.as_ref()?.signals.select(Axis(0), &sides.rows);
            ((0..sides.rows.len()).collect(), &sides.real - &truth.mapv(f64::from))
        }
        Compared::Recordings => differences(&sides.cells, sides.real.view()),
    };
    Some(known).filter(|(places, _)| !places.is_empty())
}

/// For each row that is not alone in its cell, its difference from the next row of the cell divided by √2; and the
/// places of these rows.
///
/// Half the difference of two recordings is their ± average: the response cancels, and the noise is that of their mean
/// (Schimmel 1967, Science 157:92). Multiplied by √2, it is the noise of a single recording.
pub(super) fn differences(cells: &Cells, traces: ArrayView2<f64>) -> (Vec<usize>, Array2<f64>) {
    let places: Vec<usize> = (0..traces.nrows()).filter(|&place| cells.with(place).len() > 1).collect();
    let mut noise = traces.select(Axis(0), &places);
    for (&place, mut row) in places.iter().zip(noise.outer_iter_mut()) {
        let members = cells.with(place);
        let own = members.iter().position(|member| *member as usize == place).expect("a row of its cell");
        row -= &traces.row(members[(own + 1) % members.len()] as usize);
        row /= SQRT_2;
    }
    (places, noise)
}
