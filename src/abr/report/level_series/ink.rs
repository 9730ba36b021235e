//! Draws lines, areas and text at positions in CSS pixels.

use crate::report::picture::{Area, CHARACTER_EM, DrawResult, FONT, FONT_IS_SMALLER, offset, px};
use plotters::prelude::*;
use plotters::style::text_anchor::Pos;
pub use plotters::style::text_anchor::{HPos, VPos};

/// The size of background text.
pub const SMALL: f64 = 11.0;

pub type Position = (f64, f64);

fn at((x, y): Position) -> (i32, i32) {
    (offset(x), offset(y))
}

/// A line through the known positions; it breaks at unknown ones.
pub fn line(area: &Area, places: &[Option<Position>], colour: RGBAColor, width: f64) -> DrawResult {
    let style = colour.stroke_width(px(width).max(1));
    for run in places.split(Option::is_none).filter(|run| !run.is_empty()) {
        let mut run: Vec<(i32, i32)> = run.iter().flatten().map(|place| at(*place)).collect();
        if let [single] = run[..] {
            // a single sample between gaps becomes a dot
            run = vec![(single.0 - offset(width / 2.0), single.1), (single.0 + offset(width / 2.0), single.1)];
        }
        area.draw(&PathElement::new(run, style))?;
    }
    Ok(())
}

/// A straight line.
pub fn straight(area: &Area, from: Position, to: Position, colour: RGBAColor, width: f64) -> DrawResult {
    area.draw(&PathElement::new(vec![at(from), at(to)], colour.stroke_width(px(width).max(1))))
}

/// A horizontal dashed line.
pub fn dashes(area: &Area, (from, y): Position, to: f64, colour: RGBAColor) -> DrawResult {
    let (dash, gap) = (5.0, 3.5);
    let mut x = from;
    while x < to {
        straight(area, (x, y), ((x + dash).min(to), y), colour, 1.0)?;
        x += dash + gap;
    }
    Ok(())
}

/// The area between two edges.
pub fn between(area: &Area, edges: &[Option<[Position; 2]>], colour: RGBAColor) -> DrawResult {
    for run in edges.split(Option::is_none).filter(|run| run.len() > 1) {
        let low = run.iter().flatten().map(|edge| at(edge[0]));
        let high = run.iter().rev().flatten().map(|edge| at(edge[1]));
        area.draw(&Polygon::new(low.chain(high).collect::<Vec<_>>(), colour.filled()))?;
    }
    Ok(())
}

pub fn dot(area: &Area, place: Position, colour: RGBColor) -> DrawResult {
    area.draw(&Circle::new(at(place), px(1.9), colour.filled()))
}

/// Text at a position, `size` CSS pixels high.
pub fn text(area: &Area, text: &str, place: Position, size: f64, colour: RGBColor, anchor: (HPos, VPos)) -> DrawResult {
    let font = (FONT, f64::from(px(size)) * FONT_IS_SMALLER).into_font();
    let style = TextStyle::from(font).color(&colour).pos(Pos::new(anchor.0, anchor.1));
    area.draw(&Text::new(text.to_string(), at(place), style))
}

/// The approximate width of a text in CSS pixels.
pub fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER_EM
}

/// Wraps text at spaces into lines of at most this width in CSS pixels; a wider word gets its own line.
pub fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), size) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_to_a_width() {
        let ten = 10.0 * SMALL * CHARACTER_EM;
        assert_eq!(wrap("one two three threethreethree", SMALL, ten + 0.1), ["one two", "three", "threethreethree"]);
        assert!(wrap("", SMALL, ten).is_empty());
    }
}
