//! Results of comparisons, and whether they notice a wrong result.

use ndarray::Array2;
use std::collections::BTreeMap;

/// A tensor to compare.
pub struct Compared<'a> {
    pub case: &'a str,
    pub tensor: String,
    /// The comparison must notice a result that is off by this fraction, and one that is 0.
    pub perturbation: Option<f64>,
}

/// The results of all comparisons, by the name of the tensor.
#[derive(Default)]
pub struct Record(BTreeMap<String, Seen>);

/// In tolerances: the largest error, and the smallest error of a perturbed result among the cases that must notice it.
/// Also the largest tolerance of these cases, in parts of the tensor's root mean square.
struct Seen {
    exact: f64,
    perturbed: f64,
    loosest: f64,
}

impl Record {
    /// Compares a result.
    ///
    /// # Panics
    /// When an element is off by more than its tolerance, or when the tolerances are too large to notice what they
    /// must.
    pub fn compare(&mut self, what: Compared, got: &Array2<f32>, want: &Array2<f64>, tolerance: &Array2<f64>) {
        let Compared { case, tensor, perturbation } = what;
        let worst = |factor: f64| {
            let part = |((got, want), tolerance): ((&f32, &f64), &f64)| match (f64::from(*got) * factor - want).abs() {
                0.0 => 0.0,
                error if error.is_finite() => error / tolerance,
                _ => f64::INFINITY,
            };
            got.iter().zip(want).zip(tolerance).map(part).fold(0.0, f64::max)
        };
        assert_eq!(got.dim(), want.dim(), "{case}: {tensor}");
        let exact = worst(1.0);
        assert!(exact <= 1.0, "{case}: {tensor} is {exact:.2} tolerances off");
        let nothing = Seen { exact: 0.0, perturbed: f64::INFINITY, loosest: 0.0 };
        let seen = self.0.entry(tensor.clone()).or_insert(nothing);
        seen.exact = seen.exact.max(exact);
        // a tensor of zeros cannot be perturbed
        let Some(perturbation) = perturbation.filter(|_| want.iter().any(|v| *v != 0.0)) else { return };
        let rms = (want.iter().map(|v| v * v).sum::<f64>() / want.len() as f64).sqrt();
        let (perturbed, loosest) = (worst(1.0 + perturbation), tolerance.iter().fold(0.0, |m: f64, t| m.max(*t)) / rms);
        assert!(perturbed > 1.0, "{case}: {tensor} is perturbed by {perturbation}, which is {perturbed:.2} tolerances");
        assert!(
            loosest <= perturbation.max(1e-2),
            "{case}: {tensor} has tolerances of {loosest:.1e} of its root mean square"
        );
        seen.perturbed = seen.perturbed.min(perturbed);
        seen.loosest = seen.loosest.max(loosest);
    }

    /// Prints the results.
    pub fn print(&self) {
        for (tensor, Seen { exact, perturbed, loosest }) in &self.0 {
            println!(
                "{tensor:>12}: at most {exact:.3} of the tolerance ({loosest:.1e} of the rms); perturbed {perturbed:.0} at least"
            );
        }
    }
}
