//! Random inputs; zeros would flatter, as branches and caches behave otherwise then.

use abr_film::ops::Fill;
use abr_film::rng::{Purpose, Stream};
use ndarray::Array2;

/// Values drawn as a case of the op table asks for them.
pub fn draw([rows, columns]: [usize; 2], fill: Fill, layer: u32) -> Array2<f32> {
    let mut draws = Stream::new(1, Purpose::Test, layer).draws(0);
    Array2::from_shape_simple_fn((rows, columns), || match fill {
        Fill::Normal => draws.normal() as f32,
        Fill::Uniform(lo, hi) => (lo + (hi - lo) * draws.uniform()) as f32,
        Fill::Around(values) => {
            (values[draws.below(values.len() as u32) as usize] + 0.4 * (draws.uniform() - 0.5)) as f32
        }
        Fill::Mask => draws.below(2) as f32,
        Fill::Value(value) => value as f32,
    })
}
