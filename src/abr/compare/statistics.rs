//! Means over folds and seeds, with Student's intervals, and medians of costs.

/// A mean with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct MeanInterval {
    pub mean: f64,
    /// `None` with fewer than two values.
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub values: usize,
}

impl MeanInterval {
    /// Whether the whole interval is above 0.
    pub fn is_above_0(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0)
    }
}

/// The middle one of values, of two the greater; `None` without a value.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The mean of values with Student's 95 % interval; `None` without a value. `inflation` multiplies the variance of the
/// mean: 1 for independent values, more for folds, whose training sets overlap.
pub fn mean_interval(values: &[f64], inflation: f64) -> Option<MeanInterval> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    let (mut low, mut high) = (None, None);
    if count > 1 {
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1) as f64;
        let half = quantile_975(count - 1) * (inflation * variance / count as f64).sqrt();
        (low, high) = (Some(mean - half), Some(mean + half));
    }
    Some(MeanInterval { mean, low, high, values: count })
}

/// The 97.5 % quantile of Student's distribution: exact to the printed digits up to 30 degrees of freedom, then by the
/// expansion of Cornish and Fisher (Abramowitz and Stegun 1964, 26.7.5), which is within 1e-4 there.
fn quantile_975(freedom: usize) -> f64 {
    const FIRST: [f64; 30] = [
        12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604,
        2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518,
        2.0484, 2.0452, 2.0423,
    ];
    if let Some(quantile) = FIRST.get(freedom - 1) {
        return *quantile;
    }
    let (z, n) = (1.959_964_f64, freedom as f64);
    z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_students() {
        // scipy.stats.t.interval(0.95, 3, loc=2.5, scale=scipy.stats.sem([1, 2, 3, 4]))
        let interval = mean_interval(&[1.0, 2.0, 3.0, 4.0], 1.0).unwrap();
        assert_eq!(interval.mean, 2.5);
        assert!((interval.low.unwrap() - 0.445_739_74).abs() < 1e-4, "{interval:?}");
        assert!((interval.high.unwrap() - 4.554_260_26).abs() < 1e-4, "{interval:?}");
        assert!(interval.is_above_0() && !mean_interval(&[-1.0, 1.0, 0.5], 1.0).unwrap().is_above_0());
        assert!(!mean_interval(&[-3.0, -3.1, -2.9], 1.0).unwrap().is_above_0());
        let wider = mean_interval(&[1.0, 2.0, 3.0, 4.0], 4.0).unwrap();
        assert!((wider.high.unwrap() - 2.5 - 2.0 * (interval.high.unwrap() - 2.5)).abs() < 1e-12);
        assert_eq!(mean_interval(&[3.0], 1.0).unwrap().low, None);
        assert_eq!(mean_interval(&[], 1.0), None);
    }

    #[test]
    fn the_expansion_goes_on_where_the_table_ends() {
        // scipy.stats.t.ppf(0.975, [31, 60, 1000])
        for (freedom, wanted) in [(31, 2.039_513), (60, 2.000_298), (1000, 1.962_339)] {
            assert!((quantile_975(freedom) - wanted).abs() < 1e-4, "{freedom}: {}", quantile_975(freedom));
        }
    }
}
