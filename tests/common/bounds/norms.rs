//! `batch_norm`, and `norm_dropout_film`, which adds a LeakyReLU before and a dropout and a modulation after it: by
//! columns, from the statistics on. The errors of `x - mean`, where much may cancel, and of the division by the
//! deviation are propagated as they are: with two rows, whose variance may be tiny, the gradient is nearly 0, and its
//! tolerance is not smaller than that.

use super::elements::factor;
use super::{Estimate, Estimates, Inputs, exact, over, zeros};
use abr_film::engine::ops::{BatchNorm, NormDropoutFilm};
use ndarray::Array2;

/// A `batch_norm` or a `norm_dropout_film`.
pub struct Norm<'a> {
    pub training: bool,
    pub slope: f64,
    /// The first column of gamma.
    pub film: Option<usize>,
    pub inputs: &'a Inputs,
    /// The mask of the dropout, in f64.
    pub mask: Option<&'a Array2<f64>>,
    pub dy: &'a Array2<f64>,
}

/// The statistics that all rows of a column share.
struct Column {
    mean: Estimate,
    variance: Estimate,
    inverse: Estimate,
    weight: Estimate,
    bias: Estimate,
    sum_dn: Estimate,
    sum_dn_xhat: Estimate,
}

impl<'a> Norm<'a> {
    pub fn of_batch_norm(op: &BatchNorm, inputs: &'a Inputs, dy: &'a Array2<f64>) -> Self {
        Norm { training: op.training, slope: 1.0, film: None, inputs, mask: None, dy }
    }

    pub fn of_norm_dropout_film(
        op: &NormDropoutFilm,
        inputs: &'a Inputs,
        outputs: &'a Inputs,
        dy: &'a Array2<f64>,
    ) -> Self {
        Norm { training: op.training, slope: op.slope, film: op.film, inputs, mask: outputs.get(5), dy }
    }

    fn rows(&self) -> usize {
        self.dy.nrows()
    }

    /// Down a column: a lane adds every 64th row, and a tree adds the 64 lanes.
    fn sum(&self, term: impl Fn(usize) -> Estimate) -> Estimate {
        Estimate::sum((0..self.rows()).map(term), self.rows().div_ceil(64) + 6)
    }

    fn mean(&self, term: impl Fn(usize) -> Estimate) -> Estimate {
        self.sum(term) / Estimate::exact(self.rows() as f64)
    }

    /// 1 above the kink, the slope elsewhere; x is exact, and so is the choice.
    fn slope_at(&self, i: (usize, usize)) -> Estimate {
        if self.inputs[0][i] > 0.0 || self.slope == 1.0 { Estimate::exact(1.0) } else { Estimate::rounded(self.slope) }
    }

    fn centred(&self, column: &Column, i: (usize, usize)) -> Estimate {
        self.value(i) - column.mean
    }

    /// A value to normalize.
    fn value(&self, i: (usize, usize)) -> Estimate {
        self.slope_at(i) * exact(&self.inputs[0], i)
    }

    fn multiplier(&self, i: (usize, usize)) -> Estimate {
        self.mask.map_or(Estimate::exact(1.0), |mask| Estimate::rounded(mask[i]))
    }

    /// Strength, gamma and beta.
    fn modulation(&self, (row, column): (usize, usize)) -> Option<[Estimate; 3]> {
        self.film.map(|first| {
            let [gamma, beta] = [first, first + self.dy.ncols()].map(|at| exact(&self.inputs[5], (row, at + column)));
            [exact(&self.inputs[6], (row, 0)), gamma, beta]
        })
    }

    /// The gradient of the normalized values.
    fn before(&self, i: (usize, usize)) -> Estimate {
        let dy = exact(self.dy, i);
        self.modulation(i).map_or(dy, |[c, gamma, _]| dy * factor(c, gamma)) * self.multiplier(i)
    }

    fn column(&self, column: usize) -> Column {
        let parameter = |input: usize| exact(&self.inputs[input], (0, column));
        let [mut mean, mut variance] = [parameter(3), parameter(4)];
        if self.training {
            mean = self.mean(|row| self.value((row, column)));
            let centred = |row| self.value((row, column)) - mean;
            variance = self.mean(|row| centred(row) * centred(row));
        }
        let inverse = (variance + Estimate::rounded(BatchNorm::EPS)).inverse_root();
        let xhat = |row| (self.value((row, column)) - mean) * inverse;
        let before = |row| self.before((row, column));
        Column {
            mean,
            variance,
            inverse,
            weight: parameter(1),
            bias: parameter(2),
            sum_dn: self.sum(before),
            sum_dn_xhat: self.sum(|row| before(row) * xhat(row)),
        }
    }

    /// The value after normalization, scale, bias and dropout.
    fn kept(&self, column: &Column, i: (usize, usize)) -> Estimate {
        let scale = column.weight * column.inverse;
        (self.centred(column, i) * scale + column.bias) * self.multiplier(i)
    }

    fn output(&self, column: &Column, i: (usize, usize)) -> Estimate {
        let kept = self.kept(column, i);
        self.modulation(i).map_or(kept, |[c, gamma, beta]| factor(c, gamma) * kept + c * beta)
    }

    fn dx(&self, column: &Column, i: (usize, usize)) -> Estimate {
        let (mut dn, xhat) = (self.before(i), self.centred(column, i) * column.inverse);
        if self.training {
            let rows = Estimate::exact(self.rows() as f64);
            dn = dn - (column.sum_dn + xhat * column.sum_dn_xhat) / rows;
        }
        dn * (column.weight * column.inverse) * self.slope_at(i)
    }

    /// The gradient of the modulation: 0 in the columns of other levels.
    fn dmodulation(&self, columns: &[Column], first: usize, (row, at): (usize, usize)) -> Estimate {
        let (width, c) = (columns.len(), exact(&self.inputs[6], (row, 0)));
        match at.checked_sub(first) {
            Some(j) if j < width => c * exact(self.dy, (row, j)) * self.kept(&columns[j], (row, j)),
            Some(j) if j < 2 * width => c * exact(self.dy, (row, j - width)),
            _ => Estimate::exact(0.0),
        }
    }

    /// A running statistic, updated by the statistic of the batch.
    fn moved(&self, old: Estimate, new: Estimate) -> Estimate {
        if self.training { old + Estimate::rounded(BatchNorm::MOMENTUM) * (new - old) } else { old }
    }

    pub fn estimates(&self) -> Estimates {
        let (rows, inputs) = (self.rows() as f64, self.inputs);
        let columns: Vec<_> = (0..self.dy.ncols()).map(|column| self.column(column)).collect();
        let vector = |f: &dyn Fn(&Column) -> Estimate| over(&inputs[1], |(_, j)| f(&columns[j]));
        let unbias = Estimate::rounded(rows / (rows - 1.0).max(1.0));
        let new_mean = over(&inputs[3], |i| self.moved(exact(&inputs[3], i), columns[i.1].mean));
        let new_variance = over(&inputs[4], |i| self.moved(exact(&inputs[4], i), columns[i.1].variance * unbias));
        let mut outputs = vec![over(self.dy, |i| self.output(&columns[i.1], i))];
        outputs.extend([vector(&|c| c.mean), vector(&|c| c.inverse), new_mean, new_variance]);
        outputs.extend(self.mask.map(|mask| mask.mapv(Estimate::rounded)));
        let mut gradients = vec![over(self.dy, |i| self.dx(&columns[i.1], i))];
        gradients.extend([vector(&|c| c.sum_dn_xhat), vector(&|c| c.sum_dn), zeros(&inputs[3]), zeros(&inputs[4])]);
        if let Some(first) = self.film {
            gradients.extend([over(&inputs[5], |i| self.dmodulation(&columns, first, i)), zeros(&inputs[6])]);
        }
        Estimates { outputs, gradients }
    }
}
