//! A hash of the data that a training sees.

use crate::data::{Dataset, Values};
use sha2::{Digest, Sha256};

/// SHA-256, as 64 hexadecimal digits, over signals, sample rate, t0, condition columns with their names, subjects and
/// peaks, bit by bit. The source's name and the ground truth do not count, because they do not reach the model.
pub fn data_hash(dataset: &Dataset) -> String {
    let mut hash = Sha256::new();
    let (rows, samples) = dataset.signals.dim();
    for size in [rows, samples, dataset.conditions.len()] {
        hash.update((size as u64).to_le_bytes());
    }
    for number in [dataset.sample_rate_hz, dataset.t0_ms] {
        hash.update(number.to_le_bytes());
    }
    dataset.signals.iter().for_each(|v| hash.update(v.to_le_bytes()));
    // one bit pattern for every NaN, so that all unlabelled peaks are equal
    dataset.peaks.iter().for_each(|v| hash.update(if v.is_nan() { f32::NAN } else { *v }.to_le_bytes()));
    dataset.subjects.iter().for_each(|name| text(&mut hash, name));
    for column in &dataset.conditions {
        text(&mut hash, &column.name);
        match &column.values {
            Values::Number(values) => {
                values.iter().for_each(|v| hash.update(if v.is_nan() { f64::NAN } else { *v }.to_le_bytes()))
            }
            Values::Text(values) => values.iter().for_each(|v| text(&mut hash, v)),
        }
    }
    hex(&hash.finalize())
}

/// SHA-256 of a text, as 64 hexadecimal digits.
pub fn text_hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Two digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes the length first, so that "a", "bc" and "ab", "c" differ.
fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixture::dataset;

    #[test]
    fn every_part_counts_and_the_source_does_not() {
        let data = dataset(4, 2);
        let hash = data_hash(&data);
        assert_eq!(hash.len(), 64);
        assert_eq!(hash, data_hash(&Dataset { source: "elsewhere".into(), ground_truth: None, ..data.clone() }));

        let changed = |change: fn(&mut Dataset)| {
            let mut other = data.clone();
            change(&mut other);
            data_hash(&other)
        };
        for other in [
            changed(|d| d.signals[[3, 0]] = -0.0),
            changed(|d| d.sample_rate_hz += 1.0),
            changed(|d| d.t0_ms += 0.1),
            changed(|d| d.subjects[1].push('x')),
            changed(|d| {
                // the same letters, divided differently
                let next = d.subjects[1].remove(0);
                d.subjects[0].push(next);
            }),
            changed(|d| d.peaks[[0, 2]] = f32::NAN),
            changed(|d| d.conditions[0].name = "other".into()),
            changed(|d| d.conditions[0].values = Values::Number(vec![1.0; 4])),
            changed(|d| d.conditions[1].values = Values::Text(vec!["L".into(); 4])),
        ] {
            assert_ne!(hash, other);
        }
    }
}
