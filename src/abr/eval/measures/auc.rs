//! The area under the receiver operating characteristic.
//!
//! The probability that a row labelled true has a higher score than one labelled false, ties counted half: Mann and
//! Whitney's U over the number of pairs (Hanley and McNeil 1982, "The meaning and use of the area under a receiver
//! operating characteristic (ROC) curve", Radiology 143:29). The weight of a pair is the product of its rows' weights.

/// The area under the curve; NaN where a class has no weight or a score is NaN.
///
/// # Panics
/// If scores, labels and weights differ in number.
pub fn auc(scores: &[f64], labels: &[bool], weights: Option<&[f64]>) -> f64 {
    assert_eq!(scores.len(), labels.len(), "auc: scores and labels");
    assert!(weights.is_none_or(|weights| weights.len() == scores.len()), "auc: scores and weights");
    if scores.iter().any(|score| score.is_nan()) {
        return f64::NAN;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // the weights of both classes so far, and the weight of the correctly ordered pairs
    let (mut lower, mut higher, mut ordered) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let of = |label: bool| -> f64 {
            let rows = tied.iter().filter(|row| labels[**row] == label);
            rows.map(|row| weights.map_or(1.0, |weights| weights[*row])).sum()
        };
        let (without, with) = (of(false), of(true));
        ordered += with * (lower + without / 2.0);
        lower += without;
        higher += with;
    }
    ordered / (lower * higher)
}
