//! The recorded op cases.

use crate::recording::Recording;
use abr_film::engine::check::Cases;
use abr_film::engine::tensor::Real;
use ndarray::Array2;

/// One case, `OP/CASE/…` or `OP/CASE@VARIANT/…` in the recording.
pub struct OpCase<'a, O> {
    recording: &'a Recording,
    /// `OP/CASE`
    pub name: &'a str,
    pub op: O,
}

/// All recorded cases of an op. The case of the same name in the op's file gives its attributes.
pub fn of<O: Cases>(recording: &Recording) -> Vec<OpCase<'_, O>> {
    let all = recording.about.as_object().expect("attributes by case");
    let found = all.iter().filter_map(|(name, attributes)| {
        let (op, case) = name.split_once('/').expect("an op and a case");
        (op == O::NAME).then(|| {
            let case = case.split('@').next().expect("a case");
            let sizes = attributes["sizes"].as_array();
            let size = |i: usize| sizes.map_or(1, |sizes| sizes[i].as_u64().expect("a size") as usize);
            let cases = O::cases(size(0), size(1), size(2));
            let named = cases.into_iter().find(|c| c.name == case);
            let op = named.unwrap_or_else(|| panic!("{name}: {op} has no case of this name")).op;
            OpCase { recording, name, op }
        })
    });
    found.collect()
}

impl<O> OpCase<'_, O> {
    /// The recorded matrices `OP/CASE/KIND/0`, `…/1`, …; `None` where one is left out.
    pub fn recorded<T: Real>(&self, kind: &str, count: usize) -> Vec<Option<Array2<T>>> {
        (0..count).map(|i| self.matrix(&format!("{kind}/{i}"))).collect()
    }

    /// The recorded matrix `OP/CASE/WHAT`.
    pub fn matrix<T: Real>(&self, what: &str) -> Option<Array2<T>> {
        let tensor = self.recording.tensors.get(&format!("{}/{what}", self.name))?;
        let [rows, columns] = tensor.shape[..] else { panic!("{}/{what}: not a matrix", self.name) };
        let values = tensor.values.iter().map(|v| T::of(*v)).collect();
        Some(Array2::from_shape_vec((rows, columns), values).expect("as many values as the shape says"))
    }

    /// How many tensors of each kind are recorded; there is no other kind.
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for what in self.recording.under(&format!("{}/", self.name)).filter(|what| *what != "cotangent") {
            let kind = what.split('/').next().expect("a kind");
            let kinds = ["input", "output", "grad"];
            counts[kinds.iter().position(|k| *k == kind).unwrap_or_else(|| panic!("{}/{what}", self.name))] += 1;
        }
        counts
    }
}
