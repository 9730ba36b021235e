//! Cross-attention to the condition: each value of the condition is a token, from the value and from what it is the
//! value of (Gorishniy et al. 2021, arXiv:2106.11959, section 3.3). At each decoder level the features are the query
//! (Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2); what they attend to is added, and the sum layer-normalised
//! (section 3.1).

use super::film::ConditionVars;
use crate::config::ModelConfig;
use crate::engine::nn::init::Init;
use crate::engine::nn::layers::{ForwardContext, Layer, LayerNormLayer, LinearInit, LinearLayer};
use crate::engine::nn::params::{ParameterId, Parameters};
use crate::engine::ops::{Add, CrossAttention, Scale, TokenEmbedding};
use crate::engine::tape::Var;
use crate::error::Result;

/// The tokens, and a layer for each decoder level.
#[derive(Debug)]
pub struct AttentionLayers {
    weight: ParameterId,
    name: ParameterId,
    levels: Vec<AttentionLayer>,
    heads: usize,
}

#[derive(Debug)]
struct AttentionLayer {
    query: LinearLayer,
    key: LinearLayer,
    value: LinearLayer,
    output: LinearLayer,
    norm: LayerNormLayer,
}

/// The condition as a level sees it.
#[derive(Debug, Clone, Copy)]
pub struct Tokens {
    /// `[B S, D]`
    tokens: Var,
    strength: Var,
}

impl AttentionLayers {
    /// `widths`: the units of each level.
    pub fn new(parameters: &mut Parameters, c: &ModelConfig, widths: &[usize]) -> Self {
        let width = c.attention_dim;
        let mut of_tokens = |part: &str| {
            let init = Init::Linear { fan_in: width };
            parameters.declare(format!("decoder.tokens.{part}"), &[c.static_dim, width], true, init)
        };
        let (weight, name) = (of_tokens("weight"), of_tokens("name"));
        let level = |(i, &units): (usize, &usize)| {
            let scope = format!("decoder.attention{}", i + 1);
            let mut linear = |part: &str, inputs, outputs| {
                LinearLayer::new(parameters, &format!("{scope}.{part}"), inputs, outputs, LinearInit::Default)
            };
            let query = linear("query", units, width);
            let (value, output) = (linear("value", width, width), linear("output", width, units));
            AttentionLayer {
                query,
                // a bias would add the same to all scores of a query
                key: LinearLayer::without_bias(parameters, &format!("{scope}.key"), width, width),
                value,
                output,
                norm: LayerNormLayer::new(parameters, &format!("{scope}.norm"), units),
            }
        };
        let levels = widths.iter().enumerate().map(level).collect();
        AttentionLayers { weight, name, levels, heads: c.attention_heads }
    }

    /// The tokens of a condition.
    pub fn tokens(
        &self,
        context: &mut ForwardContext,
        ConditionVars { values, strength }: ConditionVars,
    ) -> Result<Tokens> {
        let [weight, name] = [self.weight, self.name].map(|id| context.parameters.var(id));
        Ok(Tokens { tokens: context.tape.apply(TokenEmbedding, &[values, weight, name])?, strength })
    }

    /// A level (counted from 0): features `[B, F]` to the same shape, and the weights of the tokens `[B, H S]`. Without
    /// tokens nothing is added.
    pub fn attend(
        &self,
        context: &mut ForwardContext,
        level: usize,
        x: Var,
        tokens: Option<Tokens>,
    ) -> Result<(Var, Option<Var>)> {
        let AttentionLayer { query, key, value, output, norm } = &self.levels[level];
        let Some(Tokens { tokens, strength }) = tokens else { return Ok((norm.forward(context, x)?, None)) };
        let inputs = [query.forward(context, x)?, key.forward(context, tokens)?, value.forward(context, tokens)?];
        let found = context.tape.apply_all(CrossAttention { heads: self.heads }, &inputs)?;
        let added = output.forward(context, found[0])?;
        let added = context.tape.apply(Scale, &[added, strength])?;
        let sum = context.tape.apply(Add, &[x, added])?;
        Ok((norm.forward(context, sum)?, Some(found[1])))
    }
}
