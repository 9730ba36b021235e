//! What runs over all parameters at once: Adam in one dispatch over the arenas, and the squares behind a norm.

use super::State;
use super::adapter::Context;
use super::memory::{Memory, Place, bytes_of};
use super::recorder::Dispatch;
use crate::device::{AdamFactors, AdamStep, Buffer, Clip, Learned, ParameterGroup};
use crate::error::Result;
use crate::pass::{MAX_BINDS, Operand, Pass};
use arrayvec::ArrayVec;
use std::borrow::Cow;

/// Numbers that a workgroup steps, or sums.
const CHUNK: usize = 2048;
/// Scratch numbers of what is not an op; sums of squares have theirs and those behind it.
const RATES: usize = 40;
const SCALE: usize = 41;
const SQUARES: usize = 42;

/// What an optimiser step works on, worked out once.
pub struct Plan {
    of: Vec<Learned>,
    parts: Vec<Part>,
    groups: Vec<ParameterGroup>,
}

/// Parameters whose values, gradients and moments lie in the same blocks.
struct Part {
    blocks: [usize; 4],
    chunks: Place,
    count: usize,
    /// What is read and (true) written of the blocks: what is copied to the rest of them, as running statistics are,
    /// may still be put off.
    touched: Vec<(Place, bool)>,
}

/// Norms that were worked out but for the last of it, which is the CPU's, in f64: the sums of squares of the chunks of
/// each group, one behind the other.
pub struct Norms {
    /// None where nothing was asked for.
    pub sums: Option<Place>,
    /// Of each group.
    pub counts: Vec<usize>,
}

/// What norms are worked out of, worked out once.
pub struct Squares {
    of: Vec<Vec<Buffer>>,
    /// None where there is nothing.
    block: Option<usize>,
    chunks: Place,
    counts: Vec<usize>,
}

impl Plan {
    fn new(context: &Context, memory: &mut Memory, learned: &[Learned]) -> Result<Self> {
        let mut groups = Vec::new();
        let mut parts: Vec<([usize; 4], Vec<u32>, Vec<(Place, bool)>)> = Vec::new();
        for p in learned {
            let places = [p.value, p.gradient, p.m, p.v].map(|b| memory.place(b));
            let blocks = places.each_ref().map(|place| place.block);
            assert!(blocks[2] != blocks[3], "adam: first and second moments of one allocation");
            let group = groups.iter().position(|group| *group == p.group).unwrap_or_else(|| {
                groups.push(p.group);
                groups.len() - 1
            });
            let index = parts.iter().position(|(of, ..)| *of == blocks).unwrap_or_else(|| {
                parts.push((blocks, Vec::new(), Vec::new()));
                parts.len() - 1
            });
            let (_, table, touched) = &mut parts[index];
            for (start, len) in chunks(&places[0]) {
                table.extend(places.each_ref().map(|place| (place.bytes.start / 4) as u32 + start));
                table.extend([len, group as u32]);
            }
            touched.extend(places.into_iter().zip([true, false, true, true]));
        }
        let part = |(blocks, table, touched): (_, Vec<u32>, _)| {
            let count = table.len() / 6;
            Ok(Part { blocks, chunks: memory.table(context, &table.into())?, count, touched })
        };
        let parts = parts.into_iter().map(part).collect::<Result<_>>()?;
        Ok(Plan { of: learned.to_vec(), parts, groups })
    }
}

impl Squares {
    /// # Panics
    /// When the buffers lie in several blocks.
    fn new(context: &Context, memory: &mut Memory, groups: &[Vec<Buffer>]) -> Result<Self> {
        let (mut table, mut counts, mut block) = (Vec::new(), Vec::new(), None);
        for buffers in groups {
            let before = table.len();
            for buffer in buffers {
                let place = memory.place(*buffer);
                assert!(*block.get_or_insert(place.block) == place.block, "norms: buffers that lie apart");
                let first = (place.bytes.start / 4) as u32;
                table.extend(chunks(&place).flat_map(|(start, len)| [first + start, len]));
            }
            counts.push((table.len() - before) / 2);
        }
        Ok(Squares { of: groups.to_vec(), block, chunks: memory.table(context, &table.into())?, counts })
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
            _ => Plan::new(context, &mut self.memory, learned)?,
        };
        let rates = |group: &ParameterGroup| {
            let AdamFactors { step_size, keep, l2, .. } = step.of(*group).factors();
            [step_size, keep, l2].map(|factor| factor as f32)
        };
        let rates: Vec<f32> = plan.groups.iter().flat_map(rates).collect();
        let place = self.scratch(context, RATES, rates.len())?;
        self.recorder.write(context, &mut self.memory, &place, bytemuck::cast_slice(&rates));
        let scale = self.scale(context, step.clip)?;
        let ([b1, b2], AdamFactors { inverse_root, .. }) = (step.betas, step.factors());
        for part in &plan.parts {
            let [values, gradients, first, second] = part.blocks.map(|block| whole(&self.memory, block));
            let pass = Pass::new("update", part.count).u(part.count).f(b1).f(b2).f(1.0 - b1).f(1.0 - b2);
            let pass = pass.f(inverse_root).f(step.eps);
            let bound = [
                ("chunks", &part.chunks),
                ("rates", &place),
                ("scale", &scale),
                ("values", &values),
                ("gradients", &gradients),
                ("first", &first),
                ("second", &second),
            ];
            self.pass_over(context, "adam", pass, &bound, Some(&part.touched))?;
        }
        self.plan = Some(plan);
        self.stepped = true;
        Ok(())
    }

    /// The place of what every gradient is multiplied by.
    fn scale(&mut self, context: &Context, clip: Option<Clip>) -> Result<Place> {
        let Some(Clip(clip)) = clip else { return self.memory.table(context, &[1.0_f32.to_bits()].into()) };
        let Norms { sums, counts } = self.norms.last().expect("a norm to clip by");
        let sums = sums.clone().expect("gradients");
        let [count] = counts[..] else { panic!("adam: clipped by one norm, which was worked out alone") };
        let place = self.scratch(context, SCALE, 1)?;
        let pass = Pass::new("clip", 1).u(count).f(clip);
        self.pass_over(context, "norm", pass, &[("sums", &sums), ("scale", &place)], None)?;
        Ok(place)
    }

    /// Works out norms; see [`Device::norms`](crate::device::Device::norms).
    ///
    /// # Panics
    /// When buffers of several blocks are asked for at once.
    pub fn norms(&mut self, context: &Context, groups: &[Vec<Buffer>]) -> Result<()> {
        if std::mem::take(&mut self.stepped) {
            self.norms.clear();
        }
        let call = self.norms.len();
        let squares = match self.squares.remove(&call) {
            Some(squares) if squares.of == groups => squares,
            _ => Squares::new(context, &mut self.memory, groups)?,
        };
        let (mut sums, count) = (None, squares.counts.iter().sum());
        if let Some(block) = squares.block.filter(|_| count > 0) {
            let place = self.scratch(context, SQUARES + call, count)?;
            let bound = [("chunks", &squares.chunks), ("values", &whole(&self.memory, block)), ("sums", &place)];
            self.pass_over(context, "norm", Pass::new("squares", count).u(count), &bound, None)?;
            sums = Some(place);
        }
        self.norms.push(Norms { sums, counts: squares.counts.clone() });
        self.squares.insert(call, squares);
        Ok(())
    }

    /// Records a pass with places bound by name; it touches all of them, or what is told.
    fn pass_over(
        &mut self,
        context: &Context,
        shader: &'static str,
        pass: Pass,
        bound: &[(&'static str, &Place)],
        touched: Option<&[(Place, bool)]>,
    ) -> Result<()> {
        let numbered = bound.iter().enumerate();
        let pass = numbered.fold(pass, |pass, (i, (name, _))| pass.bind(name, Operand::Input(i)));
        if let Some(noted) = &mut self.rehearsal {
            noted.push((shader, pass));
            return Ok(());
        }
        let program = context.programs.lock().expect("no panic while held").get(context, shader, &pass)?;
        let bound: ArrayVec<Place, MAX_BINDS> = bound.iter().map(|(_, place)| (*place).clone()).collect();
        let all = || bound.iter().cloned().zip(program.bindings.iter().map(|(_, written)| *written)).collect();
        let touched = touched.map_or_else(|| Cow::Owned(all()), Cow::Borrowed);
        let (touched, groups) = (&touched[..], pass.groups as u32);
        let dispatch = Dispatch { program: &program, bound: &bound, touched, words: &pass.words, groups };
        self.recorder.dispatch(context, &mut self.memory, &dispatch);
        Ok(())
    }

    /// Scratch memory for so many numbers.
    fn scratch(&mut self, context: &Context, number: usize, len: usize) -> Result<Place> {
        let (place, outgrown) = self.memory.scratch(context, number, bytes_of(len))?;
        if let Some(id) = outgrown {
            self.recorder.forget(id);
        }
        Ok(place)
    }
}
