//! Random inputs for tests and benches. With zeros a bench would look better than it is, as branches and caches behave
//! differently.

use abr_film::engine::ops::Fill;
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::engine::tensor::Real;
use ndarray::Array2;

/// Random values of the kind that a case names. Each `layer` gives other values.
pub fn draw<T: Real>([rows, columns]: [usize; 2], fill: Fill, layer: u32) -> Array2<T> {
    let mut draws = Stream::new(1, Purpose::TEST, layer).rng(0);
    Array2::from_shape_simple_fn((rows, columns), || {
        T::of(match fill {
            Fill::Normal => draws.normal(),
            Fill::Uniform(lo, hi) => lo + (hi - lo) * draws.uniform(),
            Fill::Around(values) => values[draws.below(values.len() as u32) as usize] + 0.4 * (draws.uniform() - 0.5),
            Fill::Mask => f64::from(draws.below(2)),
            Fill::Value(value) => value,
        })
    })
}
