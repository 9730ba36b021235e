//! Work over all parameters at once: Adam in one dispatch over the arenas, and the sums of squares of a norm.

use super::State;
use super::adapter::Context;
use super::memory::{BufferRange, Memory, bytes_of};
use super::shader::{ADAM, NORM, Source};
use crate::engine::device::readback::{NormHandles, ScalarHandle};
use crate::engine::device::{AdamBuffers, AdamFactors, AdamSettings, Buffer, Clip};
use crate::engine::dispatch::{Dispatch, Operand};
use crate::error::Result;

/// The values that one workgroup updates or sums.
const CHUNK: usize = 2048;
/// Scratch ids that belong to no op. The sums of squares of later calls have the ids after `SQUARES`.
const FACTORS: usize = 40;
const SCALE: usize = 41;
const SQUARES: usize = 42;

/// The memory of an optimizer step, prepared once.
pub struct OptimizerPlan {
    /// Each parameter with the number of its group.
    of: Vec<(AdamBuffers, usize)>,
    parts: Vec<ParameterBlock>,
    /// The index of the first parameter of each group. The parameters of a group have the same settings.
    groups: Vec<usize>,
}

/// Parameters whose values, gradients and moments are in the same four blocks.
struct ParameterBlock {
    blocks: [usize; 4],
    chunks: BufferRange,
    count: usize,
    /// The ranges that are read and (true) written. Copies to other parts of the blocks, such as running statistics,
    /// may stay deferred.
    touched: Vec<(BufferRange, bool)>,
}

/// The sums of squares of the chunks of each group of a call, group after group. The CPU computes the norms from them,
/// in f64; the factor of a clip comes from them on the GPU, in f32.
pub struct SquareSums {
    /// `None` if there is nothing to sum.
    range: Option<BufferRange>,
    /// The number of chunks of each group.
    counts: Vec<usize>,
}

impl SquareSums {
    /// The range of the sums of a group, and their number.
    pub fn of_group(&self, group: usize) -> (BufferRange, usize) {
        let (before, count) = (self.counts[..group].iter().sum(), self.counts[group]);
        let start = bytes_of(before);
        let range = self.range.as_ref().map_or(BufferRange { block: 0, bytes: 0..0 }, |range| {
            let start = range.bytes.start + start;
            BufferRange { block: range.block, bytes: start..start + bytes_of(count) }
        });
        (range, count)
    }
}

/// The memory that norms are computed from, prepared once.
pub struct Squares {
    of: Vec<Vec<Buffer>>,
    /// `None` if there are no buffers.
    block: Option<usize>,
    chunks: BufferRange,
    counts: Vec<usize>,
}

impl OptimizerPlan {
    fn new(context: &Context, memory: &mut Memory, parameters: &[AdamBuffers]) -> Result<Self> {
        let (mut of, mut groups) = (Vec::with_capacity(parameters.len()), Vec::new());
        let mut parts: Vec<([usize; 4], Vec<u32>, Vec<(BufferRange, bool)>)> = Vec::new();
        for (number, p) in parameters.iter().enumerate() {
            let ranges = [p.value, p.gradient, p.m, p.v].map(|b| memory.range(b));
            let blocks = ranges.each_ref().map(|range| range.block);
            assert!(blocks[2] != blocks[3], "adam: first and second moments of one allocation");
            let group = groups.iter().position(|first| same_settings(&parameters[*first], p)).unwrap_or_else(|| {
                groups.push(number);
                groups.len() - 1
            });
            of.push((*p, group));
            let index = parts.iter().position(|(of, ..)| *of == blocks).unwrap_or_else(|| {
                parts.push((blocks, Vec::new(), Vec::new()));
                parts.len() - 1
            });
            let (_, table, touched) = &mut parts[index];
            for (start, len) in chunks(&ranges[0]) {
                table.extend(ranges.each_ref().map(|range| (range.bytes.start / 4) as u32 + start));
                table.extend([len, group as u32]);
            }
            touched.extend(ranges.into_iter().zip([true, false, true, true]));
        }
        let part = |(blocks, table, touched): (_, Vec<u32>, _)| {
            let count = table.len() / 6;
            Ok(ParameterBlock { blocks, chunks: memory.table(context, &table.into())?, count, touched })
        };
        let parts = parts.into_iter().map(part).collect::<Result<_>>()?;
        Ok(OptimizerPlan { of, parts, groups })
    }

    /// Whether this plan is for these parameters. The settings of a whole group may differ from before.
    fn fits(&self, parameters: &[AdamBuffers]) -> bool {
        let buffers = |p: &AdamBuffers| [p.value, p.gradient, p.m, p.v];
        self.of.len() == parameters.len()
            && self.of.iter().zip(parameters).all(|((planned, group), p)| {
                buffers(planned) == buffers(p) && same_settings(&parameters[self.groups[*group]], p)
            })
    }
}

fn same_settings(a: &AdamBuffers, b: &AdamBuffers) -> bool {
    (a.learning_rate, a.weight_decay) == (b.learning_rate, b.weight_decay)
}

impl Squares {
    /// # Panics
    /// When the buffers are in several blocks.
    fn new(context: &Context, memory: &mut Memory, groups: &[Vec<Buffer>]) -> Result<Self> {
        let (mut table, mut counts, mut block) = (Vec::new(), Vec::new(), None);
        for buffers in groups {
            let before = table.len();
            for buffer in buffers {
                let range = memory.range(*buffer);
                assert!(*block.get_or_insert(range.block) == range.block, "norms: buffers of several allocations");
                let first = (range.bytes.start / 4) as u32;
                table.extend(chunks(&range).flat_map(|(start, len)| [first + start, len]));
            }
            counts.push((table.len() - before) / 2);
        }
        Ok(Squares { of: groups.to_vec(), block, chunks: memory.table(context, &table.into())?, counts })
    }
}

/// Start and length of the chunks of a range, in numbers.
fn chunks(range: &BufferRange) -> impl Iterator<Item = (u32, u32)> + use<> {
    let len = (range.len() / 4) as usize;
    (0..len).step_by(CHUNK).map(move |start| (start as u32, CHUNK.min(len - start) as u32))
}

/// A whole block.
fn whole(memory: &Memory, block: usize) -> BufferRange {
    BufferRange { block, bytes: 0..memory.at(block).bytes }
}

impl State {
    /// One step of Adam; see [`crate::engine::kernels::adam`].
    pub fn adam(
        &mut self,
        context: &Context,
        (step, settings): (u64, &AdamSettings),
        clip: Option<Clip>,
        parameters: &[AdamBuffers],
    ) -> Result<()> {
        let plan = match self.plan.take() {
            Some(plan) if plan.fits(parameters) => plan,
            _ => OptimizerPlan::new(context, &mut self.memory, parameters)?,
        };
        let factors = |first: &usize| {
            let AdamFactors { step_size, keep, l2, .. } = parameters[*first].step(step, settings).factors();
            [step_size, keep, l2].map(|factor| factor as f32)
        };
        let factors: Vec<f32> = plan.groups.iter().flat_map(factors).collect();
        let range = self.scratch(context, FACTORS, bytes_of(factors.len()))?;
        self.recorder.write(context, &mut self.memory, &range, bytemuck::cast_slice(&factors));
        let scale = self.scale(context, clip)?;
        // the correction of the second moment is the same at any learning rate
        let ([b1, b2], AdamFactors { inverse_root, .. }) = (settings.betas, settings.step(step, 0.0, 0.0).factors());
        for part in &plan.parts {
            let [values, gradients, first, second] = part.blocks.map(|block| whole(&self.memory, block));
            let dispatch = Dispatch::new("update", part.count).u("chunks", part.count).f("b1", b1).f("b2", b2);
            let dispatch = dispatch.f("c1", 1.0 - b1).f("c2", 1.0 - b2);
            let dispatch = dispatch.f("inverse_root", inverse_root).f("eps", settings.eps);
            let bound = [
                ("chunks", &part.chunks),
                ("factors", &range),
                ("scale", &scale),
                ("values", &values),
                ("gradients", &gradients),
                ("first", &first),
                ("second", &second),
            ];
            self.dispatch_over(context, ADAM, dispatch, &bound, Some(&part.touched))?;
        }
        self.plan = Some(plan);
        self.norms.stepped = true;
        Ok(())
    }

    /// The range of the factor for all gradients.
    fn scale(&mut self, context: &Context, clip: Option<Clip>) -> Result<BufferRange> {
        let Some(Clip { max_norm, norm }) = clip else {
            return self.memory.table(context, &[1.0_f32.to_bits()].into());
        };
        let ScalarHandle::Norm(norms, group) = norm else { panic!("adam: clip is not a norm") };
        let sums = self.norms.get(norms);
        assert!(sums.counts.len() == 1, "adam: clipped by a norm that shares its call");
        let (sums, count) = sums.of_group(group);
        let range = self.scratch(context, SCALE, bytes_of(1))?;
        let dispatch = Dispatch::new("clip", 1).u("chunks", count).f("largest", max_norm);
        self.dispatch_over(context, NORM, dispatch, &[("sums", &sums), ("scale", &range)], None)?;
        Ok(range)
    }

    /// Computes norms; see [`Device::norms`](crate::engine::device::Device::norms).
    ///
    /// # Panics
    /// When the buffers are in several blocks.
    pub fn norms(&mut self, context: &Context, groups: &[Vec<Buffer>]) -> Result<NormHandles> {
        let call = self.norms.next_call();
        let squares = match self.squares.remove(&call) {
            Some(squares) if squares.of == groups => squares,
            _ => Squares::new(context, &mut self.memory, groups)?,
        };
        let (mut sums, count) = (None, squares.counts.iter().sum());
        if let Some(block) = squares.block.filter(|_| count > 0) {
            let range = self.scratch(context, SQUARES + call, bytes_of(count))?;
            let bound = [("chunks", &squares.chunks), ("values", &whole(&self.memory, block)), ("sums", &range)];
            let dispatch = Dispatch::new("squares", count).u("chunks", count);
            self.dispatch_over(context, NORM, dispatch, &bound, None)?;
            sums = Some(range);
        }
        let norms = self.norms.push(SquareSums { range: sums, counts: squares.counts.clone() }, groups.len());
        self.squares.insert(call, squares);
        Ok(norms)
    }

    /// Records a dispatch with ranges bound by name. It touches all of them, or only `touched`.
    fn dispatch_over(
        &mut self,
        context: &Context,
        shader: Source,
        dispatch: Dispatch,
        bound: &[(&'static str, &BufferRange)],
        touched: Option<&[(BufferRange, bool)]>,
    ) -> Result<()> {
        let names = bound.iter().enumerate();
        let dispatch = names.fold(dispatch, |dispatch, (i, (name, _))| dispatch.bind(name, Operand::Input(i)));
        self.dispatch(context, shader, &dispatch, touched, |_, operand| match operand {
            Operand::Input(i) => Ok((bound[*i].1.clone(), None)),
            _ => unreachable!("bound as inputs"),
        })
    }
}
