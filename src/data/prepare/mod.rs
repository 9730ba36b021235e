//! What is done to a recording before the model sees it.

pub mod butterworth;
pub mod resample;

/// Why a recording cannot be prepared, and what to do; who reads it knows where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub problem: String,
    pub remedy: String,
}

/// A trace with `padding` more samples at either end, turned about its first and last sample: before the first sample `x_0` stand
/// `…, 2 x_0 - x_2, 2 x_0 - x_1`. Level and slope go on; a trace that is too short is turned again and again.
fn odd_extension(trace: &[f64], padding: usize) -> Vec<f64> {
    let n = trace.len();
    let mut extended = vec![trace.first().copied().unwrap_or(0.0); n + 2 * padding];
    extended[padding..padding + n].copy_from_slice(trace);
    if n < 2 {
        return extended;
    }
    let (first, last) = (padding, padding + n - 1);
    for k in 1..=padding {
        // what a short trace is turned over is there already: both ends grow together
        extended[first - k] = 2.0 * extended[first] - extended[first + k];
        extended[last + k] = 2.0 * extended[last] - extended[last - k];
    }
    extended
}

#[cfg(test)]
mod tests {
    use super::odd_extension;

    #[test]
    fn ends_are_turned_about_the_outer_samples() {
        assert_eq!(odd_extension(&[1.0, 2.0, 4.0], 2), [-2.0, 0.0, 1.0, 2.0, 4.0, 6.0, 7.0]);
        let line: Vec<f64> = (-9..=10).map(f64::from).collect();
        assert_eq!(odd_extension(&[0.0, 1.0], 9), line);
        assert_eq!(odd_extension(&[3.0], 2), [3.0; 5]);
        assert_eq!(odd_extension(&[], 1), [0.0; 2]);
    }
}
