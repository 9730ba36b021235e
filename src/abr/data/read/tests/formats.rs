//! `tests/fixtures/formats` contains exactly the samples that the formats name.

use crate::data::read::{FORMATS, Format, SourceFile, formats::detect, read_all};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats")
}

/// Each format with each of its samples.
fn samples() -> impl Iterator<Item = (&'static Format, &'static str)> {
    FORMATS.iter().flat_map(|format| format.samples.iter().map(move |name| (format, *name)))
}

#[test]
fn a_sample_is_of_its_own_format_alone_and_is_read() {
    for (format, name) in samples() {
        let source = SourceFile::open(&folder().join(name)).unwrap();
        let fitting = FORMATS.iter().filter(|format| (format.detect)(source.head()));
        assert_eq!(fitting.map(|format| format.name).collect::<Vec<_>>(), [format.name], "{name}");
        assert_eq!(detect(&source).map(|format| format.name), Some(format.name), "{name}");
        let (recordings, _) = read_all(&[folder().join(name)]).unwrap();
        assert!(!recordings.is_empty() && recordings.iter().all(|r| r.samples.iter().any(|v| *v != 0.0)), "{name}");
    }
}

#[test]
fn each_format_has_a_file_and_each_file_a_format() {
    let files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let beside = |sample: &str| name.starts_with(Path::new(sample).file_stem().unwrap().to_str().unwrap());
        assert!(samples().any(|(_, sample)| beside(sample)), "{name}: neither a sample nor beside one");
    }
    let heads: Vec<SourceFile> = files.iter().map(|file| SourceFile::open(file).unwrap()).collect();
    for format in FORMATS {
        assert!(heads.iter().any(|source| (format.detect)(source.head())), "{}: no file", format.name);
    }
}
