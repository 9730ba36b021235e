//! Quantiles between order statistics (Hyndman and Fan 1996, "Sample quantiles in statistical packages", Am. Stat.
//! 50:361).

/// The quantile of `sorted` values at `share` from 0 to 1: type 7 of Hyndman and Fan, NumPy's default, at position `(n
/// - 1) share` of the order statistics counted from 0. NaN without values.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    between(sorted, share * (sorted.len() as f64 - 1.0))
}

/// The middle value, or the mean of the middle two. Sorts `values`. NaN without values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    quantile(values, 0.5)
}

/// Interpolates linearly between the order statistics on both sides of `position`, which counts from 0. Returns the
/// first value before position 0, and the last value beyond the end. NaN without values.
pub(super) fn between(sorted: &[f64], position: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = position.clamp(0.0, last as f64);
    let below = position.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    // equal values may be infinite, which would give NaN
    if low == high { low } else { low + (position - below as f64) * (high - low) }
}
