//! Numbers as pictures. Nothing is computed here but places on the page.

mod level_series;
mod picture;
mod style;

pub use level_series::{SeriesOptions, draw_level_series};
pub use picture::Picture;
