//! `y = ((1 - c) + c gamma) * x + c beta`: feature-wise linear modulation with a strength c a row, in one pass.
//!
//! FiLM is `y = gamma * x + beta` (Perez et al. 2018, arXiv:1709.07871, eq. 1), which this is for c = 1, to the bit. c scales
//! the departure from the identity: `gamma -> 1 + c (gamma - 1)`, `beta -> c beta`; c = 0 gives `y = x` to the bit (a row whose
//! condition was dropped), c above 1 extrapolates.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, gamma, beta, y | `[B, F]` |
//! | c (strength; no gradient) | `[B, 1]` |
//!
//! Gradient: `dx = ((1 - c) + c gamma) dy`, `dgamma = c x dy`, `dbeta = c dy`.

use super::{Case, Fill, Op, Shapes, slice, slice_mut, want};
use crate::kernels::split::{By, split};
use crate::tensor::{Real, Shape, View, ViewMut};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Film;

impl Op for Film {
    const NAME: &'static str = "film";

    fn differentiable(&self, input: usize) -> bool {
        input < 3
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x, g, b, c] if x == g && x == b && *c == [x[0], 1]);
        want(fits, Self::NAME, "x, gamma, beta [B, F], strength [B, 1]", inputs);
        [inputs[0]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let [x, gamma, beta, strength] = inputs else { unreachable!("four inputs") };
        let (x, gamma, beta, strength) = (slice(x), slice(gamma), slice(beta), slice(strength));
        let (rows, columns) = outputs[0].dim();
        split(By::Rows, rows, columns, outputs[0].view_mut(), &|range: Range<usize>, mut y| {
            for (y, row) in slice_mut(&mut y).chunks_exact_mut(columns).zip(range) {
                let (c, at) = (strength[row], row * columns..(row + 1) * columns);
                let rest = T::one() - c;
                for (((y, x), g), b) in y.iter_mut().zip(&x[at.clone()]).zip(&gamma[at.clone()]).zip(&beta[at]) {
                    *y = (rest + c * *g) * *x + c * *b;
                }
            }
        });
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<ViewMut<T>>],
    ) {
        let (x, gamma, strength, dy) = (slice(&inputs[0]), slice(&inputs[1]), slice(&inputs[3]), slice(&doutput));
        let (rows, columns) = doutput.dim();
        let [dx, dgamma, dbeta, _] = dinputs else { unreachable!("four inputs") };
        let gradients = (
            dx.as_mut().map(|d| d.view_mut()),
            dgamma.as_mut().map(|d| d.view_mut()),
            dbeta.as_mut().map(|d| d.view_mut()),
        );
        split(By::Rows, rows, 3 * columns, gradients, &|range: Range<usize>, (mut dx, mut dgamma, mut dbeta)| {
            for (r, row) in range.enumerate() {
                let (c, at, here) = (strength[row], row * columns..(row + 1) * columns, r * columns..(r + 1) * columns);
                let (x, gamma, dy, rest) = (&x[at.clone()], &gamma[at.clone()], &dy[at], T::one() - c);
                if let Some(dx) = &mut dx {
                    for ((d, g), dy) in slice_mut(dx)[here.clone()].iter_mut().zip(gamma).zip(dy) {
                        *d += (rest + c * *g) * *dy;
                    }
                }
                if let Some(dgamma) = &mut dgamma {
                    for ((d, x), dy) in slice_mut(dgamma)[here.clone()].iter_mut().zip(x).zip(dy) {
                        *d += c * *x * *dy;
                    }
                }
                if let Some(dbeta) = &mut dbeta {
                    for (d, dy) in slice_mut(dbeta)[here].iter_mut().zip(dy) {
                        *d += c * *dy;
                    }
                }
            }
        });
    }

    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case> {
        let wide = ([rows, columns], Fill::Normal);
        let with = |strength| [wide, wide, wide, ([rows, 1], strength)];
        vec![
            Case::new("full", Film, with(Fill::Value(1.0))),
            Case::new("dropped_rows", Film, with(Fill::Mask)),
            Case::new("strengths", Film, with(Fill::Uniform(0.0, 2.0))),
        ]
    }
}
