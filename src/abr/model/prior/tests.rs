use super::*;
use crate::engine::rng::{Purpose, Stream};
use ndarray::{Array3, array, s};

/// Levels from -1.5 to 1.5 with 40 rows each. One latent unit is twice the level; the other distinguishes the two
/// subjects.
fn prior() -> AggregatedPosterior {
    let level = |row: usize| -1.5 + 0.25 * (row % 13) as f32;
    let subject = |row: usize| (row / 13 % 2) as u32;
    AggregatedPosterior::new(
        Array2::from_shape_fn((520, 1), |(row, _)| level(row)),
        Array2::from_shape_fn((520, 2), |(row, unit)| match unit {
            0 => 2.0 * level(row),
            _ => 3.0 - 6.0 * subject(row) as f32,
        }),
        Array2::from_elem((520, 2), (0.04_f32).ln()),
        (0..520).map(subject).collect(),
    )
}

fn stream(layer: u32) -> Stream {
    Stream::new(3, Purpose::TEST, layer)
}

/// Draws subjects, each under all conditions: `[subjects, conditions, 2]`.
fn drawn(prior: &AggregatedPosterior, conditions: &[Option<f32>], subjects: u32) -> Array3<f32> {
    let near = conditions.iter().map(|c| prior.near(c.map(|c| array![c]).as_ref().map(|c| c.view())));
    let near: Vec<Near> = near.collect();
    let mut z = Array3::zeros((subjects as usize, conditions.len(), 2));
    for (sample, mut series) in z.outer_iter_mut().enumerate() {
        let mut weights = vec![0.0; prior.subjects()];
        near.iter().for_each(|near| near.add_weights(&mut weights));
        let subject = SubjectDraw::draw(&weights, &mut stream(0).rng(sample as u32));
        for (at, mut z) in series.outer_iter_mut().enumerate() {
            let z = z.as_slice_mut().unwrap();
            stream(1).normals(sample as u32, z);
            let mut recording = [0.0; 2];
            stream(2).normals((sample * conditions.len() + at) as u32, &mut recording);
            prior.draw(&near[at], &subject, &recording, z);
        }
    }
    z
}

fn moments(column: ArrayView1<f32>) -> (f64, f64) {
    let values = column.mapv(f64::from);
    (values.mean().unwrap(), values.var(0.0))
}

#[test]
fn latents_are_those_of_rows_with_a_near_condition() {
    let prior = prior();
    for level in [-0.5_f32, 0.0, 0.5] {
        let z = drawn(&prior, &[Some(level)], 4000);
        let (mean, variance) = moments(z.slice(s![.., 0, 0]));
        // After moving along the regression, whose ridge leaves 4e-4 of the slope, rows differ only by their
        // posteriors. Five standard errors of 4000 draws.
        let error = 5.0 * (0.04_f64 / 4000.0).sqrt();
        assert!((mean - 2.0 * f64::from(level)).abs() < 5e-4 + error, "{level}: {mean}");
        assert!((variance - 0.04).abs() < 5.0 * 0.04 * (2.0_f64 / 4000.0).sqrt(), "{level}: {variance}");
        // smoothing moves subjects, and keeps their variance
        let of_subjects = z.slice(s![.., 0, 1]);
        let (mean, variance) = moments(of_subjects);
        // Draws scatter about ±2.68 and, for the half with two different subjects, 1.90 to either side of these. So
        // their fourth moment is 138, and their squares have a deviation of 7.5. Five standard errors each.
        assert!(mean.abs() < 5.0 * (9.04_f64 / 4000.0).sqrt(), "{mean}");
        assert!((variance - 9.04).abs() < 5.0 * 7.5 / 4000_f64.sqrt(), "{variance}");
        let between = of_subjects.iter().filter(|v| (v.abs() - 2.7).abs() > 1.0).count() as f64;
        assert!((between - 2000.0).abs() < 5.0 * (4000.0_f64 * 0.25).sqrt(), "{between}");
    }
}

#[test]
fn a_subject_is_the_same_under_all_conditions() {
    let z = drawn(&prior(), &[Some(-1.0), Some(1.0), Some(-1.0)], 500);
    for series in z.outer_iter() {
        // recordings of one subject differ by a tenth of the posterior's variance, .04: five standard deviations,
        // and the 4e-4 of a slope of 4 that the ridge leaves
        let deviations = (2.0_f32 * OF_RECORDING as f32 * 0.04).sqrt();
        assert!((series[[0, 1]] - series[[1, 1]]).abs() < 5.0 * deviations, "{series}");
        assert!((series[[0, 0]] - series[[2, 0]]).abs() < 5.0 * deviations, "{series}");
        assert!((series[[1, 0]] - series[[0, 0]] - 4.0).abs() < 2e-3 + 5.0 * deviations, "{series}");
    }
}

#[test]
fn far_from_all_rows_the_nearest_count_and_without_a_condition_all() {
    let prior = prior();
    let near = prior.near(Some(array![40.0].view()));
    // the rows at the highest level alone, moved nowhere, of both subjects alike: only f64 rounds
    assert!((near.mean[0] - 3.0).abs() < 1e-12 && near.mean[1].abs() < 1e-12, "{}", near.mean);
    assert!(near.within.iter().all(|v| v.is_finite()));
    let (mean, variance) = moments(drawn(&prior, &[None], 4000).slice(s![.., 0, 0]));
    // the variance of 13 equal steps of a half
    let wanted: f64 = 0.25 * (13.0 * 13.0 - 1.0) / 12.0 + 0.04;
    // standard errors of 4000 draws: 5 of the mean, 3.8 of the variance
    let errors = [(wanted / 4000.0).sqrt(), wanted * (2.0_f64 / 4000.0).sqrt()];
    assert!(mean.abs() < 5.0 * errors[0], "{mean}");
    assert!((variance - wanted).abs() < 3.8 * errors[1], "{variance} {wanted}");
}

#[test]
fn rows_are_moved_along_curves() {
    // two conditioning variables with 16 levels each and few rows: the kernel is wide
    let level = |row: usize, column: usize| -1.5 + 0.2 * (if column == 0 { row % 16 } else { row / 16 }) as f32;
    let curve = |a: f32, b: f32| 2.0 * a * a + a * b;
    let prior = AggregatedPosterior::new(
        Array2::from_shape_fn((256, 2), |(row, column)| level(row, column)),
        Array2::from_shape_fn((256, 2), |(row, _)| curve(level(row, 0), level(row, 1))),
        Array2::from_elem((256, 2), -200.0),
        (0..256).map(|row| row % 7).collect(),
    );
    for wanted in [array![0.0_f32, 0.0], array![1.2, -1.2], array![-1.0, -0.5]] {
        let near = prior.near(Some(wanted.view()));
        let curve = f64::from(curve(wanted[0], wanted[1]));
        let mean = |rows: &Vec<usize>| prior.mean_of(&near, rows).0;
        let worst = prior.rows.iter().flat_map(mean).map(|mean| (mean - curve).abs()).fold(0.0, f64::max);
        // the curve is a sum of terms of the regression, so only its ridge of 0.001 leaves something: here 2.4e-4
        assert!(worst < 3e-4, "{wanted}: {worst} off {curve}");
        // and each row deviates little from its subject's mean, by 9e-4 for the same reason
        assert!(near.within[[0, 0]] < 1e-3, "{wanted}: {}", near.within);
    }
}

#[test]
fn one_row_alone_is_its_own_posterior() {
    let logvar = Array2::from_elem((1, 2), -200.0);
    let prior = AggregatedPosterior::new(array![[0.0]], array![[1.0, -2.0]], logvar, vec![0]);
    assert_eq!(drawn(&prior, &[Some(5.0)], 8).slice(s![7, 0, ..]), array![1.0, -2.0]);
}
