//! Errors as fractions of their tolerances, for the output and the result of a comparison.

use std::collections::BTreeMap;

/// The largest error of each tensor as a fraction of its tolerance, by name.
#[derive(Default)]
pub struct Margins(pub BTreeMap<String, f64>);

impl Margins {
    /// Compares a tensor, element by element. No tolerance allows a number that is not finite.
    pub fn compare(&mut self, name: &str, got: &[f64], want: &[f64], tolerance: &[f64]) {
        assert!(got.len() == want.len() && got.len() == tolerance.len(), "{name}: sizes differ");
        let part = |((got, want), tolerance): ((&f64, &f64), &f64)| match (got - want).abs() {
            0.0 => 0.0,
            error if error.is_finite() => error / tolerance,
            _ => f64::INFINITY,
        };
        let worst = got.iter().zip(want).zip(tolerance).map(part).fold(0.0, f64::max);
        self.0.insert(name.to_string(), worst);
    }

    /// Prints the largest fraction of every group (the name's first component) and fails if one is above 1.
    pub fn assert_within(&self, title: &str) {
        let mut groups = BTreeMap::<&str, (f64, &str)>::new();
        for (name, part) in &self.0 {
            let group = name.split('/').next().expect("a first component");
            let worst = groups.entry(group).or_insert((0.0, "exact"));
            if *part > worst.0 {
                *worst = (*part, name);
            }
        }
        let shown: Vec<String> = groups.iter().map(|(g, (part, name))| format!("{g} {part:.2} ({name})")).collect();
        println!("{title}: largest error in parts of its tolerance: {}", shown.join(", "));
        let over: Vec<_> = self.0.iter().filter(|(_, part)| **part > 1.0).collect();
        assert!(over.is_empty(), "{title}: beyond the tolerance: {over:?}");
    }

    /// Among the tensors that `concerned` selects: the number beyond their tolerance, and the names of the others.
    pub fn noticed(&self, concerned: impl Fn(&str) -> bool) -> (usize, Vec<&str>) {
        let (beyond, within): (Vec<_>, Vec<_>) =
            self.0.iter().filter(|(name, _)| concerned(name)).partition(|(_, part)| **part > 1.0);
        (beyond.len(), within.into_iter().map(|(name, _)| name.as_str()).collect())
    }
}
