//! Results of comparisons, and whether they notice a wrong result.

use abr_film::engine::check::Comparison;
use std::collections::BTreeMap;

/// The results of all comparisons, by the name of the tensor.
#[derive(Default)]
pub struct Record(BTreeMap<String, Seen>);

/// In bounds: the largest error, and the smallest error of a perturbed result among the cases that must notice it. Also
/// the largest bound of these cases, in parts of the tensor's root mean square.
struct Seen {
    exact: f64,
    perturbed: f64,
    loosest: f64,
}

impl Record {
    /// Adds a tensor that is within its bounds. `perturbation`: the comparison must notice a result that is off by this
    /// fraction.
    ///
    /// # Panics
    /// When the bounds are too large for that.
    pub fn add(&mut self, case: &str, compared: &Comparison, perturbation: Option<f64>) {
        let tensor = &compared.tensor;
        let nothing = Seen { exact: 0.0, perturbed: f64::INFINITY, loosest: 0.0 };
        let seen = self.0.entry(tensor.clone()).or_insert(nothing);
        seen.exact = seen.exact.max(compared.error(1.0));
        // a tensor of zeros cannot be perturbed
        let Some(perturbation) = perturbation.filter(|_| compared.rms() > 0.0) else { return };
        let (perturbed, loosest) = (compared.error(1.0 + perturbation), compared.loosest() / compared.rms());
        assert!(perturbed > 1.0, "{case}: {tensor} is perturbed by {perturbation}, which is {perturbed:.2} bounds");
        assert!(
            loosest <= perturbation.max(1e-2),
            "{case}: {tensor} has bounds of {loosest:.1e} of its root mean square"
        );
        seen.perturbed = seen.perturbed.min(perturbed);
        seen.loosest = seen.loosest.max(loosest);
    }

    /// Prints the results.
    pub fn print(&self) {
        for (tensor, Seen { exact, perturbed, loosest }) in &self.0 {
            println!(
                "{tensor:>12}: at most {exact:.3} of the bound ({loosest:.1e} of the rms); perturbed {perturbed:.0} at least"
            );
        }
    }
}
