//! Baseline correction: subtracts the mean of a trace, or of a part of it, from the whole trace.

use super::{Refusal, TimeAxis};
use crate::config::Baseline;

/// Subtracts the mean of the chosen samples. Both ends of a span are included.
///
/// # Errors
/// A span that the recording does not cover to within one sample.
pub fn subtract(baseline: &Baseline, trace: &mut [f64], axis: TimeAxis) -> Result<(), Refusal> {
    let chosen = match baseline {
        Baseline::Whole(_) => &trace[..],
        Baseline::Between(span) => {
            let position = |ms: f64| (ms - axis.t0_ms) * axis.sample_rate_hz / 1000.0;
            // tolerates the rounding of times in ms
            let (first, last) = ((position(span.from_ms) - 1e-3).ceil(), (position(span.to_ms) + 1e-3).floor());
            let end = trace.len() as f64;
            if first < -1.0 || last > end || last < 0.0 || first > end - 1.0 {
                let problem = format!(
                    "the baseline from {} to {} ms is not recorded: {}",
                    span.from_ms,
                    span.to_ms,
                    axis.covers(trace.len())
                );
                return Err(Refusal::new(problem, "choose data.prepare.baseline within the recording, or \"mean\""));
            }
            &trace[first.max(0.0) as usize..=(last.min(end - 1.0) as usize)]
        }
    };
    if chosen.is_empty() {
        return Err(Refusal::new("no sample lies in the baseline", "choose a longer data.prepare.baseline"));
    }
    let mean = chosen.iter().sum::<f64>() / chosen.len() as f64;
    trace.iter_mut().for_each(|value| *value -= mean);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Span, Whole};

    const AXIS: TimeAxis = TimeAxis { sample_rate_hz: 1000.0, t0_ms: -2.0 };

    fn subtracted(baseline: Baseline) -> Result<Vec<f64>, Refusal> {
        let mut trace = vec![1.0, 2.0, 3.0, 10.0, 20.0];
        subtract(&baseline, &mut trace, AXIS).map(|()| trace)
    }

    fn span(from_ms: f64, to_ms: f64) -> Baseline {
        Baseline::Between(Span { from_ms, to_ms })
    }

    #[test]
    fn the_mean_of_all_or_of_a_span() {
        assert_eq!(subtracted(Baseline::Whole(Whole::Mean)).unwrap(), [-6.2, -5.2, -4.2, 2.8, 12.8]);
        // samples at -2, -1 and 0 ms: both ends count
        assert_eq!(subtracted(span(-2.0, 0.0)).unwrap(), [-1.0, 0.0, 1.0, 8.0, 18.0]);
        assert_eq!(subtracted(span(-0.3, 0.9)).unwrap(), [-2.0, -1.0, 0.0, 7.0, 17.0]);
        // a fraction of a sample may be missing at either end
        assert_eq!(subtracted(span(-2.9, 0.0)).unwrap(), subtracted(span(-2.0, 0.0)).unwrap());
        assert_eq!(subtracted(span(1.0, 2.9)).unwrap(), [-14.0, -13.0, -12.0, -5.0, 5.0]);
    }

    #[test]
    fn what_is_not_recorded_is_refused() {
        for (from_ms, to_ms) in [(-4.0, 0.0), (0.0, 4.0), (-9.0, -5.0), (5.0, 9.0)] {
            let refusal = subtracted(span(from_ms, to_ms)).unwrap_err();
            assert!(refusal.problem.contains("is not recorded: 5 samples at 1000 Hz from -2 to 2 ms"), "{refusal:?}");
        }
        assert!(subtracted(span(0.2, 0.8)).unwrap_err().problem.contains("no sample lies"));
    }
}
