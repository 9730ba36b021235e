//! The matrix products of the documented model on a GPU, as its ops compute them, and the cost of a dispatch.

use crate::bench::on::{LONGEST, On, Placed, layer, least, nothing};
use crate::bench::products::{FORMS, Form, SHAPES};
use abr_film::error::Result;

/// Rows of a step.
pub const ROWS: [usize; 4] = [32, 256, 1024, 4096];
/// The size of a product that shows the peak rate of the card.
const LARGE: usize = 4096;

/// GFLOP/s, or none where the product takes too long, as the `rate` of the products before predicts.
fn product(on: &On, rows: usize, layer_of: [usize; 2], form: Form, rate: &mut f64) -> Result<Option<f64>> {
    let flop = 2.0 * (rows * layer_of[0] * layer_of[1]) as f64;
    if flop / *rate > LONGEST {
        return Ok(None);
    }
    let mut placed = Placed::new(&layer(rows, layer_of), on.device())?;
    let work: fn(&mut Placed) = match form {
        Form::Forward => Placed::forward,
        Form::Input | Form::Weight => Placed::backward,
    };
    placed = match form {
        Form::Forward => placed,
        Form::Input => placed.only(0),
        Form::Weight => placed.only(1),
    };
    let seconds = least(|times| {
        (0..times).for_each(|_| work(&mut placed));
        placed.wait()
    })?;
    *rate = seconds.map_or(*rate, |s| flop / s);
    Ok(seconds.map(|s| flop / s / 1e9))
}

/// One line per shape and form, one column per number of rows, without products that take longer than a second.
pub fn shapes(on: &On) -> Result<()> {
    let mut nothing = Placed::new(&nothing(), on.device())?;
    let seconds = least(|times| {
        (0..times).for_each(|_| nothing.forward());
        nothing.wait()
    })?;
    println!("{}: a dispatch {:.2} us", on.device().name(), 1e6 * seconds.unwrap_or(f64::INFINITY));
    println!("products by shape and form, GFLOP/s, the best of some tries (–: longer than {LONGEST} s):");
    println!("inputs x outputs     form    {}", ROWS.map(|rows| format!("{rows:>10} rows")).concat());
    let mut rate = f64::INFINITY;
    let cell = |rate: Option<f64>| format!("{:>15}", rate.map_or("–".to_string(), |rate| format!("{rate:.1}")));
    for shape in SHAPES {
        for form in FORMS {
            let cells = ROWS.map(|rows| product(on, rows, shape.layer, form, &mut rate));
            let cells: String = cells.into_iter().map(|c| c.map(cell)).collect::<Result<_>>()?;
            let name = format!("{} of {} x {}", shape.times, shape.layer[0], shape.layer[1]);
            println!("{name:<20} {:<8}{cells}", format!("{form:?}"));
        }
    }
    let large = product(on, LARGE, [LARGE; 2], Form::Forward, &mut rate)?;
    println!("{LARGE} rows of {LARGE} x {LARGE}, forward: {}", cell(large).trim());
    Ok(())
}
