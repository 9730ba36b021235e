//! The rules of `model.conditioning` and of FiLM's options.

use super::{CheckResult, ConfigProblem, MAX_WIDTH, count};
use crate::config::{Conditioning, Config, FilmConfig, ModelConfig};

pub(super) fn conditioning(config: &Config) -> CheckResult {
    earlier_keys(&config.model)?;
    attention(&config.model)?;
    if config.model.conditioned_by() != Conditioning::Film {
        options_need_film(config)?;
    }
    levels(config)
}

fn earlier_keys(m: &ModelConfig) -> CheckResult {
    if m.use_film == Some(true) && m.joint_generation == Some(false) {
        return Err(ConfigProblem::new(
            "model.use_film",
            "is true while model.joint_generation is false: the legacy decoder concatenates the condition to z and has \
             no FiLM",
            "write model.conditioning: \"film\" or \"legacy_concat\" in place of both",
        ));
    }
    let set = [("model.use_film", m.use_film), ("model.joint_generation", m.joint_generation)];
    let used = set.into_iter().find_map(|(key, value)| value.map(|_| key));
    match used.filter(|_| m.conditioning != Conditioning::Film) {
        Some(key) => {
            let problem =
                format!("is a key of earlier versions, and model.conditioning is {:?}", m.conditioning.name());
            Err(ConfigProblem::new(key, problem, format!("leave {key} out")))
        }
        None => Ok(()),
    }
}

fn attention(m: &ModelConfig) -> CheckResult {
    count("model.attention_dim", m.attention_dim, 1..=MAX_WIDTH)?;
    count("model.attention_heads", m.attention_heads, 1..=m.attention_dim)?;
    if m.attention_dim.is_multiple_of(m.attention_heads) {
        return Ok(());
    }
    Err(ConfigProblem::new(
        "model.attention_heads",
        format!("is {}, which does not divide model.attention_dim, {}", m.attention_heads, m.attention_dim),
        "choose a number of heads that divides the width",
    ))
}

fn options_need_film(config: &Config) -> CheckResult {
    let FilmConfig { gate, mixing, encoder, rank, levels, .. } = &config.film;
    let set = [
        ("film.gate", *gate),
        ("film.mixing", *mixing),
        ("film.encoder", *encoder),
        ("film.rank", rank.is_some()),
        ("film.levels", !levels.is_empty()),
    ];
    match set.into_iter().find(|(_, set)| *set) {
        Some((key, _)) => {
            let problem =
                format!("is an option of FiLM, and model.conditioning is {}", config.model.conditioned_by().name());
            Err(ConfigProblem::new(key, problem, format!("set model.conditioning to \"film\", or leave {key} out")))
        }
        None => Ok(()),
    }
}

fn levels(config: &Config) -> CheckResult {
    let (levels, wanted) = (&config.film.levels, config.model.decoder_dims.len());
    if !levels.is_empty() && levels.len() != wanted {
        let problem = format!("has {} levels, and model.decoder_dims has {wanted}", levels.len());
        return Err(ConfigProblem::new("film.levels", problem, "give one object for each level, {} for all columns"));
    }
    let names: Vec<&str> = config.data.static_columns.iter().map(|column| column.name()).collect();
    for (i, level) in levels.iter().enumerate() {
        level
            .hidden_dim
            .map_or(Ok(()), |width| count(&format!("film.levels[{i}].hidden_dim"), width, 1..=MAX_WIDTH))?;
        let columns = level.columns.iter().flatten();
        if let Some(unknown) = columns.clone().find(|column| !names.contains(&column.as_str())) {
            let problem = format!("{unknown:?} is no conditioning variable");
            let remedy = format!("data.static_columns names {}", names.join(", "));
            return Err(ConfigProblem::new(format!("film.levels[{i}].columns"), problem, remedy));
        }
    }
    if levels.iter().any(|level| level.columns.as_ref().is_none_or(|columns| !columns.is_empty())) || levels.is_empty()
    {
        return Ok(());
    }
    Err(ConfigProblem::new(
        "film.levels",
        "modulates no level",
        "give a level a column, or set model.conditioning to \"none\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::refused;
    use super::*;

    #[test]
    fn rules() {
        refused(r#"{"model": {"joint_generation": false, "use_film": true}}"#, &["model.use_film", "in place of both"]);
        refused(
            r#"{"model": {"conditioning": "concat", "use_film": true}}"#,
            &["model.use_film", "leave model.use_film out"],
        );
        refused(r#"{"model": {"conditioning": "attention"}}"#, &["model.conditioning", "cross_attention"]);
        refused(r#"{"model": {"attention_heads": 5}}"#, &["model.attention_heads", "64"]);
        refused(r#"{"model": {"conditioning": "none"}, "film": {"gate": true}}"#, &["film.gate", "is none"]);
        refused(r#"{"model": {"use_film": false}, "film": {"rank": 4}}"#, &["film.rank", "is none"]);
        refused(r#"{"film": {"rank": 0}}"#, &["film.rank"]);
        refused(r#"{"film": {"levels": [{}]}}"#, &["film.levels", "1 levels", "has 4"]);
        refused(
            r#"{"film": {"levels": [{}, {}, {}, {"columns": ["level"]}]}}"#,
            &["film.levels[3].columns", "level_db"],
        );
        refused(r#"{"film": {"levels": [{}, {}, {}, {"colums": ["level"]}]}}"#, &["film.levels[3].colums", "columns"]);
        refused(r#"{"film": {"levels": [{}, {"hidden_dim": 0}, {}, {}]}}"#, &["film.levels[1].hidden_dim"]);
        let none = r#"{"columns": []}"#;
        refused(&format!(r#"{{"film": {{"levels": [{none}, {none}, {none}, {none}]}}}}"#), &["modulates no level"]);
    }

    #[test]
    fn keys_of_earlier_versions_are_understood() {
        for (text, wanted) in [
            ("{}", Conditioning::Film),
            (r#"{"model": {"use_film": true, "joint_generation": true}}"#, Conditioning::Film),
            (r#"{"model": {"use_film": false}}"#, Conditioning::None),
            (r#"{"model": {"joint_generation": false}}"#, Conditioning::LegacyConcat),
            (r#"{"model": {"joint_generation": false, "use_film": false}}"#, Conditioning::LegacyConcat),
            (r#"{"model": {"conditioning": "cross_attention"}}"#, Conditioning::CrossAttention),
        ] {
            let config = Config::from_json("a.json", text, &[]).unwrap();
            assert_eq!(config.model.conditioned_by(), wanted, "{text}");
            let earlier = text.contains("use_film") || text.contains("joint");
            assert_eq!(config.model.notices().len(), usize::from(earlier), "{text}");
            let today = config.clone().resolved();
            assert!(today.model.conditioning == wanted && today.model.notices().is_empty(), "{text}");
            assert!(today.differences(&config).iter().all(|(key, ..)| !key.starts_with("model.")), "{text}");
            let flags = ["model.conditioning=film".to_string()];
            let film = Config::from_json("a.json", text, &flags).unwrap();
            assert_eq!(film.model.conditioned_by(), Conditioning::Film, "{text}: a flag counts");
        }
    }
}
