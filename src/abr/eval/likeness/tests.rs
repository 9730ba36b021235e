use super::*;
use crate::engine::rng::{Purpose, Stream};

/// 60 subjects with 3 cells each, variances 4 between subjects, 1 between cells and .25 for noise.
fn simulated(rows_of_cell: usize) -> (Array2<f64>, Vec<usize>, Vec<usize>) {
    let rows = 180 * rows_of_cell;
    let (cell, subject) = (|row: usize| row / rows_of_cell, |row: usize| row / (3 * rows_of_cell));
    let normals = |layer: u32, sample: usize| {
        let mut values = vec![0.0_f32; 30];
        Stream::new(6, Purpose::TEST, layer).normals(sample as u32, &mut values);
        values
    };
    let residuals = Array2::from_shape_fn((rows, 30), |(row, i)| {
        let of = |layer, sample| f64::from(normals(layer, sample)[i]);
        2.0 * of(0, subject(row)) + of(1, cell(row)) + 0.5 * of(2, row)
    });
    (residuals, (0..rows).map(cell).collect(), (0..rows).map(subject).collect())
}

#[test]
fn the_parts_of_the_variance_come_back() {
    let (residuals, cells, subjects) = simulated(4);
    let found = Variances::of(&residuals, &cells, &subjects);
    // 1800 subject effects, 5400 cell effects
    // Standard errors, by sqrt(2 / degrees of freedom): .145 of the mean square 4.35 between subjects, .025 of 1.06
    // between cells, and .003 of .25 for noise. The bounds are two to four of them.
    assert!((found.between_subjects - 4.0).abs() < 0.4, "{found:?}");
    assert!((found.within_subjects - 1.0).abs() < 0.06, "{found:?}");
    assert!((found.noise - 0.25).abs() < 0.01, "{found:?}");
    // with single recordings, noise and cell effects cannot be separated
    let (residuals, cells, subjects) = simulated(1);
    let found = Variances::of(&residuals, &cells, &subjects);
    assert!(found.noise.is_nan() && (found.within_subjects - 1.25).abs() < 0.1, "{found:?}");
    assert!(Deviations::of(&found).noise.is_nan());
    assert_eq!(Deviations::of(&Variances { within_subjects: -1.0, ..found }).within_subjects, 0.0);
}
