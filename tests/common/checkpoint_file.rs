//! A checkpoint taken apart, to make old, damaged and hostile ones.

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

const KEY: &str = "abr_film";

/// The parts of a checkpoint, all open to change.
#[derive(Clone)]
pub struct CheckpointFile {
    /// `trained` and `progress`.
    pub metadata: Value,
    pub tensors: BTreeMap<String, RawTensor>,
}

/// A tensor as it lies in the file.
#[derive(Clone)]
pub struct RawTensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl CheckpointFile {
    /// Takes a file apart.
    pub fn read(file: &[u8]) -> CheckpointFile {
        let (_, header) = SafeTensors::read_metadata(file).expect("a safetensors file");
        let text = &header.metadata().as_ref().expect("metadata")[KEY];
        let mut metadata: Value = serde_json::from_str(text).expect("JSON");
        let object = metadata.as_object_mut().expect("an object");
        ["format", "sha256"].iter().for_each(|key| _ = object.remove(*key));
        let tensors = SafeTensors::deserialize(file).expect("a safetensors file").tensors().into_iter();
        let raw = |view: TensorView| RawTensor {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            bytes: view.data().to_vec(),
        };
        CheckpointFile { metadata, tensors: tensors.map(|(name, view)| (name, raw(view))).collect() }
    }

    /// A file with the SHA-256 of its content, made from the description of the format alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = self.metadata.to_string();
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(&text.as_bytes()[1..]);
        for (name, tensor) in &self.tensors {
            part(name.as_bytes());
            part(format!("{:?} {:?}", tensor.dtype, tensor.shape).as_bytes());
            part(&tensor.bytes);
        }
        let hash: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.with(format!("{{\"format\":2,\"sha256\":\"{hash}\",{}", &text[1..]))
    }

    /// A file of version 1, which has no hash.
    pub fn to_bytes_of_version_1(&self) -> Vec<u8> {
        self.with(format!("{{\"format\":1,{}", &self.metadata.to_string()[1..]))
    }

    fn with(&self, text: String) -> Vec<u8> {
        let metadata = HashMap::from([(KEY.to_string(), text)]);
        safetensors::serialize(&self.tensors, Some(metadata)).expect("names and shapes")
    }
}

impl View for &RawTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
