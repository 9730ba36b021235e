//! A picture as SVG and as PNG.

use plotters::coord::Shift;
use plotters::prelude::*;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// plotters draws at integer coordinates. A CSS pixel is this many of its units, so that traces are smooth.
const UNITS_PER_PIXEL: u32 = 8;
/// The font of PNG pictures. SVG uses the viewer's font.
pub const FONT: &str = "sans-serif";

/// plotters' SVG makes fonts smaller than requested, by this factor.
pub const FONT_IS_SMALLER: f64 = 1.24;
/// The mean width of a character relative to the font size, for DejaVu Sans, a wide font.
pub const CHARACTER_EM: f64 = 0.6;

/// A drawing area.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// The result of drawing. Drawing into a string does not fail.
pub type DrawResult = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Replaces each character that XML does not allow (XML 1.0, production 2).
pub fn printable(text: &str) -> String {
    let known = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..);
    text.chars().map(|c| if known(c) { c } else { '\u{FFFD}' }).collect()
}

/// Converts CSS pixels to the units of an [`Area`].
pub fn px(pixels: f64) -> u32 {
    (pixels * f64::from(UNITS_PER_PIXEL)).round().max(0.0) as u32
}

/// [`px`] of an offset, which may be negative.
pub fn offset(pixels: f64) -> i32 {
    (pixels * f64::from(UNITS_PER_PIXEL)).round() as i32
}

/// A drawing on a transparent background.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// In CSS pixels.
    width: u32,
    height: u32,
    /// What it shows, in one sentence, for readers who cannot see it.
    title: String,
    /// The elements inside `<svg>`.
    elements: String,
}

impl Picture {
    /// A picture of this size in CSS pixels.
    ///
    /// # Panics
    /// If `draw` fails, which is a bug in the drawing code.
    pub fn draw([width, height]: [u32; 2], title: &str, draw: impl FnOnce(&Area) -> DrawResult) -> Picture {
        let mut svg = String::new();
        {
            let size = (width * UNITS_PER_PIXEL, height * UNITS_PER_PIXEL);
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            draw(&area).and_then(|()| area.present()).expect("drawing into a string does not fail");
        }
        let inside = svg.find('>').zip(svg.rfind("</svg>")).expect("an svg element");
        let elements = printable(&svg[inside.0 + 1..inside.1]);
        Picture { width, height, title: title.to_string(), elements }
    }

    /// Width and height in CSS pixels.
    pub fn size(&self) -> [u32; 2] {
        [self.width, self.height]
    }

    /// The `<svg>` element for a page, which sets the background.
    pub fn element(&self) -> String {
        self.svg("")
    }

    /// A separate file with a white background.
    pub fn to_svg(&self) -> String {
        self.svg(r##"<rect width="100%" height="100%" fill="#FFFFFF"/>"##) + "\n"
    }

    fn svg(&self, ground: &str) -> String {
        let [width, height] = [self.width, self.height];
        let (w, h) = (width * UNITS_PER_PIXEL, height * UNITS_PER_PIXEL);
        let title = printable(&self.title).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {w} {h}\" stroke-linejoin=\"round\">\n<title>{title}</title>\n{ground}{}</svg>",
            self.elements
        )
    }

    /// A PNG with a white background and `scale` pixels per CSS pixel, which is 96 dots per inch times `scale`.
    ///
    /// # Panics
    /// If the picture is larger than memory.
    pub fn to_png(&self, scale: f32) -> Vec<u8> {
        let mut options = Options { font_family: "DejaVu Sans".to_string(), ..Options::default() };
        options.fontdb_mut().load_font_data(dejavu::sans::regular().to_vec());
        options.fontdb_mut().set_sans_serif_family("DejaVu Sans");
        let tree = Tree::from_str(&self.element(), &options).expect("our own SVG is valid");
        let side = |pixels: u32| (pixels as f32 * scale).ceil().max(1.0) as u32;
        let mut pixels = Pixmap::new(side(self.width), side(self.height)).expect("a picture that fits into memory");
        pixels.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
        sized(&pixels.encode_png().expect("encoding into memory does not fail"), scale)
    }
}

/// Adds the print size to a PNG: a chunk `pHYs` (PNG specification, 11.3.5.3) with the pixels per metre.
fn sized(png: &[u8], scale: f32) -> Vec<u8> {
    let per_metre = (96.0 * f64::from(scale) / 0.0254).round() as u32;
    let mut chunk = b"pHYs".to_vec();
    chunk.extend([per_metre, per_metre].into_iter().flat_map(u32::to_be_bytes));
    chunk.push(1);
    // after the signature and the header, which have fixed lengths
    let (head, rest) = png.split_at(8 + 25);
    [head, &(chunk.len() as u32 - 4).to_be_bytes(), &chunk, &crc(&chunk).to_be_bytes(), rest].concat()
}

/// The checksum of PNG chunks (PNG specification, annex D).
fn crc(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_name_breaks_a_picture() {
        let name = "a\u{1}b\u{FFFF}µ";
        let picture = Picture::draw([40, 30], name, |area| area.draw(&Text::new(name, (0, 0), (FONT, px(12.0)))));
        assert_eq!(picture.to_svg().matches("a\u{FFFD}b\u{FFFD}µ").count(), 2);
        assert_eq!(&picture.to_png(1.0)[1..4], b"PNG");
    }

    #[test]
    fn a_picture_is_svg_and_png_of_one_size() {
        let picture = Picture::draw([40, 30], "a < b & c", |area| {
            area.draw(&Text::new("µV", (offset(2.0), offset(2.0)), (FONT, px(12.0))))
        });
        let svg = picture.to_svg();
        assert!(svg.contains("<title>a &lt; b &amp; c</title>") && svg.contains("viewBox=\"0 0 320 240\""), "{svg}");
        let png = picture.to_png(2.0);
        assert_eq!(&png[1..4], b"PNG");
        assert_eq!(&png[16..24], &[0, 0, 0, 80, 0, 0, 0, 60]);
        // 2 × 96 dots per inch; another program computed the checksum
        assert_eq!((&png[37..41], &png[41..45]), (&b"pHYs"[..], &7559_u32.to_be_bytes()[..]));
        assert_eq!(crc(b"IEND"), 0xAE42_6082);
        // the file is larger than an empty picture, so the text is drawn
        assert!(png.len() > Picture::draw([40, 30], "", |_| Ok(())).to_png(2.0).len());
    }
}
