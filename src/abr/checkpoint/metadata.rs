//! The text of the metadata key: the format, the SHA-256 of everything else, and the rest as JSON.

use super::TrainedModel;
use crate::data::hash::hex;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The version that is written. Files of version 1 have no hash, and no tensors of training rows.
const FORMAT: u32 = 2;
/// What stands before and after the hash.
const BEFORE: &str = r#"{"format":2,"sha256":""#;
const AFTER: &str = r#"","#;
const HASH_LEN: usize = 64;

#[derive(Serialize, Deserialize)]
pub(super) struct Metadata {
    pub trained: TrainedModel,
    pub progress: Option<Value>,
}

impl Metadata {
    /// The text for a file with these tensors.
    pub fn to_text(&self, tensors: &[(String, TensorView)]) -> String {
        let json = serde_json::to_string(self).expect("serializable");
        let rest = &json[1..];
        format!("{BEFORE}{}{AFTER}{rest}", hash(rest, tensors))
    }

    /// Reads the text of a file with these tensors; the error is the problem.
    pub fn from_text(text: &str, tensors: &[(String, TensorView)]) -> Result<Metadata, String> {
        // no more than the number: a tree of all values would take many times the text
        #[derive(Deserialize)]
        struct Version {
            format: Option<u32>,
        }
        let damaged = |e: serde_json::Error| format!("damaged metadata: {e}");
        match serde_json::from_str::<Version>(text).map_err(damaged)?.format {
            Some(1) => (),
            Some(FORMAT) => check_hash(text, tensors)?,
            format => return Err(format!("checkpoint format {format:?}, wanted 1 to {FORMAT}")),
        }
        serde_json::from_str(text).map_err(damaged)
    }
}

fn check_hash(text: &str, tensors: &[(String, TensorView)]) -> Result<(), String> {
    let parts = text.strip_prefix(BEFORE).and_then(|rest| rest.split_at_checked(HASH_LEN));
    let parts = parts.and_then(|(stored, rest)| Some((stored, rest.strip_prefix(AFTER)?)));
    match parts {
        Some((stored, rest)) if stored == hash(rest, tensors) => Ok(()),
        _ => Err("damaged: its SHA-256 is another than when it was written".to_string()),
    }
}

/// Of the rest of the metadata and of each tensor, by name: name, type, shape and values.
fn hash(rest: &str, tensors: &[(String, TensorView)]) -> String {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(rest.as_bytes());
    let mut order: Vec<&(String, TensorView)> = tensors.iter().collect();
    order.sort_by_key(|(name, _)| name);
    for (name, tensor) in order {
        part(name.as_bytes());
        part(format!("{:?} {:?}", tensor.dtype(), tensor.shape()).as_bytes());
        part(tensor.data());
    }
    hex(&hasher.finalize())
}
