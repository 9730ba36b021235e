//! Bare weights in every supported type.

use super::*;

/// Loads a file with one tensor `w`: a column of `rows` values of this type, stored as `bytes`.
fn load(dtype: Dtype, rows: usize, bytes: &[u8]) -> Result<Vec<f32>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let view = TensorView::new(dtype, vec![rows, 1], bytes).unwrap();
    std::fs::write(file.path(), safetensors::serialize([("w", view)], None).unwrap()).unwrap();
    let loaded = Checkpoint::load(file.path())?;
    let (shape, values) = loaded.find("w").unwrap();
    assert_eq!(shape, [rows, 1]);
    Ok(values.to_vec())
}

#[test]
fn a_tensor_of_another_length_is_not_the_wanted_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let view = TensorView::new(Dtype::F32, vec![2, 1], &[0; 8]).unwrap();
    std::fs::write(file.path(), safetensors::serialize([("w", view)], None).unwrap()).unwrap();
    let loaded = Checkpoint::load(file.path()).unwrap();
    assert_eq!(loaded.wanted("it", "w", 2).unwrap(), [0.0, 0.0]);
    let problem = |name, len| loaded.wanted("it", name, len).unwrap_err().to_string();
    assert!(problem("w", 3).contains("wanted 3 values, got 2"), "{}", problem("w", 3));
    assert!(problem("v", 2).contains("missing, wanted 2 values"), "{}", problem("v", 2));
}

/// Pairs of 16-bit floats and their exact values, which f32 can represent.
#[track_caller]
fn exact(dtype: Dtype, pairs: &[(u16, f32)]) {
    let bytes: Vec<u8> = pairs.iter().flat_map(|(bits, _)| bits.to_le_bytes()).collect();
    for ((bits, wanted), value) in pairs.iter().zip(load(dtype, pairs.len(), &bytes).unwrap()) {
        assert_eq!(value.to_bits(), wanted.to_bits(), "{bits:#06x} is {wanted:e}, not {value:e}");
    }
}

#[test]
fn half_precision_is_widened_without_rounding() {
    exact(
        Dtype::F16,
        &[
            (0x3e00, 1.5),
            (0xc080, -2.25),
            (0x3555, 1365.0 / 4096.0),
            (0x7bff, 65504.0),
            (0x0400, 2f32.powi(-14)),
            // subnormal: the largest and the smallest
            (0x83ff, -1023.0 / 1024.0 * 2f32.powi(-14)),
            (0x0001, 2f32.powi(-24)),
            (0x8000, -0.0),
        ],
    );
}

#[test]
fn bfloat16_is_widened_without_rounding() {
    exact(
        Dtype::BF16,
        &[
            (0x3fc0, 1.5),
            (0xc010, -2.25),
            (0x3eab, 171.0 / 512.0),
            (0x7f7f, 255.0 / 128.0 * 2f32.powi(127)),
            (0x0001, f32::from_bits(1 << 16)),
            (0x8000, -0.0),
        ],
    );
}

#[test]
fn a_weight_that_is_not_finite_is_refused() {
    let (nan, infinity) = (f32::NAN.to_le_bytes(), f32::INFINITY.to_le_bytes());
    for (dtype, bytes) in [(Dtype::F16, &[0, 0xfc][..]), (Dtype::BF16, &[0x80, 0x7f]), (Dtype::F32, &nan)] {
        let message = load(dtype, 1, bytes).unwrap_err().to_string();
        assert!(message.contains("tensor w: contains "), "{message}");
    }
    assert!(load(Dtype::F32, 2, &[[0; 4], infinity].concat()).is_err());
}

#[test]
fn double_precision_is_rounded_and_integers_are_refused() {
    let tenth: f64 = 0.1;
    assert_eq!(load(Dtype::F64, 1, &tenth.to_le_bytes()).unwrap(), [0.1_f32]);
    for (dtype, bytes) in [(Dtype::I32, &[1, 0, 0, 0][..]), (Dtype::F8_E4M3, &[0x38])] {
        let message = load(dtype, 1, bytes).unwrap_err().to_string();
        assert!(message.contains("tensor w: wanted F64, F32, F16 or BF16 values, got "), "{message}");
    }
}

#[test]
fn facts_of_before_there_were_sketches_are_still_read() {
    let old =
        r#"{"hash": "ab", "sample_rate_hz": 20000.0, "t0_ms": 0.0, "train_statics": [], "seen_subjects": ["A1"]}"#;
    let facts: DataFacts = serde_json::from_str(old).unwrap();
    // such a file does not say which subjects were used only for validation
    assert_eq!((facts.train_subjects.len(), &facts.train_sketches), (0, &None));
    let again = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<DataFacts>(&again).unwrap(), facts);
}
