//! Numbers as pictures. Nothing is computed here but places on the page.

mod level_series;

pub use level_series::draw_level_series;
