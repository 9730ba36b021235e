//! What noise-free traces say of a response, and noise without one.

use super::super::sides::{Compared, Sides};
use super::super::species::Picker;
use crate::config::Species;
use crate::data::cells::Cells;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use std::f64::consts::SQRT_2;

/// The wave that thresholds are read from: V in people, I in mice.
pub(in super::super) fn threshold_wave(species: Species) -> &'static str {
    match species {
        Species::Human => "V",
        Species::Mouse => "I",
    }
}

/// The amplitude in µV, from peak to trough of the noise-free threshold wave, from which a response counts as
/// present. Our choice: a part of the built-in listeners' rows lies below, and mice's mean traces from about 20 to 35
/// dB SPL down, where what is left of the noise is half as large.
pub(super) fn present_uv(species: Species) -> f64 {
    match species {
        Species::Human => 0.1,
        Species::Mouse => 0.3,
    }
}

/// The latency of the threshold wave in each of the noise-free `traces [N, L]` in µV, in ms; `None` where no response
/// is present. `level_db(row)` says where to look.
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

/// The noise of real rows, as compared, without a response: `[P, L]` in µV, and the places of the rows that it is of.
/// `None` where it is not known.
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

/// Each row that is not alone in its cell less the next one there, over √2, and the places of these rows.
///
/// Half the difference of two recordings is their ± average: the response cancels, and of the noise is left what is in
/// their mean (Schimmel 1967, Science 157:92). Times √2, it is as much as in one of them.
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
