//! A network learns XOR: `cargo run --release --example xor`.

use abr_film::engine::prelude::*;

fn main() -> Result<()> {
    let (mut tape, mut parameters) = (Tape::new(Box::new(Cpu::<f32>::new())), Parameters::default());
    let net = Sequential::builder(&mut parameters, "net").linear(2, 8).op(Tanh).linear(8, 1).op(Sigmoid).build();
    parameters.allocate(&mut tape, 1)?;
    let mut adam = Optimizer::adam(0.05, &parameters, &mut tape)?;
    for step in 1..=300 {
        tape.rewind();
        let x = tape.input([4, 2], &[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0])?;
        let target = tape.input([4, 1], &[0.0, 1.0, 1.0, 0.0])?;
        let y = net.forward(&mut ForwardContext::new(&mut tape, &parameters, Mode::Eval), x)?;
        let loss = tape.apply(Mse, &[y, target])?;
        tape.backward(loss)?;
        adam.step(&mut tape, None)?;
        if step % 100 == 0 {
            println!("step {step}: loss {:.4}, y {:.2?}", tape.item(loss)?, tape.read(y)?);
        }
    }
    Ok(())
}
