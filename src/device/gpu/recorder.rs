//! Recording: dispatches go into one compute pass of one command encoder until something is read back. From the first
//! whose pipeline is missing, all commands wait in a list; the submission compiles what is missing side by side, and
//! encodes them then.

use super::adapter::Context;
use super::memory::{ALIGNMENT, BufferRange, Memory};
use super::program::{self, EntryPoint, Pipeline, UNIFORM_BYTES};
use crate::device::{Buffer, Counts};
use crate::dispatch::{Dispatch, MAX_BINDINGS};
use crate::error::Result;
use arrayvec::ArrayVec;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Dispatches of one submission, at most.
const SLOTS: u64 = 512;
/// Submissions that may be on their way at a time.
const IN_FLIGHT: usize = 3;
/// What wgpu's panic begins with where it cannot poll a device.
const POLL: &str = "Error in Device::poll";
/// Bind groups of a program that are kept: those of its every layer at some numbers of rows.
const GROUPS: usize = 256;
/// Workgroups of one dimension.
const WIDEST: u32 = 65_535;

/// Id, offset and length of the buffer range that each variable of an entry point is bound to.
type Bound = ArrayVec<(u64, u64, u64), MAX_BINDINGS>;

/// What has been asked for and not submitted yet.
pub struct Recorder {
    encoder: Option<wgpu::CommandEncoder>,
    /// Commands since the first whose pipeline was missing.
    waiting: Vec<GpuCommand>,
    /// Buffers that were replaced while commands waited.
    replaced: Vec<u64>,
    pass: Option<wgpu::ComputePass<'static>>,
    uniforms: wgpu::Buffer,
    /// What `uniforms` will hold when the recorded commands run.
    uniform_bytes: Vec<u8>,
    /// Copies put off until something depends on them, as each would end the compute pass.
    copies: Vec<(BufferRange, BufferRange)>,
    /// Those of each program by its number: few each, so that to look at them all is quicker than a hash.
    groups: Vec<Vec<(Bound, wgpu::BindGroup)>>,
    /// Submissions with their numbers, the oldest first.
    in_flight: VecDeque<(u64, wgpu::SubmissionIndex)>,
    /// Buffers that reads leave for later ones.
    pub mappable: Vec<wgpu::Buffer>,
    /// The number of the next submission.
    pub submission: u64,
    pub counts: Counts,
}

/// A dispatch with the memory that it works on.
#[derive(Clone, Copy)]
pub struct Bindings<'a> {
    pub dispatch: &'a Dispatch,
    pub entry_point: &'a Arc<EntryPoint>,
    /// What each of its variables is bound to.
    pub bound: &'a [BufferRange],
    /// What it reads, or (true) writes. Copies wait until then. It may be a part of what is bound.
    pub touched: &'a [(BufferRange, bool)],
    /// Where joined tensors begin, in order.
    pub offsets: &'a [u32],
}

/// What waits for a pipeline, or stands behind one that does. It keeps its buffers: a block may get another one until
/// it is encoded.
enum GpuCommand {
    Dispatch(Box<WaitingDispatch>),
    Copy { from: BufferSlice, to: BufferSlice },
    Clear(BufferSlice),
}

/// A dispatch whose pipeline, or one before it, is missing.
struct WaitingDispatch {
    entry_point: Arc<EntryPoint>,
    bound: ArrayVec<BufferSlice, MAX_BINDINGS>,
    ranges: Bound,
    uniforms_at: u32,
    workgroups: u32,
}

/// A range of a buffer.
struct BufferSlice {
    buffer: wgpu::Buffer,
    start: u64,
    len: u64,
}

impl BufferSlice {
    fn of(memory: &Memory, range: &BufferRange) -> Self {
        BufferSlice { buffer: memory.at(range.block).buffer.clone(), start: range.bytes.start, len: range.len() }
    }
}

impl Recorder {
    pub fn new(context: &Context) -> Self {
        let uniforms = context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniforms"),
            size: SLOTS * ALIGNMENT,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Recorder {
            encoder: None,
            pass: None,
            uniforms,
            uniform_bytes: Vec::new(),
            waiting: Vec::new(),
            replaced: Vec::new(),
            copies: Vec::new(),
            groups: Vec::new(),
            in_flight: VecDeque::new(),
            mappable: Vec::new(),
            submission: 1,
            counts: Counts::default(),
        }
    }

    /// Drops the bind groups of a buffer that was replaced.
    pub fn drop_bind_groups_of(&mut self, id: u64) {
        if !self.waiting.is_empty() {
            self.replaced.push(id);
        }
        let stays = |(bound, _): &(Bound, _)| bound.iter().all(|(buffer, ..)| *buffer != id);
        self.groups.iter_mut().for_each(|groups| groups.retain(stays));
    }

    /// Records a dispatch.
    pub fn dispatch(&mut self, context: &Context, memory: &mut Memory, bindings: &Bindings) {
        let Bindings { dispatch, entry_point, bound, touched, offsets } = *bindings;
        let late = |(range, written): &(BufferRange, bool)| {
            self.copies.iter().any(|(from, to)| to.overlaps(range) || *written && from.overlaps(range))
        };
        if touched.iter().any(late) {
            self.run_copies(context, memory);
        }
        if self.uniform_bytes.len() as u64 >= SLOTS * ALIGNMENT {
            self.submit(context, memory);
        }
        for range in bound {
            memory.touch(range.block, self.submission);
        }
        let (uniforms_at, workgroups) = (self.uniform_bytes.len() as u32, dispatch.workgroups as u32);
        entry_point.put_uniforms(dispatch, offsets, &mut self.uniform_bytes);
        self.uniform_bytes.resize(uniforms_at as usize + ALIGNMENT as usize, 0);
        self.counts.dispatches += 1;
        let ranges: Bound = bound.iter().map(|p| (memory.at(p.block).id, p.bytes.start, p.len())).collect();
        let slices = || bound.iter().map(|range| BufferSlice::of(memory, range)).collect();
        if !self.waiting.is_empty() || !entry_point.is_compiled() {
            let (entry_point, bound) = (entry_point.clone(), slices());
            let waiting = WaitingDispatch { entry_point, bound, ranges, uniforms_at, workgroups };
            self.waiting.push(GpuCommand::Dispatch(Box::new(waiting)));
            return;
        }
        let group = self.bind_group(context, entry_point, ranges, slices);
        self.encode_dispatch(context, entry_point.pipeline(), &group, uniforms_at, workgroups);
    }

    /// The bind group of an entry point for some ranges: the one from before, or a new one, which is kept.
    fn bind_group(
        &mut self,
        context: &Context,
        entry_point: &EntryPoint,
        ranges: Bound,
        slices: impl FnOnce() -> ArrayVec<BufferSlice, MAX_BINDINGS>,
    ) -> wgpu::BindGroup {
        if self.groups.len() <= entry_point.id {
            self.groups.resize_with(entry_point.id + 1, Vec::new);
        }
        let groups = &mut self.groups[entry_point.id];
        if let Some((_, group)) = groups.iter().find(|(known, _)| *known == ranges) {
            return group.clone();
        }
        let group = bind_group(context, &self.uniforms, entry_point, &slices());
        // a buffer that was replaced while the dispatch waited comes never again
        if !ranges.iter().any(|(id, ..)| self.replaced.contains(id)) {
            self.counts.bind_groups += 1;
            if groups.len() >= GROUPS {
                groups.remove(0);
            }
            groups.push((ranges, group.clone()));
        }
        group
    }

    fn encode_dispatch(
        &mut self,
        context: &Context,
        pipeline: &Pipeline,
        group: &wgpu::BindGroup,
        uniforms_at: u32,
        workgroups: u32,
    ) {
        self.open_pass(context);
        let pass = self.pass.as_mut().expect("just opened");
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, group, &[uniforms_at]);
        let folds = workgroups.div_ceil(WIDEST);
        pass.dispatch_workgroups(workgroups.div_ceil(folds), folds, 1);
    }

    /// Compiles the pipelines that are missing and encodes the commands that wait for them. A pipeline that cannot be
    /// compiled is a fault of the device, which the next read returns.
    pub fn encode_waiting(&mut self, context: &Context) {
        if self.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        let entry_points = waiting.iter().filter_map(|command| match command {
            GpuCommand::Dispatch(dispatch) => Some(&dispatch.entry_point),
            _ => None,
        });
        if program::compile(context, entry_points).is_err() {
            return;
        }
        for command in waiting {
            match command {
                GpuCommand::Dispatch(dispatch) => {
                    let WaitingDispatch { entry_point, bound, ranges, uniforms_at, workgroups } = *dispatch;
                    let group = self.bind_group(context, &entry_point, ranges, || bound);
                    self.encode_dispatch(context, entry_point.pipeline(), &group, uniforms_at, workgroups);
                }
                GpuCommand::Copy { from, to } => self.encode_copy(context, &from, &to),
                GpuCommand::Clear(slice) => self.encode_clear(context, &slice),
            }
        }
        self.replaced.clear();
    }

    fn encode_copy(&mut self, context: &Context, from: &BufferSlice, to: &BufferSlice) {
        let encoder = self.open_encoder(context);
        encoder.copy_buffer_to_buffer(&from.buffer, from.start, &to.buffer, to.start, from.len);
    }

    fn encode_clear(&mut self, context: &Context, slice: &BufferSlice) {
        self.open_encoder(context).clear_buffer(&slice.buffer, slice.start, Some(slice.len));
    }

    pub fn open_encoder(&mut self, context: &Context) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.encoder.get_or_insert_with(|| context.device.create_command_encoder(&Default::default()))
    }

    fn open_pass(&mut self, context: &Context) {
        if self.pass.is_none() {
            let pass = self.open_encoder(context).begin_compute_pass(&Default::default()).forget_lifetime();
            self.pass = Some(pass);
            self.counts.compute_passes += 1;
        }
    }

    /// Copies as many bytes as both ranges have; may be put off.
    pub fn copy(&mut self, context: &Context, memory: &mut Memory, from: BufferRange, to: BufferRange) {
        let depends = |(f, t): &(BufferRange, BufferRange)| t.overlaps(&from) || t.overlaps(&to) || f.overlaps(&to);
        if self.copies.iter().any(depends) {
            self.run_copies(context, memory);
        }
        memory.touch(from.block, self.submission);
        memory.touch(to.block, self.submission);
        match self.copies.last_mut() {
            // each copy waits for the one before: what lies side by side at both ends is one
            Some((f, t)) if from.follows(f) && to.follows(t) => {
                f.bytes.end = from.bytes.end;
                t.bytes.end = to.bytes.end;
            }
            _ => self.copies.push((from, to)),
        }
    }

    /// Runs the copies that were put off, if one is from or to this tensor.
    pub fn run_copies_of(&mut self, context: &Context, memory: &Memory, buffer: Buffer) {
        let block = memory.range(buffer).block;
        if self.copies.iter().any(|(from, to)| from.block == block || to.block == block) {
            self.run_copies(context, memory);
        }
    }

    /// Runs the copies that were put off.
    pub fn run_copies(&mut self, context: &Context, memory: &Memory) {
        if self.copies.is_empty() {
            return;
        }
        let mut copies = std::mem::take(&mut self.copies);
        for (from, to) in copies.drain(..).filter(|(from, _)| from.len() > 0) {
            let (from, to) = (BufferSlice::of(memory, &from), BufferSlice::of(memory, &to));
            match self.waiting.is_empty() {
                true => self.encode_copy(context, &from, &to),
                false => self.waiting.push(GpuCommand::Copy { from, to }),
            }
        }
        self.copies = copies;
    }

    pub fn zero(&mut self, context: &Context, memory: &mut Memory, range: BufferRange) {
        self.run_copies(context, memory);
        memory.touch(range.block, self.submission);
        if range.len() > 0 {
            let slice = BufferSlice::of(memory, &range);
            match self.waiting.is_empty() {
                true => self.encode_clear(context, &slice),
                false => self.waiting.push(GpuCommand::Clear(slice)),
            }
        }
    }

    /// Overwrites a range, behind all that was asked for before.
    pub fn write(&mut self, context: &Context, memory: &mut Memory, range: &BufferRange, values: &[u8]) {
        // the queue writes ahead of what is only recorded
        if memory.at(range.block).used_in == self.submission {
            self.submit(context, memory);
        }
        if !values.is_empty() {
            context.queue.write_buffer(&memory.at(range.block).buffer, range.bytes.start, values);
        }
    }

    /// Sends what was recorded on its way, if anything was.
    pub fn submit(&mut self, context: &Context, memory: &Memory) -> Option<wgpu::SubmissionIndex> {
        self.run_copies(context, memory);
        self.encode_waiting(context);
        self.pass = None;
        let encoder = self.encoder.take()?;
        if !self.uniform_bytes.is_empty() {
            context.queue.write_buffer(&self.uniforms, 0, &self.uniform_bytes);
            self.uniform_bytes.clear();
        }
        let index = context.queue.submit([encoder.finish()]);
        self.submission += 1;
        self.in_flight.push_back((self.submission - 1, index.clone()));
        if self.in_flight.len() > IN_FLIGHT {
            let (number, oldest) = self.in_flight[0].clone();
            // what goes wrong is noted as a fault of the device, and told by the next read
            let _ = self.wait(context, number, oldest);
        }
        Some(index)
    }

    /// Waits for a submission.
    ///
    /// # Errors
    /// A lost device.
    pub fn wait(&mut self, context: &Context, number: u64, index: wgpu::SubmissionIndex) -> Result<()> {
        self.in_flight.retain(|(other, _)| *other > number);
        self.counts.waits += u64::from(self.in_flight.is_empty());
        let poll = || context.device.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None });
        // wgpu panics where the device was lost in the meantime; any other panic is a bug, and goes on
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => polled.map(drop).map_err(|e| context.error(e)),
            Err(panic) => match panic.downcast_ref::<String>().filter(|text| text.starts_with(POLL)) {
                Some(text) => Err(context.fault(text.trim_end())),
                None => resume_unwind(panic),
            },
        }
    }
}

fn bind_group(
    context: &Context,
    uniforms: &wgpu::Buffer,
    entry_point: &EntryPoint,
    bound: &[BufferSlice],
) -> wgpu::BindGroup {
    fn binding(buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(bytes) })
    }
    let uniform = wgpu::BindGroupEntry { binding: 0, resource: binding(uniforms, 0, UNIFORM_BYTES) };
    let mut entries = ArrayVec::<_, { MAX_BINDINGS + 1 }>::new();
    entries.push(uniform);
    for (slice, variable) in bound.iter().zip(&entry_point.variables) {
        // a tensor without elements needs some range; and a shader may see it as vec4s
        let bytes = slice.len.max(4).next_multiple_of(16);
        let resource = binding(&slice.buffer, slice.start, bytes);
        entries.push(wgpu::BindGroupEntry { binding: variable.binding, resource });
    }
    let layout = &entry_point.pipeline().layout;
    context.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
}
