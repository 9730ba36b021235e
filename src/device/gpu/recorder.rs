//! Recording: dispatches go into one compute pass of one command encoder, for as long as nothing has to be read.

use super::adapter::Context;
use super::memory::{ALIGNMENT, Memory, Place};
use super::program::{Program, UNIFORM_BYTES};
use crate::device::{Buffer, Counts};
use crate::error::Result;
use crate::pass::MAX_BINDS;
use arrayvec::ArrayVec;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

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

/// The number, place and length of what each variable of a program is bound to.
type Bound = ArrayVec<(u64, u64, u64), MAX_BINDS>;

/// What has been asked for and not submitted yet.
pub struct Recorder {
    encoder: Option<wgpu::CommandEncoder>,
    pass: Option<wgpu::ComputePass<'static>>,
    uniforms: wgpu::Buffer,
    /// What `uniforms` will hold when the recorded commands run.
    words: Vec<u8>,
    /// Copies put off until something depends on them, as each would end the compute pass.
    copies: Vec<(Place, Place)>,
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

/// A program to run.
#[derive(Clone, Copy)]
pub struct Dispatch<'a> {
    pub program: &'a Program,
    /// What is bound to each of its variables.
    pub bound: &'a [Place],
    /// What it reads, or (true) writes, of that which copies may be put off for: a part of what is bound, perhaps.
    pub touched: &'a [(Place, bool)],
    /// Its uniform struct.
    pub words: &'a [u32],
    pub groups: u32,
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
            words: Vec::new(),
            copies: Vec::new(),
            groups: Vec::new(),
            in_flight: VecDeque::new(),
            mappable: Vec::new(),
            submission: 1,
            counts: Counts::default(),
        }
    }

    /// Forgets what is bound to a buffer that is gone.
    pub fn forget(&mut self, id: u64) {
        let stays = |(bound, _): &(Bound, _)| bound.iter().all(|(buffer, ..)| *buffer != id);
        self.groups.iter_mut().for_each(|groups| groups.retain(stays));
    }

    /// Records a dispatch.
    pub fn dispatch(&mut self, context: &Context, memory: &mut Memory, dispatch: &Dispatch) {
        let Dispatch { program, bound, touched, words, groups } = *dispatch;
        let late = |(place, written): &(Place, bool)| {
            self.copies.iter().any(|(from, to)| to.overlaps(place) || *written && from.overlaps(place))
        };
        if touched.iter().any(late) {
            self.run_copies(context, memory);
        }
        if self.words.len() as u64 >= SLOTS * ALIGNMENT {
            self.submit(context, memory);
        }
        for place in bound {
            memory.touch(place.block, self.submission);
        }
        let offset = self.words.len() as u32;
        self.words.extend_from_slice(bytemuck::cast_slice(words));
        self.words.resize(offset as usize + ALIGNMENT as usize, 0);
        self.open_pass(context);
        let pass = self.pass.as_mut().expect("just opened");
        if self.groups.len() <= program.id {
            self.groups.resize_with(program.id + 1, Vec::new);
        }
        let groups_of_it = &mut self.groups[program.id];
        let places: Bound = bound.iter().map(|p| (memory.at(p.block).id, p.bytes.start, p.len())).collect();
        let known = groups_of_it.iter().position(|(bound, _)| *bound == places).unwrap_or_else(|| {
            self.counts.bind_groups += 1;
            if groups_of_it.len() >= GROUPS {
                groups_of_it.remove(0);
            }
            groups_of_it.push((places, bind_group(context, memory, &self.uniforms, program, bound)));
            groups_of_it.len() - 1
        });
        pass.set_pipeline(&program.pipeline);
        pass.set_bind_group(0, &groups_of_it[known].1, &[offset]);
        let folds = groups.div_ceil(WIDEST);
        pass.dispatch_workgroups(groups.div_ceil(folds), folds, 1);
        self.counts.dispatches += 1;
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

    /// Copies as many bytes as both places have; may be put off.
    pub fn copy(&mut self, context: &Context, memory: &mut Memory, from: Place, to: Place) {
        let depends = |(f, t): &(Place, Place)| t.overlaps(&from) || t.overlaps(&to) || f.overlaps(&to);
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
        let block = memory.place(buffer).block;
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
        let encoder = self.open_encoder(context);
        for (from, to) in copies.drain(..).filter(|(from, _)| from.len() > 0) {
            let (source, target) = (&memory.at(from.block).buffer, &memory.at(to.block).buffer);
            encoder.copy_buffer_to_buffer(source, from.bytes.start, target, to.bytes.start, from.len());
        }
        self.copies = copies;
    }

    pub fn zero(&mut self, context: &Context, memory: &mut Memory, place: Place) {
        self.run_copies(context, memory);
        memory.touch(place.block, self.submission);
        if place.len() > 0 {
            let buffer = &memory.at(place.block).buffer;
            self.open_encoder(context).clear_buffer(buffer, place.bytes.start, Some(place.len()));
        }
    }

    /// Overwrites a place, behind all that was asked for before.
    pub fn write(&mut self, context: &Context, memory: &mut Memory, place: &Place, values: &[u8]) {
        // the queue writes ahead of what is only recorded
        if memory.at(place.block).used_in == self.submission {
            self.submit(context, memory);
        }
        if !values.is_empty() {
            context.queue.write_buffer(&memory.at(place.block).buffer, place.bytes.start, values);
        }
    }

    /// Sends what was recorded on its way, if anything was.
    pub fn submit(&mut self, context: &Context, memory: &Memory) -> Option<wgpu::SubmissionIndex> {
        self.run_copies(context, memory);
        self.pass = None;
        let encoder = self.encoder.take()?;
        if !self.words.is_empty() {
            context.queue.write_buffer(&self.uniforms, 0, &self.words);
            self.words.clear();
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
    memory: &Memory,
    uniforms: &wgpu::Buffer,
    program: &Program,
    bound: &[Place],
) -> wgpu::BindGroup {
    let binding = |buffer, offset, bytes: u64| {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(bytes) })
    };
    let uniform = wgpu::BindGroupEntry { binding: 0, resource: binding(uniforms, 0, UNIFORM_BYTES) };
    let of_place = |(place, (number, _)): (&Place, &(u32, bool))| {
        // no tensor without elements is bound to nothing; and a shader may see it as vec4s
        let bytes = place.len().max(4).next_multiple_of(16);
        let resource = binding(&memory.at(place.block).buffer, place.bytes.start, bytes);
        wgpu::BindGroupEntry { binding: *number, resource }
    };
    let entries: Vec<_> = [uniform].into_iter().chain(bound.iter().zip(&program.bindings).map(of_place)).collect();
    context.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &program.layout,
        entries: &entries,
    })
}
