//! The number of parameters of a model, and models of equal size.

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::learned_prior::LearnedPrior;
use crate::config::{Conditioning, FilmConfig, ModelConfig, Prior};
use crate::engine::nn::params::Parameters;
use crate::error::{Error, Result};

/// The largest difference in size that counts as equal.
const TOLERANCE: f64 = 0.01;

/// The parts of a model, whose parameters are declared.
pub(super) struct Parts {
    pub encoder: Encoder,
    pub decoder: Decoder,
    pub prior: Option<LearnedPrior>,
}

impl Parts {
    pub fn new(config: &ModelConfig, film: &FilmConfig, parameters: &mut Parameters) -> Self {
        let encoder = Encoder::new(config, film, parameters);
        let decoder = Decoder::new(config, film, parameters);
        let prior = (config.prior == Prior::Learned).then(|| LearnedPrior::new(config, parameters));
        Parts { encoder, decoder, prior }
    }
}

/// The number of trainable values of a model, with the widths that the configuration states.
fn count(config: &ModelConfig, film: &FilmConfig) -> usize {
    let mut parameters = Parameters::default();
    Parts::new(config, film, &mut parameters);
    parameters.count()
}

/// Refuses tensors that are not those of a model, before the model takes memory.
///
/// # Errors
/// As [`Parameters::load`], and as [`sized`].
pub fn check_tensors<'a>(
    (config, film): (&ModelConfig, &FilmConfig),
    source: &str,
    find: impl Fn(&str) -> Option<(&'a [usize], &'a [f32])>,
) -> Result<()> {
    let mut parameters = Parameters::default();
    Parts::new(&sized(config, film)?, film, &mut parameters);
    parameters.find_all(source, find).map(drop)
}

/// The configuration that a model is made of. With `model.match_parameters` its `decoder_dims` are multiplied by the
/// factor that brings it to the size that the same model has with plain FiLM.
///
/// # Errors
/// When no factor comes within 1 %.
pub fn sized(config: &ModelConfig, film: &FilmConfig) -> Result<ModelConfig> {
    if !config.match_parameters {
        return Ok(config.clone());
    }
    let plain = FilmConfig { hidden_dim: film.hidden_dim, ..FilmConfig::default() };
    let reference = ModelConfig { conditioning: Conditioning::Film, ..config.clone() };
    let target = count(&ModelConfig { use_film: None, joint_generation: None, ..reference }, &plain);
    let with = |dims: Vec<usize>| {
        let config = ModelConfig { decoder_dims: dims, ..config.clone() };
        (count(&config, film).abs_diff(target), config)
    };
    let scaled = |factor: f64| -> Vec<usize> {
        config.decoder_dims.iter().map(|width| ((*width as f64 * factor).round() as usize).max(1)).collect()
    };
    // the size grows with the factor
    let (mut low, mut high) = (1.0 / 64.0, 64.0);
    for _ in 0..40 {
        let middle = f64::sqrt(low * high);
        let config = ModelConfig { decoder_dims: scaled(middle), ..config.clone() };
        if count(&config, film) < target { low = middle } else { high = middle }
    }
    // rounding makes steps of all widths at once; the last width alone makes smaller ones
    let near = (-8..=8).map(|change: isize| {
        let mut dims = scaled(high);
        let last = dims.last_mut().expect("at least one level");
        *last = last.saturating_add_signed(change).max(1);
        with(dims)
    });
    let (difference, matched) =
        near.chain([with(scaled(low))]).min_by_key(|(difference, _)| *difference).expect("some");
    let share = difference as f64 / target as f64;
    if share > TOLERANCE {
        return Err(Error::config(
            "configuration",
            "model.match_parameters",
            format!(
                "no widths of the decoder come nearer than {:.1} % to the {target} parameters of FiLM",
                100.0 * share
            ),
            "set it to false, or choose other widths",
        ));
    }
    Ok(matched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_conditioning_comes_to_the_size_of_film() {
        let wanted = 4_415_567;
        let options = FilmConfig { gate: true, mixing: true, encoder: true, rank: Some(4), ..FilmConfig::default() };
        for (conditioning, film) in [
            (Conditioning::Film, FilmConfig::default()),
            (Conditioning::Film, options),
            (Conditioning::None, FilmConfig::default()),
            (Conditioning::Concat, FilmConfig::default()),
            (Conditioning::CrossAttention, FilmConfig::default()),
            (Conditioning::LegacyConcat, FilmConfig::default()),
        ] {
            let config = ModelConfig { conditioning, match_parameters: true, ..ModelConfig::default() };
            let own = sized(&config, &film).unwrap_or_else(|e| panic!("{conditioning:?}: {e}"));
            let count = count(&own, &film);
            let off = count.abs_diff(wanted) as f64 / f64::from(wanted as u32);
            println!("{conditioning:?}: {count} with {:?}", own.decoder_dims);
            assert!(off <= TOLERANCE, "{conditioning:?}: {count} with {:?}", own.decoder_dims);
            let plain = conditioning == Conditioning::Film && film == FilmConfig::default();
            assert!(!plain || own.decoder_dims == config.decoder_dims);
        }
    }

    #[test]
    fn a_model_too_small_to_match_is_refused() {
        let config = ModelConfig {
            encoder_dims: vec![1],
            encoder_dropout: vec![0.0],
            decoder_dims: vec![1, 1, 1, 1],
            signal_head_dim: 1,
            static_head_dims: vec![1],
            conditioning: Conditioning::CrossAttention,
            match_parameters: true,
            ..ModelConfig::default()
        };
        let message = sized(&config, &FilmConfig::default()).expect_err("too small").to_string();
        assert!(message.contains("model.match_parameters"), "{message}");
    }
}
