//! Inference: encoding and decoding of any number of rows, in batches.

use crate::data::rows::EncodedRows;
use crate::error::{Error, Result};
use crate::model::{Batch, Cvae};
use ndarray::Array2;

/// The rows of a batch.
pub const CHUNK: usize = 256;

/// The posterior's mu and logvar, each `[N, Z]`.
///
/// # Errors
/// When the device is out of memory or lost.
pub fn encode(model: &mut Cvae, rows: &EncodedRows) -> Result<(Array2<f32>, Array2<f32>)> {
    let (mut mu, mut logvar, mut gathered) = (Vec::new(), Vec::new(), Default::default());
    for start in (0..rows.len()).step_by(CHUNK) {
        rows.gather(start..(start + CHUNK).min(rows.len()), &mut gathered);
        let batch =
            Batch { rows: gathered.rows, signal: &gathered.signal, condition: &gathered.condition, ..Batch::default() };
        let posterior = model.encode(&batch)?;
        let (of_mu, of_logvar) = model.read_posterior(posterior)?;
        mu.extend(of_mu);
        logvar.extend(of_logvar);
    }
    let matrix =
        |values| Array2::from_shape_vec((rows.len(), model.config.latent_dim), values).expect("one value per element");
    Ok((matrix(mu), matrix(logvar)))
}

/// The means of the learned prior `[N, Z]` for conditions `[N, S]`; `None` for another prior.
///
/// # Errors
/// When the device is out of memory or lost.
pub fn prior_means(model: &mut Cvae, condition: &Array2<f32>) -> Result<Option<Array2<f32>>> {
    let mut means = Vec::new();
    for rows in condition.axis_chunks_iter(ndarray::Axis(0), CHUNK) {
        let values = rows.to_slice().expect("rows of a row-major array");
        let Some(mean) = model.prior_mean(rows.nrows(), values)? else { return Ok(None) };
        means.extend(model.read(mean)?);
    }
    let shape = (condition.nrows(), model.config.latent_dim);
    Ok(Some(Array2::from_shape_vec(shape, means).expect("one value per element")))
}

/// Gamma and beta, each `[N, F]`, of each decoder level for conditions `[N, S]`, at the model's conditioning strength;
/// 1 and 0 in a level without FiLM. Empty without FiLM.
///
/// # Errors
/// When the device is out of memory or lost.
pub fn modulations(model: &mut Cvae, condition: &Array2<f32>) -> Result<Vec<[Array2<f32>; 2]>> {
    let rows = condition.nrows();
    let values = condition.as_slice().expect("rows of a row-major array");
    let (strength, widths) = (model.conditioning_strength as f32, model.config.decoder_dims.clone());
    let levels = model.modulation(rows, values)?.into_iter().zip(widths);
    let at_strength = |(level, width): (Option<[Array2<f32>; 2]>, usize)| match level {
        Some([gamma, beta]) => [gamma.mapv(|gamma| 1.0 + strength * (gamma - 1.0)), beta * strength],
        None => [Array2::ones((rows, width)), Array2::zeros((rows, width))],
    };
    Ok(levels.map(at_strength).collect())
}

/// The outputs of the decoder, in the model's own units.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedRows {
    /// `[N, L]`
    pub signal: Array2<f32>,
    /// `[N, S]`; `None` for the legacy concat decoder.
    pub condition: Option<Array2<f32>>,
    /// `[N, P]`; `None` without a peak head.
    pub peaks: Option<Array2<f32>>,
}

/// Decodes latents `[N, Z]` under conditions `[N, S]`. Without conditions FiLM is the identity.
///
/// # Errors
/// When a trace is not finite, which happens with conditions or strengths far beyond the trained ones; when a concat
/// decoder gets no conditions; or when the device is out of memory or lost.
pub fn decode(model: &mut Cvae, z: &Array2<f32>, condition: Option<&Array2<f32>>) -> Result<DecodedRows> {
    decode_from(0, model, z, condition)
}

/// [`decode`] of the rows from the one with this number on, which counts in messages alone.
///
/// # Errors
/// As [`decode`].
pub fn decode_from(
    first: usize,
    model: &mut Cvae,
    z: &Array2<f32>,
    condition: Option<&Array2<f32>>,
) -> Result<DecodedRows> {
    let (rows, c) = (z.nrows(), model.config.clone());
    let empty = |width: usize| Vec::with_capacity(rows * width);
    let (mut signal, mut predicted, mut peaks) = (empty(c.signal_length), empty(c.static_dim), empty(c.num_peaks));
    for start in (0..rows).step_by(CHUNK) {
        let part = ndarray::s![start..(start + CHUNK).min(rows), ..];
        let (z, condition) = (z.slice(part), condition.map(|c| c.slice(part)));
        let contiguous = "rows of a row-major array";
        let condition = condition.as_ref().map(|c| c.to_slice().expect(contiguous));
        let z = (z.nrows(), z.to_slice().expect(contiguous));
        let out = model.decode(z.0, z.1, condition)?;
        let traces = model.read(out.signal)?;
        if let Some(at) = traces.iter().position(|v| !v.is_finite()) {
            let problem = format!("trace {} is not finite", first + start + at / c.signal_length + 1);
            let remedy = "choose values nearer to those of the training rows, or a smaller --strength";
            return Err(Error::usage(problem, remedy));
        }
        signal.extend(traces);
        if let Some(var) = out.condition {
            predicted.extend(model.read(var)?);
        }
        if let Some(var) = out.peaks {
            peaks.extend(model.read(var)?);
        }
    }
    let matrix =
        |values: Vec<f32>, width| Array2::from_shape_vec((rows, width), values).expect("one value per element");
    Ok(DecodedRows {
        signal: matrix(signal, c.signal_length),
        condition: (!predicted.is_empty()).then(|| matrix(predicted, c.static_dim)),
        peaks: (!peaks.is_empty()).then(|| matrix(peaks, c.num_peaks)),
    })
}
