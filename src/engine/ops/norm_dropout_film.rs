//! `y = film(dropout(batch_norm(leaky_relu(x))))`: everything after the `Linear` of a decoder level, fused (FiLM after
//! normalization as in Perez et al. 2018, arXiv:1709.07871, figure 3). Dropout and FiLM are optional, so the levels of
//! heads and of decoders without FiLM use this op too.
//!
//! The result equals that of the separate ops [`LeakyRelu`](super::LeakyRelu), [`batch_norm`](super::batch_norm),
//! [`dropout`](super::dropout) and [`film`](super::film), bit for bit.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x, y | `[B, F]` |
//! | weight, bias | `[1, F]` |
//! | running_mean, running_var (no gradient) | `[1, F]` |
//! | modulation, with FiLM: gamma in the F columns from `first` on, beta in the F columns after them | `[B, M]` |
//! | c (strength; no gradient), with FiLM | `[B, 1]` |
//! | outputs 1 and 2, saved for backward: mean, 1 / sqrt(var + eps) | `[1, F]` |
//! | outputs 3 and 4: the new running mean and variance | `[1, F]` |
//! | output 5, saved for backward, with dropout: its mask | `[B, F]` |
//!
//! Gradient, with `a = leaky_relu(x)`, `xhat = (a - mean) / sqrt(var + eps)`, `v = mask (xhat weight + bias)`: `dgamma
//! = c v dy`, `dbeta = c dy`, `dn = mask ((1 - c) + c gamma) dy`, `dbias = sum dn`, `dweight = sum dn xhat`, and `da =
//! weight / sqrt(var + eps) (dn - dbias / B - xhat dweight / B)` (in evaluation, without the last two), `dx = da` where
//! `x > 0`, `slope da` elsewhere.

use super::elementwise::leaky_relu;
use super::film::modulate_row;
use super::{BatchNorm, Dropout, row, row_mut, slice, slice_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{COLUMNS, Dispatch, Dispatches, Operand, Targets, len, target};
use crate::engine::kernels::split::{By, Splittable, split};
use crate::engine::kernels::vectorized::vectorized;
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::rng::{Purpose, Stream};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use ndarray::{Axis, s};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormDropoutFilm {
    /// The slope of the LeakyReLU.
    pub slope: f64,
    pub training: bool,
    pub dropout: Option<Dropout>,
    /// The first column of gamma in the modulation; `None` without FiLM.
    pub film: Option<usize>,
}

/// The cost of an element, in elements of plain arithmetic.
const COST: usize = 4;

/// The columns processed at a time: their sums are on the stack.
const BLOCK: usize = 512;

impl Op for NormDropoutFilm {
    const NAME: &'static str = "norm_dropout_film";

    fn differentiable(&self, input: usize) -> bool {
        input < 3 || input == 5
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let vectors = inputs.len() >= 5 && inputs[1..5].iter().all(|s| *s == [1, inputs[0][1]]);
        let fits = vectors
            && match (self.film, &inputs[5..]) {
                (Some(first), [m, c]) => m[0] == inputs[0][0] && m[1] >= first + 2 * inputs[0][1] && *c == [m[0], 1],
                (film, rest) => film.is_none() && rest.is_empty(),
            };
        let wanted = "x [B, F], four times [1, F], and with FiLM modulation [B, M], strength [B, 1]";
        want(fits, Self::NAME, wanted, inputs);
        want(!self.training || inputs[0][0] >= 2, Self::NAME, "at least two rows in training", inputs);
        let vector = [1, inputs[0][1]];
        let mask = self.dropout.map(|_| inputs[0]);
        [inputs[0], vector, vector, vector, vector].into_iter().chain(mask).collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (inputs, columns) = (self.inputs(inputs), outputs[0].ncols());
        let mut outputs = outputs.iter_mut().map(|o| o.view_mut());
        let mut next = || outputs.next().expect("an output");
        let (y, statistics, running) = (next(), (next(), next()), (next(), next()));
        let parts = ((y, self.dropout.map(|_| next())), statistics, running);
        split(By::Columns, columns, COST * inputs.x.nrows(), parts, &|range: Range<usize>, parts| {
            blocks(range, parts, &|block, ((y, mask), (mean, inv_std), (new_mean, new_var))| {
                forward(self, &inputs, block, Outputs { y, mask, mean, inv_std, new_mean, new_var });
            });
        });
    }

    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let (inputs, (rows, columns)) = (self.inputs(inputs), doutput.dim());
        let saved = Saved { mean: slice(&outputs[1]), inv_std: slice(&outputs[2]), mask: outputs.get(5).copied() };
        let [dx, dweight, dbias, _, _, rest @ ..] = dinputs else { unreachable!("five inputs or seven") };
        let [dx, dweight, dbias] = [dx, dweight, dbias].map(|d| d.as_mut().map(Gradient::view_mut));
        let dmodulation = rest.first_mut().and_then(|d| d.as_mut()).map(|d| self.dgamma_dbeta(d, columns));
        let parts = (dx, dmodulation, (dweight, dbias));
        split(By::Columns, columns, COST * rows, parts, &|range: Range<usize>, parts| {
            blocks(range, parts, &|block, (dx, dmodulation, dvectors)| {
                backward(self, &inputs, &saved, doutput, block, (dx, dmodulation, dvectors));
            });
        });
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for NormDropoutFilm {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/norm_dropout_film.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = Dispatch::new("forward", inputs[0][1].div_ceil(COLUMNS)).bind("x", Operand::Input(0));
        let dispatch = self.bind_film(dispatch.join("parameters", BatchNorm::parameters([1, 2, 3, 4])));
        let statistics = ["mean_at", "inv_std_at", "new_mean_at", "new_var_at"];
        let statistics = statistics.into_iter().zip((1..5).map(Operand::Output));
        let dispatch = dispatch.join("statistics", statistics).bind("y", Operand::Output(0));
        let mask = if outputs.len() > 5 { Operand::Output(5) } else { Operand::Scratch(0, 1) };
        vec![self.uniforms(dispatch.bind("mask", mask), inputs)]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let columns = inputs[0][1];
        let modulation = inputs.get(5).map_or(1, |shape| len(*shape));
        let [dx, dweight, dbias, dmodulation] =
            [(0, len(inputs[0])), (1, columns), (2, columns), (5, modulation)].map(|(i, len)| target(i, targets, len));
        let dispatch = Dispatch::new("backward", columns.div_ceil(COLUMNS)).bind("x", Operand::Input(0));
        // the backward pass of training does not read the running statistics. Binding them would end the compute pass,
        // as the copies of their new values are deferred
        let parameters = BatchNorm::parameters(if self.training { [1, 2, 1, 2] } else { [1, 2, 3, 4] });
        let dispatch = self.bind_film(dispatch.join("parameters", parameters)).bind("dy", Operand::DOutput);
        let dispatch = dispatch
            .bind("dx", dx.0)
            .join("dvectors", [("dweight_at", dweight.0), ("dbias_at", dbias.0)])
            .bind("dmodulation", dmodulation.0);
        let dispatch = dispatch.u("accumulate_x", dx.1).u("accumulate_weight", dweight.1).u("accumulate_bias", dbias.1);
        vec![self.uniforms(dispatch.u("accumulate_modulation", dmodulation.1), inputs)]
    }
}

impl Cases for NormDropoutFilm {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        let (vector, positive) = (([1, columns], Fill::Normal), ([1, columns], Fill::Uniform(0.5, 1.5)));
        let x = ([rows.max(2), columns], Fill::Normal);
        let plain = [x, positive, vector, vector, positive];
        let modulation = ([x.0[0], 2 * columns + 5], Fill::Normal);
        let with = |strength| [&plain[..], &[modulation, ([x.0[0], 1], strength)]].concat();
        let dropout = Some(Dropout { p: 0.3, stream: Stream::new(0xB_0000_000B, Purpose::DROPOUT, 2).at(5) });
        let op = NormDropoutFilm { slope: 0.2, training: true, dropout, film: Some(3) };
        vec![
            Case::new("film", op, with(Fill::Uniform(0.0, 2.0))).least_rows(4),
            Case::new("no_dropout", NormDropoutFilm { dropout: None, ..op }, with(Fill::Value(1.0))).least_rows(4),
            Case::new("no_film", NormDropoutFilm { film: None, ..op }, plain).least_rows(4),
            Case::new("evaluation", NormDropoutFilm { training: false, dropout: None, ..op }, with(Fill::Mask)),
        ]
    }
}

struct Inputs<'a, T> {
    x: View<'a, T>,
    weight: &'a [T],
    bias: &'a [T],
    running_mean: &'a [T],
    running_var: &'a [T],
    film: Option<GammaBeta<'a, T>>,
}

struct GammaBeta<'a, T> {
    gamma: View<'a, T>,
    beta: View<'a, T>,
    strength: &'a [T],
}

/// Some columns of the outputs.
struct Outputs<'a, T> {
    y: ViewMut<'a, T>,
    mask: Option<ViewMut<'a, T>>,
    mean: ViewMut<'a, T>,
    inv_std: ViewMut<'a, T>,
    new_mean: ViewMut<'a, T>,
    new_var: ViewMut<'a, T>,
}

/// The tensors that the forward pass saved for the backward pass.
struct Saved<'a, T> {
    mean: &'a [T],
    inv_std: &'a [T],
    mask: Option<View<'a, T>>,
}

/// dx, (dgamma, dbeta), (dweight, dbias).
type BlockGradients<'a, T> = (
    Option<Gradient<'a, T>>,
    Option<(Gradient<'a, T>, Gradient<'a, T>)>,
    (Option<Gradient<'a, T>>, Option<Gradient<'a, T>>),
);

impl NormDropoutFilm {
    /// Binds the modulation and the strengths; without FiLM x, which the shader then does not read.
    fn bind_film(&self, dispatch: Dispatch) -> Dispatch {
        let [modulation, strength] = self.film.map_or([0, 0], |_| [5, 6]).map(Operand::Input);
        dispatch.bind("modulation", modulation).bind("strength", strength)
    }

    /// The uniforms of the forward and the backward pass.
    fn uniforms(&self, dispatch: Dispatch, inputs: &[Shape]) -> Dispatch {
        let dispatch = BatchNorm::uniforms(dispatch, self.training, inputs[0]).f("slope", self.slope);
        let dispatch = dispatch.mask(self.dropout.map(|d| d.mask())).u("dropout", usize::from(self.dropout.is_some()));
        let dispatch = dispatch.u("film", usize::from(self.film.is_some())).u("gamma_at", self.film.unwrap_or(0));
        dispatch.u("width", inputs.get(5).map_or(0, |shape| shape[1]))
    }

    fn inputs<'a, T: Real>(&self, inputs: &[View<'a, T>]) -> Inputs<'a, T> {
        let columns = inputs[0].ncols();
        let film = self.film.map(|first| {
            let (gamma, beta) = inputs[5].slice_move(s![.., first..first + 2 * columns]).split_at(Axis(1), columns);
            GammaBeta { gamma, beta, strength: slice(&inputs[6]) }
        });
        let [x, weight, bias, running_mean, running_var] = std::array::from_fn(|i| inputs[i]);
        let [weight, bias, running_mean, running_var] = [weight, bias, running_mean, running_var].map(|v| slice(&v));
        Inputs { x, weight, bias, running_mean, running_var, film }
    }

    /// The gradients of gamma and beta. If the gradient of the modulation is overwritten, its other columns become 0,
    /// as other levels add to them.
    fn dgamma_dbeta<'a, T: Real>(&self, d: &'a mut Gradient<T>, columns: usize) -> (Gradient<'a, T>, Gradient<'a, T>) {
        let (accumulate, first) = (d.accumulate, self.film.expect("a modulation"));
        let (before, rest) = d.values.view_mut().split_at(Axis(1), first);
        let (gamma, rest) = rest.split_at(Axis(1), columns);
        let (beta, behind) = rest.split_at(Axis(1), columns);
        if !accumulate {
            let (rows, cost) = (before.nrows(), before.ncols() + behind.ncols());
            split(By::Rows, rows, cost, (before, behind), &|_: Range<usize>, (mut before, mut behind)| {
                for row in 0..before.nrows() {
                    row_mut(&mut before, row).fill(T::zero());
                    row_mut(&mut behind, row).fill(T::zero());
                }
            });
        }
        (Gradient { values: gamma, accumulate }, Gradient { values: beta, accumulate })
    }
}

/// Calls `work` for the blocks of a range of columns.
fn blocks<S: Splittable>(mut range: Range<usize>, mut parts: S, work: &impl Fn(Range<usize>, S)) {
    while range.len() > BLOCK {
        let (block, rest) = parts.split(Axis(1), BLOCK);
        work(range.start..range.start + BLOCK, block);
        (range.start, parts) = (range.start + BLOCK, rest);
    }
    work(range, parts);
}

/// `v = (leaky_relu(x) - mean) scale + bias`, for one row.
#[inline(always)]
fn normalize_row<T: Real>(v: &mut [T], x: &[T], slope: T, [mean, scale, bias]: [&[T]; 3]) {
    for ((((v, x), mean), scale), bias) in v.iter_mut().zip(x).zip(mean).zip(scale).zip(bias) {
        *v = (leaky_relu(*x, slope) - *mean) * *scale + *bias;
    }
}

#[inline(always)]
fn multiply_row<T: Real>(v: &mut [T], mask: &[T]) {
    for (v, mask) in v.iter_mut().zip(mask) {
        *v *= *mask;
    }
}

vectorized! {
    fn forward<T>(op: &NormDropoutFilm, inputs: &Inputs<T>, block: Range<usize>, outputs: Outputs<T>) {
        let Outputs { mut y, mut mask, mut mean, mut inv_std, mut new_mean, mut new_var } = outputs;
        let (mean, var) = (slice_mut(&mut mean), slice_mut(&mut inv_std));
        let (slope, dropout) = (T::of(op.slope), op.dropout.map(|d| d.mask()));
        let norm = BatchNorm { training: op.training };
        let running = [&inputs.running_mean[block.clone()], &inputs.running_var[block.clone()]];
        let batch = (inputs.x.nrows(), |b| &row(&inputs.x, b)[block.clone()], |x| leaky_relu(x, slope));
        norm.statistics(batch, running, [&mut *mean, &mut *var]);
        norm.update_running(batch.0, running, [mean, var], [slice_mut(&mut new_mean), slice_mut(&mut new_var)]);
        let inv_std = var;
        let (mut scale, mut v) = ([T::zero(); BLOCK], [T::zero(); BLOCK]);
        let (scale, v) = (&mut scale[..block.len()], &mut v[..block.len()]);
        for ((scale, inv_std), weight) in scale.iter_mut().zip(inv_std).zip(&inputs.weight[block.clone()]) {
            *inv_std = T::one() / (*inv_std + T::of(BatchNorm::EPS)).sqrt();
            *scale = *weight * *inv_std;
        }
        for b in 0..inputs.x.nrows() {
            normalize_row(v, &row(&inputs.x, b)[block.clone()], slope, [mean, scale, &inputs.bias[block.clone()]]);
            if let (Some(mask), Some(dropout)) = (&mut mask, &dropout) {
                let mask = row_mut(mask, b);
                dropout.row(b, block.start, mask);
                multiply_row(v, mask);
            }
            let y = row_mut(&mut y, b);
            match &inputs.film {
                Some(GammaBeta { gamma, beta, strength }) => {
                    modulate_row(y, v, &row(gamma, b)[block.clone()], &row(beta, b)[block.clone()], strength[b]);
                }
                None => y.copy_from_slice(v),
            }
        }
    }

    fn backward<T>(op: &NormDropoutFilm, inputs: &Inputs<T>, saved: &Saved<T>, dy: View<T>, block: Range<usize>, gradients: BlockGradients<T>) {
        let (mut dx, mut dmodulation, (mut dweight, mut dbias)) = gradients;
        let (rows, width, slope) = (inputs.x.nrows(), block.len(), T::of(op.slope));
        let [mean, inv_std, weight, bias] = [saved.mean, saved.inv_std, inputs.weight, inputs.bias].map(|v| &v[block.clone()]);
        let mut buffers = [[T::zero(); BLOCK]; 5];
        let [scale, v, dn, sum_dn, sum_dn_xhat] = buffers.each_mut().map(|b| &mut b[..width]);
        for ((scale, inv_std), weight) in scale.iter_mut().zip(inv_std).zip(weight) {
            *scale = *weight * *inv_std;
        }
        for b in 0..rows {
            let (x, dy) = (&row(&inputs.x, b)[block.clone()], &row(&dy, b)[block.clone()]);
            if let (Some((dgamma, dbeta)), Some(film)) = (&mut dmodulation, &inputs.film) {
                normalize_row(v, x, slope, [mean, scale, bias]);
                if let Some(mask) = &saved.mask {
                    multiply_row(v, &row(mask, b)[block.clone()]);
                }
                let (c, accumulate) = (film.strength[b], dgamma.accumulate);
                let (dgamma, dbeta) = (row_mut(&mut dgamma.values, b), row_mut(&mut dbeta.values, b));
                for (((dgamma, dbeta), v), dy) in dgamma.iter_mut().zip(dbeta).zip(&*v).zip(dy) {
                    add(dgamma, c * *v * *dy, accumulate);
                    add(dbeta, c * *dy, accumulate);
                }
            }
            before_norm(dn, dy, inputs, saved, b, block.clone());
            // if dx is overwritten, it holds dn until the sums are known
            if let Some(Gradient { values, accumulate: false }) = &mut dx {
                row_mut(values, b).copy_from_slice(dn);
            }
            let sums = sum_dn.iter_mut().zip(&mut *sum_dn_xhat);
            for ((((sums, dn), x), mean), inv_std) in sums.zip(&*dn).zip(x).zip(mean).zip(inv_std) {
                *sums.0 += *dn;
                *sums.1 += *dn * ((leaky_relu(*x, slope) - *mean) * *inv_std);
            }
        }
        for (vector, sums) in [(&mut dweight, &*sum_dn_xhat), (&mut dbias, &*sum_dn)] {
            if let Some(Gradient { values, accumulate }) = vector {
                slice_mut(values).iter_mut().zip(sums).for_each(|(d, sum)| add(d, *sum, *accumulate));
            }
        }
        let Some(Gradient { values: dx, accumulate }) = &mut dx else { return };
        let (count, training) = (T::of(rows as f64), op.training);
        for b in 0..rows {
            let (x, dx) = (&row(&inputs.x, b)[block.clone()], row_mut(dx, b));
            if !*accumulate {
                dn.copy_from_slice(dx);
            } else {
                before_norm(dn, &row(&dy, b)[block.clone()], inputs, saved, b, block.clone());
            }
            let vectors = mean.iter().zip(inv_std).zip(&*scale).zip(&*sum_dn).zip(&*sum_dn_xhat);
            for (((dx, x), dn), ((((mean, inv_std), scale), sum_dn), sum_dn_xhat)) in
                dx.iter_mut().zip(x).zip(&*dn).zip(vectors)
            {
                let xhat = (leaky_relu(*x, slope) - *mean) * *inv_std;
                let through_statistics = if training { (*sum_dn + xhat * *sum_dn_xhat) / count } else { T::zero() };
                let da = *scale * (*dn - through_statistics);
                add(dx, if *x > T::zero() { da } else { slope * da }, *accumulate);
            }
        }
    }
}

/// The gradient of the normalized values of one row.
#[inline(always)]
fn before_norm<T: Real>(dn: &mut [T], dy: &[T], inputs: &Inputs<T>, saved: &Saved<T>, b: usize, block: Range<usize>) {
    match &inputs.film {
        Some(GammaBeta { gamma, strength, .. }) => {
            let c = strength[b];
            for ((dn, g), dy) in dn.iter_mut().zip(&row(gamma, b)[block.clone()]).zip(dy) {
                *dn = (T::one() - c + c * *g) * *dy;
            }
        }
        None => dn.copy_from_slice(dy),
    }
    if let Some(mask) = &saved.mask {
        multiply_row(dn, &row(mask, b)[block]);
    }
}
