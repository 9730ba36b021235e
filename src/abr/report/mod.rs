//! Draws numbers as pictures and pages. It computes only layout.

mod chart;
mod charts;
mod compare;
mod level_series;
mod page;
mod picture;
mod style;

pub use compare::compare_page;
pub use level_series::{SeriesOptions, draw_level_series};
pub use page::{PICTURES, page, pictures};
pub use picture::Picture;
