//! Recording of commands. Dispatches go into one compute pass of one command encoder, until a readback. If a dispatch
//! needs a pipeline that is not compiled yet, it and all later commands wait in a list. The submission compiles the
//! missing pipelines in parallel and then encodes the list.

use super::adapter::Context;
use super::memory::{ALIGNMENT, BufferRange, Memory};
use super::program::{self, EntryPoint, Pipeline, UNIFORM_BYTES};
use crate::engine::device::{Buffer, Counts};
use crate::engine::dispatch::{Dispatch, MAX_BINDINGS};
use crate::error::Result;
use arrayvec::ArrayVec;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// The most dispatches of one submission.
const MAX_DISPATCHES: u64 = 512;
/// The most submissions that may be pending.
const MAX_SUBMISSIONS: usize = 3;
/// The start of wgpu's panic message when it cannot poll a device.
const POLL_PANIC: &str = "Error in Device::poll";
/// The most bind groups kept per entry point: enough for all its layers at several batch sizes.
const MAX_BIND_GROUPS: usize = 256;
/// The most workgroups in one dimension of a dispatch.
const MAX_WORKGROUPS: u32 = 65_535;

/// Id, offset and length of the buffer range that each variable of an entry point is bound to.
type Bound = ArrayVec<(u64, u64, u64), MAX_BINDINGS>;

/// The commands that are recorded and not submitted yet.
pub struct CommandRecorder {
    encoder: Option<wgpu::CommandEncoder>,
    /// The commands from the first one on whose pipeline is missing.
    waiting: Vec<GpuCommand>,
    /// The ids of buffers that were replaced while commands waited.
    replaced: Vec<u64>,
    pass: Option<wgpu::ComputePass<'static>>,
    uniforms: wgpu::Buffer,
    /// The content that `uniforms` gets before the recorded commands run.
    uniform_bytes: Vec<u8>,
    /// Copies that are deferred until a command depends on them, as a copy ends the compute pass.
    copies: Vec<(BufferRange, BufferRange)>,
    /// The bind groups of each entry point, by its id. They are few, so a linear search is faster than a hash table.
    groups: Vec<Vec<(Bound, wgpu::BindGroup)>>,
    /// The pending submissions with their numbers, the oldest first.
    in_flight: VecDeque<(u64, wgpu::SubmissionIndex)>,
    /// Mappable buffers for reuse by later readbacks.
    pub mappable: Vec<wgpu::Buffer>,
    /// The number of the next submission.
    pub submission: u64,
    pub counts: Counts,
}

/// A dispatch with its memory.
#[derive(Clone, Copy)]
pub struct Bindings<'a> {
    pub dispatch: &'a Dispatch,
    pub entry_point: &'a Arc<EntryPoint>,
    /// The range that each variable is bound to.
    pub bound: &'a [BufferRange],
    /// The ranges that the dispatch reads or (true) writes: `bound`, or parts of it. Deferred copies that touch them
    /// run first.
    pub touched: &'a [(BufferRange, bool)],
    /// The index of the first element of each joined tensor, in order.
    pub offsets: &'a [u32],
}

/// A command that waits for a pipeline, or follows one that does. It owns its buffers, as their blocks may get others
/// before it is encoded.
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

/// A range of bytes of a wgpu buffer.
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

impl CommandRecorder {
    pub fn new(context: &Context) -> Self {
        let uniforms = context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniforms"),
            size: MAX_DISPATCHES * ALIGNMENT,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        CommandRecorder {
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
        let depends = |(range, written): &(BufferRange, bool)| {
            self.copies.iter().any(|(from, to)| to.overlaps(range) || *written && from.overlaps(range))
        };
        if touched.iter().any(depends) {
            self.run_copies(context, memory);
        }
        if self.uniform_bytes.len() as u64 >= MAX_DISPATCHES * ALIGNMENT {
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

    /// The bind group of an entry point for these ranges: a kept one, or a new one, which is kept.
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
        // no later dispatch can use a buffer that was replaced while this one waited
        if !ranges.iter().any(|(id, ..)| self.replaced.contains(id)) {
            self.counts.bind_groups += 1;
            if groups.len() >= MAX_BIND_GROUPS {
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
        let pass = self.pass.as_mut().expect("open_pass opened it");
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, group, &[uniforms_at]);
        let folds = workgroups.div_ceil(MAX_WORKGROUPS);
        pass.dispatch_workgroups(workgroups.div_ceil(folds), folds, 1);
    }

    /// Compiles the missing pipelines and encodes the commands that wait for them. A pipeline that does not compile is
    /// a fault of the device, which the next read returns.
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
        if from.buffer != to.buffer {
            return encoder.copy_buffer_to_buffer(&from.buffer, from.start, &to.buffer, to.start, from.len);
        }
        // wgpu refuses to copy within a buffer
        let between = context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("copy"),
            size: from.len,
            usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(&from.buffer, from.start, &between, 0, from.len);
        encoder.copy_buffer_to_buffer(&between, 0, &to.buffer, to.start, from.len);
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

    /// Copies between ranges of the same length. The copy may be deferred.
    pub fn copy(&mut self, context: &Context, memory: &mut Memory, from: BufferRange, to: BufferRange) {
        let depends = |(f, t): &(BufferRange, BufferRange)| t.overlaps(&from) || t.overlaps(&to) || f.overlaps(&to);
        if self.copies.iter().any(depends) {
            self.run_copies(context, memory);
        }
        memory.touch(from.block, self.submission);
        memory.touch(to.block, self.submission);
        match self.copies.last_mut() {
            // each copy waits for the one before, so merge copies that are contiguous at both ends
            Some((f, t)) if from.follows(f) && to.follows(t) => {
                f.bytes.end = from.bytes.end;
                t.bytes.end = to.bytes.end;
            }
            _ => self.copies.push((from, to)),
        }
    }

    /// Runs all deferred copies if one of them touches this tensor.
    pub fn run_copies_of(&mut self, context: &Context, memory: &Memory, buffer: Buffer) {
        let block = memory.range(buffer).block;
        if self.copies.iter().any(|(from, to)| from.block == block || to.block == block) {
            self.run_copies(context, memory);
        }
    }

    /// Runs all deferred copies.
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

    /// Overwrites a range, after all earlier commands.
    pub fn write(&mut self, context: &Context, memory: &mut Memory, range: &BufferRange, values: &[u8]) {
        // the queue writes before commands that are recorded and not submitted
        if memory.at(range.block).used_in == self.submission {
            self.submit(context, memory);
        }
        if !values.is_empty() {
            context.queue.write_buffer(&memory.at(range.block).buffer, range.bytes.start, values);
        }
    }

    /// Submits the recorded commands, if there are any.
    pub fn submit(&mut self, context: &Context, memory: &Memory) -> Option<wgpu::SubmissionIndex> {
        self.run_copies(context, memory);
        self.encode_waiting(context);
        self.pass = None;
        let Some(encoder) = self.encoder.take() else {
            // the dispatches behind these were dropped, as a pipeline did not compile
            self.uniform_bytes.clear();
            return None;
        };
        if !self.uniform_bytes.is_empty() {
            context.queue.write_buffer(&self.uniforms, 0, &self.uniform_bytes);
            self.uniform_bytes.clear();
        }
        let index = context.queue.submit([encoder.finish()]);
        self.submission += 1;
        self.in_flight.push_back((self.submission - 1, index.clone()));
        if self.in_flight.len() > MAX_SUBMISSIONS {
            let (number, oldest) = self.in_flight[0].clone();
            // a lost device is recorded as a fault, which the next read returns
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
        // wgpu panics if the device was lost in the meantime; any other panic is a bug and continues
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => polled.map(drop).map_err(|e| context.error(e)),
            Err(panic) => match panic.downcast_ref::<String>().filter(|text| text.starts_with(POLL_PANIC)) {
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
        // an empty tensor needs some range too, and a shader may bind the tensor as vec4s
        let bytes = slice.len.max(4).next_multiple_of(16);
        let resource = binding(&slice.buffer, slice.start, bytes);
        entries.push(wgpu::BindGroupEntry { binding: variable.binding, resource });
    }
    let layout = &entry_point.pipeline().layout;
    context.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
}
