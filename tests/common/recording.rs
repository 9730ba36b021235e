//! Recorded tensors: a `.safetensors` file and its metadata.

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One recorded tensor. Its dtype widens to f64 without loss (counts are below 2^53).
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// A file of recorded tensors by name.
pub struct Recording {
    /// The JSON under one metadata key.
    pub about: Value,
    pub tensors: BTreeMap<String, Tensor>,
}

impl Recording {
    /// Reads a file whole; `key` names the metadata that describes it.
    pub fn open(path: &Path, key: &str) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
        let about = &header.metadata().as_ref().expect("metadata")[key];
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let tensors = file.iter().map(|(name, view)| {
            let values = widen(view.dtype(), view.data());
            (name.to_string(), Tensor { shape: view.shape().to_vec(), values })
        });
        Recording { about: serde_json::from_str(about).expect("JSON"), tensors: tensors.collect() }
    }

    /// The tensor of a name.
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{name} is not recorded"))
    }

    /// The rest of each name that begins with `prefix`.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.tensors.keys().filter_map(move |name| name.strip_prefix(prefix))
    }
}

fn widen(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        Dtype::F64 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect(),
        Dtype::F32 => {
            let value = |b: &[u8]| f64::from(f32::from_le_bytes(b.try_into().expect("four bytes")));
            bytes.chunks_exact(4).map(value).collect()
        }
        Dtype::I32 => {
            let value = |b: &[u8]| f64::from(i32::from_le_bytes(b.try_into().expect("four bytes")));
            bytes.chunks_exact(4).map(value).collect()
        }
        Dtype::I64 => {
            let value = |b: &[u8]| i64::from_le_bytes(b.try_into().expect("eight bytes")) as f64;
            bytes.chunks_exact(8).map(value).collect()
        }
        Dtype::U8 => bytes.iter().map(|b| f64::from(*b)).collect(),
        other => panic!("no recording holds {other:?}"),
    }
}

/// The recordings of this repository.
pub fn own() -> PathBuf {
    crate::root().join("tests/reference")
}
