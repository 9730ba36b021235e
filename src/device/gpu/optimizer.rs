//! What runs over all parameters at once: Adam in one dispatch over the arenas, and the squares behind a norm.

use super::State;
use super::adapter::Context;
use super::memory::{Memory, Place, bytes_of};
use crate::device::{AdamStep, Buffer, Learned};
use crate::error::Result;
use crate::pass::{Operand, Pass};
use std::sync::Arc;

/// Numbers that a workgroup steps, or sums.
const CHUNK: usize = 2048;
/// Scratch numbers of what is not an op.
const RATES: usize = 40;
const SQUARES: usize = 41;

/// What an optimiser step works on, worked out once.
pub struct Plan {
    of: Vec<Learned>,
    parts: Vec<Part>,
    scales: Vec<f64>,
}

/// Parameters whose values, gradients and moments lie in the same blocks.
struct Part {
    blocks: [usize; 4],
    chunks: Arc<[u32]>,
}

impl Plan {
    fn new(memory: &Memory, learned: &[Learned]) -> Self {
        let mut scales = Vec::new();
        let mut parts: Vec<([usize; 4], Vec<u32>)> = Vec::new();
        for p in learned {
            let places = [p.value, p.gradient, p.m, p.v].map(|b| memory.place(b));
            let blocks = places.each_ref().map(|place| place.block);
            assert!(blocks[2] != blocks[3], "adam: first and second moments of one allocation");
            let rate = scales.iter().position(|s| *s == p.rate_scale).unwrap_or_else(|| {
                scales.push(p.rate_scale);
                scales.len() - 1
            });
            let index = parts.iter().position(|(of, _)| *of == blocks).unwrap_or_else(|| {
                parts.push((blocks, Vec::new()));
                parts.len() - 1
            });
            let part = &mut parts[index].1;
            for (start, len) in chunks(&places[0]) {
                part.extend(places.each_ref().map(|place| (place.bytes.start / 4) as u32 + start));
                part.extend([len, rate as u32]);
            }
        }
        let parts = parts.into_iter().map(|(blocks, chunks)| Part { blocks, chunks: chunks.into() }).collect();
        Plan { of: learned.to_vec(), parts, scales }
    }
}

/// Start and length of the chunks of a place, in numbers.
fn chunks(place: &Place) -> impl Iterator<Item = (u32, u32)> + use<> {
    let len = (place.len() / 4) as usize;
    (0..len).step_by(CHUNK).map(move |start| (start as u32, CHUNK.min(len - start) as u32))
}

/// A whole block.
fn whole(memory: &Memory, block: usize) -> Place {
    Place { block, bytes: 0..memory.at(block).bytes }
}

impl State {
    /// One step of Adam; see [`crate::kernels::adam`].
    pub fn adam(&mut self, context: &Context, step: &AdamStep, learned: &[Learned]) -> Result<()> {
        let plan = match self.plan.take() {
            Some(plan) if plan.of == learned => plan,
            _ => Plan::new(&self.memory, learned),
        };
        let [b1, b2] = step.betas;
        // the bias corrections in f64: 1 - b2^t loses half of its digits in f32 at the first steps
        let (correction1, correction2) = (1.0 - b1.powf(step.step as f64), 1.0 - b2.powf(step.step as f64));
        let rates: Vec<f32> = plan
            .scales
            .iter()
            .flat_map(|scale| {
                let rate = step.learning_rate * scale;
                let keep = if step.decoupled { 1.0 - rate * step.weight_decay } else { 1.0 };
                [(rate / correction1) as f32, keep as f32]
            })
            .collect();
        let (place, outgrown) = self.memory.scratch(context, RATES, bytes_of(rates.len()))?;
        if let Some(id) = outgrown {
            self.recorder.forget(id);
        }
        self.recorder.write(context, &mut self.memory, &place, bytemuck::cast_slice(&rates));
        for part in &plan.parts {
            let count = part.chunks.len() / 6;
            let names = ["values", "gradients", "first", "second"].into_iter().enumerate();
            let pass = Pass::new("update", count).bind("chunks", Operand::Table(part.chunks.clone()));
            let pass = pass.bind("rates", Operand::Scratch(RATES, rates.len()));
            let pass = names.fold(pass, |pass, (i, name)| pass.bind(name, Operand::Input(i)));
            let pass = pass.u(count).f(b1).f(b2).f(1.0 - b1).f(1.0 - b2).f(step.gradient_scale);
            let l2 = if step.decoupled { 0.0 } else { step.weight_decay };
            let pass = pass.f(1.0 / correction2.sqrt()).f(step.eps).f(l2);
            self.pass(context, "adam", &pass, |memory, operand| match operand {
                Operand::Input(i) => Ok((whole(memory, part.blocks[*i]), None)),
                Operand::Table(table) => Ok((memory.table(context, table)?, None)),
                _ => Ok((place.clone(), None)),
            })?;
        }
        self.plan = Some(plan);
        Ok(())
    }

    /// Sums of squares of chunks of the buffers, all of one block; their place, if there are any, and how many each group has.
    ///
    /// # Panics
    /// When buffers of several blocks are asked for at once.
    pub fn squares(&mut self, context: &Context, groups: &[Vec<Buffer>]) -> Result<(Option<Place>, Vec<usize>)> {
        let (mut table, mut counts, mut block) = (Vec::new(), Vec::new(), None);
        for buffers in groups {
            let before = table.len();
            for buffer in buffers {
                let place = self.memory.place(*buffer);
                assert!(*block.get_or_insert(place.block) == place.block, "norms: buffers that lie apart");
                let first = (place.bytes.start / 4) as u32;
                table.extend(chunks(&place).flat_map(|(start, len)| [first + start, len]));
            }
            counts.push((table.len() - before) / 2);
        }
        let (Some(block), count) = (block, table.len() / 2) else { return Ok((None, counts)) };
        let (place, outgrown) = self.memory.scratch(context, SQUARES, bytes_of(count))?;
        if let Some(id) = outgrown {
            self.recorder.forget(id);
        }
        let pass = Pass::new("squares", count).bind("chunks", Operand::Table(table.into()));
        let pass = pass.bind("values", Operand::Input(0)).bind("sums", Operand::Output(0)).u(count);
        self.pass(context, "norm", &pass, |memory, operand| match operand {
            Operand::Input(_) => Ok((whole(memory, block), None)),
            Operand::Table(table) => Ok((memory.table(context, table)?, None)),
            _ => Ok((place.clone(), None)),
        })?;
        Ok((Some(place), counts))
    }
}
