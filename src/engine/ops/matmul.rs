//! `y = A B`, PyTorch's `a @ b`: the product of two matrices that both may need a gradient, such as two activations.
//!
//! | tensor | shape |
//! | --- | --- |
//! | A | `[M, K]` |
//! | B | `[K, N]` |
//! | y | `[M, N]` |
//!
//! Gradient: `dA = dy B^T`, `dB = A^T dy`. If K is 0, y is 0.

use super::linear::PARTIALS;
use crate::engine::dispatch::product::{MatrixProduct, TileChooser};
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, WORKGROUP_SIZE, len, target};
use crate::engine::kernels::gemm::gemm;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matmul;

/// One product of an entry point of the shader: `rows` x `columns` sums of `terms` each.
struct OneProduct {
    entry: &'static str,
    /// Of a backward pass: 1 for dB.
    of_b: usize,
    /// `[rows, terms, columns]`
    sizes: [usize; 3],
    left: Operand,
    right: Operand,
    /// With 1 to accumulate.
    result: (Operand, usize),
}

impl OneProduct {
    /// The product and, if it is split, the sum of its partial sums. `inputs`: the shapes of A and B.
    fn dispatches(self, inputs: &[Shape], tiling: &dyn TileChooser) -> Dispatches {
        let [rows, terms, columns] = self.sizes;
        let plan = tiling.plan(&[MatrixProduct { rows, columns: &[columns], depth: terms }]);
        let [split, _] = plan.split_k;
        // the rows of A, B and y in memory
        let aligned = [inputs[1][0], inputs[1][1]].iter().all(|extent| extent.is_multiple_of(4));
        let partials = Operand::Scratch(PARTIALS, if split.splits > 1 { split.splits * rows * columns } else { 1 });
        let dispatch = |entry, workgroups| {
            let dispatch = Dispatch::new(entry, workgroups).u("rows", rows).u("columns", columns).u("terms", terms);
            let dispatch = dispatch.u("splits", split.splits).u("split_depth", split.depth).u("of_b", self.of_b);
            let dispatch = dispatch.bind("result", self.result.0.clone()).u("accumulate", self.result.1);
            let dispatch = dispatch.constant("TILE", plan.tile.side()).constant("ALIGNED", usize::from(aligned));
            dispatch.bind("partials", partials.clone())
        };
        let product = dispatch(self.entry, split.workgroups()).bind("left", self.left.clone());
        let mut all = vec![product.bind("right", self.right.clone())];
        if split.splits > 1 {
            all.push(dispatch("join", (rows * columns).div_ceil(WORKGROUP_SIZE)));
        }
        all
    }
}

impl Op for Matmul {
    const NAME: &'static str = "matmul";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        want(matches!(inputs, [a, b] if a[1] == b[0]), Self::NAME, "A [M, K], B [K, N]", inputs);
        [[inputs[0][0], inputs[1][1]]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        gemm(inputs[0], inputs[1], T::zero(), outputs[0].view_mut());
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let [da, db] = dinputs else { unreachable!("two inputs") };
        if let Some(da) = da {
            gemm(doutput, inputs[1].t(), da.beta(), da.values.view_mut());
        }
        if let Some(db) = db {
            gemm(inputs[0].t(), doutput, db.beta(), db.values.view_mut());
        }
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Matmul {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/matmul.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], tiling: &dyn TileChooser) -> Dispatches {
        let ([rows, inner], [_, columns]) = (inputs[0], inputs[1]);
        let (left, right, result) = (Operand::Input(0), Operand::Input(1), (Operand::Output(0), 0));
        OneProduct { entry: "forward", of_b: 0, sizes: [rows, inner, columns], left, right, result }
            .dispatches(inputs, tiling)
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        tiling: &dyn TileChooser,
    ) -> Dispatches {
        let ([rows, inner], [_, columns], dy) = (inputs[0], inputs[1], Operand::DOutput);
        let products =
            [([rows, columns, inner], dy.clone(), Operand::Input(1)), ([inner, rows, columns], Operand::Input(0), dy)];
        let mut all = Vec::new();
        for (i, (sizes, left, right)) in products.into_iter().enumerate().filter(|(i, _)| targets[*i].is_some()) {
            let result = target(i, targets, len(inputs[i]));
            let product = OneProduct { entry: "backward", of_b: i, sizes, left, right, result };
            all.extend(product.dispatches(inputs, tiling));
        }
        all
    }
}

impl Cases for Matmul {
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<Self>> {
        vec![Case::new("product", Matmul, [([rows, inner], Fill::Normal), ([inner, columns], Fill::Normal)])]
    }
}
