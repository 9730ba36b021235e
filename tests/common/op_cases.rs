//! The recorded op cases: the op of each, and the number of roundings in its results.

use crate::recording::Recording;
use abr_film::engine::ops::{self, AnyOp};
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::engine::tensor::Real;
use ndarray::Array2;
use serde_json::Value;

/// One case, `OP/CASE/…` in the recording.
pub struct OpCase<'a> {
    recording: &'a Recording,
    /// `OP/CASE`
    pub name: &'a str,
    pub op: AnyOp,
}

/// All cases of an op.
pub fn of<'a>(recording: &'a Recording, op: &str) -> Vec<OpCase<'a>> {
    let all = recording.about.as_object().expect("attributes by case");
    let cases = all.iter().filter(|(name, _)| name.split('/').next() == Some(op));
    cases.map(|(name, attributes)| OpCase { recording, name, op: with_attributes(op, attributes) }).collect()
}

impl OpCase<'_> {
    /// The recorded matrices `OP/CASE/KIND/0`, `…/1`, …; `None` where one is left out.
    pub fn recorded<T: Real>(&self, kind: &str, count: usize) -> Vec<Option<Array2<T>>> {
        (0..count).map(|i| self.matrix(&format!("{kind}/{i}"))).collect()
    }

    /// The recorded matrix `OP/CASE/WHAT`.
    pub fn matrix<T: Real>(&self, what: &str) -> Option<Array2<T>> {
        let tensor = self.recording.tensors.get(&format!("{}/{what}", self.name))?;
        let [rows, columns] = tensor.shape[..] else { panic!("{}/{what}: not a matrix", self.name) };
        let values = tensor.values.iter().map(|v| T::of(*v)).collect();
        Some(Array2::from_shape_vec((rows, columns), values).expect("as many values as the shape says"))
    }

    /// The largest absolute value in the recording, inputs included.
    pub fn largest(&self) -> f64 {
        let prefix = format!("{}/", self.name);
        let tensors = self.recording.tensors.iter().filter(|(name, _)| name.starts_with(&prefix));
        tensors.flat_map(|(_, tensor)| &tensor.values).fold(0.0, |m, v| m.max(v.abs()))
    }

    /// How many tensors of each kind are recorded; there is no other kind.
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for what in self.recording.under(&format!("{}/", self.name)).filter(|what| *what != "cotangent") {
            let kind = what.split('/').next().expect("a kind");
            let kinds = ["input", "output", "grad"];
            counts[kinds.iter().position(|k| *k == kind).unwrap_or_else(|| panic!("{}/{what}", self.name))] += 1;
        }
        counts
    }

    /// The number of roundings, in sequence, in an element of a result: one per term of a sum, four for `exp`, which is
    /// good to two units in the last place.
    pub fn roundings(&self, inputs: &[[usize; 2]]) -> f64 {
        let [rows, columns] = inputs[0];
        let count = match self.op {
            AnyOp::Concat(_) | AnyOp::Clamp(_) | AnyOp::ClampPosterior(_) => 0,
            AnyOp::Add(_) | AnyOp::Mul(_) => 1,
            // the slope, or the multiplier; the product
            AnyOp::LeakyRelu(_) | AnyOp::Dropout(_) => 2,
            AnyOp::SigmaVaeNll(_) => 4,
            AnyOp::Film(_) => 6,
            AnyOp::Reparameterize(_) => 8,
            AnyOp::Linear(_) | AnyOp::GroupedLinear(_) => rows.max(columns).max(inputs[1][0]) + 1,
            // as well, and two for what the dropout multiplies by
            AnyOp::LinearRelu(_) => rows.max(columns).max(inputs[1][0]) + 3,
            AnyOp::WeightedSum(_) => 2 * inputs.len(),
            AnyOp::Mse(_) | AnyOp::MaskedL1(_) => rows * columns + 4,
            AnyOp::Kl(_) => rows * columns + 8,
            // mean, variance and the two sums of the gradient, each over the rows, and what joins them
            AnyOp::BatchNorm(_) => 4 * rows + 16,
            // as well, and dropout, FiLM and LeakyReLU
            AnyOp::NormDropoutFilm(_) => 4 * rows + 32,
        };
        count as f64
    }
}

/// The op of a name with recorded attributes.
fn with_attributes(op: &str, attributes: &Value) -> AnyOp {
    let number = |key: &str| attributes[key].as_f64().unwrap_or_else(|| panic!("{op}: {key}"));
    let integer = |key: &str| attributes[key].as_u64().unwrap_or_else(|| panic!("{op}: {key}"));
    let clamp = |half: &str| ops::Clamp { lo: number(&format!("{half}_lo")), hi: number(&format!("{half}_hi")) };
    let dropout = || {
        let stream = Stream::new(integer("seed"), Purpose::DROPOUT, integer("layer") as u32);
        ops::Dropout { p: number("p"), stream: stream.at(integer("step") as u32) }
    };
    match op {
        "add" => ops::Add.into(),
        "batch_norm" => {
            assert_eq!((number("eps"), number("momentum")), (ops::BatchNorm::EPS, ops::BatchNorm::MOMENTUM));
            ops::BatchNorm { training: attributes["training"].as_bool().expect("training") }.into()
        }
        "sigma_vae_nll" => {
            assert_eq!(number("floor"), ops::SigmaVaeNll::FLOOR);
            ops::SigmaVaeNll { length: integer("length") as usize }.into()
        }
        "clamp" => ops::Clamp { lo: number("lo"), hi: number("hi") }.into(),
        "concat" => ops::Concat.into(),
        "dropout" => dropout().into(),
        "film" => ops::Film.into(),
        "norm_dropout_film" => ops::NormDropoutFilm {
            slope: number("slope"),
            training: attributes["training"].as_bool().expect("training"),
            dropout: attributes.get("p").map(|_| dropout()),
            film: attributes.get("film").map(|_| integer("film") as usize),
        }
        .into(),
        "grouped_linear" => {
            let widths = attributes["widths"].as_array().expect("widths");
            ops::GroupedLinear { widths: widths.iter().map(|w| w.as_u64().expect("a width") as usize).collect() }.into()
        }
        "kl" => ops::Kl.into(),
        "leaky_relu" => ops::LeakyRelu { slope: number("slope") }.into(),
        "linear" => ops::Linear.into(),
        "linear_relu" => ops::LinearRelu { dropout: attributes.get("p").map(|_| dropout()) }.into(),
        "masked_l1" => ops::MaskedL1.into(),
        "mse" => ops::Mse.into(),
        "mul" => ops::Mul.into(),
        "clamp_posterior" => ops::ClampPosterior { mu: clamp("mu"), logvar: clamp("logvar") }.into(),
        "reparameterize" => ops::Reparameterize.into(),
        "weighted_sum" => {
            let weights = attributes["weights"].as_array().expect("weights");
            ops::WeightedSum { weights: weights.iter().map(|w| w.as_f64().expect("a weight")).collect() }.into()
        }
        _ => panic!("{op}: an op that no test knows"),
    }
}
