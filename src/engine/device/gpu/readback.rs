//! Readback: a copy of memory ranges into a mappable buffer, after all recorded commands. The host reads that buffer
//! when the GPU is done.

use super::adapter::Context;
use super::memory::{ALIGNMENT, BufferRange, Memory};
use super::recorder::CommandRecorder;
use crate::error::Result;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The longest wait for wgpu's callback once the work is done.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(30);

/// A pending copy to the host.
pub struct MappedCopy {
    buffer: wgpu::Buffer,
    bytes: u64,
    submission: u64,
    index: wgpu::SubmissionIndex,
    mapped: Receiver<std::result::Result<(), wgpu::BufferAsyncError>>,
}

impl CommandRecorder {
    /// Submits all recorded commands, then a copy of memory ranges, packed without gaps.
    pub fn begin_read(&mut self, context: &Context, memory: &Memory, ranges: &[BufferRange]) -> MappedCopy {
        self.run_copies(context, memory);
        self.encode_waiting(context);
        // no buffer may be empty: norms of nothing have no bytes
        let bytes = ranges.iter().map(BufferRange::len).sum::<u64>().max(4);
        let buffer = self.mappable(context, bytes);
        let (encoder, mut end) = (self.open_encoder(context), 0);
        for range in ranges {
            encoder.copy_buffer_to_buffer(&memory.at(range.block).buffer, range.bytes.start, &buffer, end, range.len());
            end += range.len();
        }
        let index = self.submit(context, memory).expect("the encoder is open");
        let (sender, mapped) = channel();
        buffer.slice(..bytes).map_async(wgpu::MapMode::Read, move |result| {
            let _ = sender.send(result);
        });
        MappedCopy { buffer, bytes, submission: self.submission - 1, index, mapped }
    }

    /// Waits for a copy and calls `put` with its bytes.
    pub fn end_read(&mut self, context: &Context, copy: MappedCopy, put: impl FnOnce(&[u8])) -> Result<()> {
        let MappedCopy { buffer, bytes, submission, index, mapped } = copy;
        let waited = self.wait(context, submission, index);
        context.check()?;
        waited?;
        // with a shared device, another thread's poll may run the callback, which may not have sent its result yet
        let mapped = mapped.recv_timeout(CALLBACK_TIMEOUT).map_err(|_| context.error("does not answer"))?;
        mapped.map_err(|e| context.error(format!("cannot be read: {e}")))?;
        put(&buffer.slice(..bytes).get_mapped_range().map_err(|e| context.error(e))?);
        buffer.unmap();
        self.mappable.push(buffer);
        Ok(())
    }

    /// An unmapped buffer of at least this many bytes.
    fn mappable(&mut self, context: &Context, bytes: u64) -> wgpu::Buffer {
        if let Some(fitting) = self.mappable.iter().position(|buffer| buffer.size() >= bytes) {
            return self.mappable.swap_remove(fitting);
        }
        // a buffer that is too small is dropped before its successor is made
        self.mappable.pop();
        context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: bytes.next_multiple_of(ALIGNMENT),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }
}
