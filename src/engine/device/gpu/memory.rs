//! GPU memory. Parameters, gradients and moments of one allocation share one buffer (an arena); each activation has its
//! own.

use super::adapter::Context;
use crate::engine::device::{Buffer, Role};
use crate::engine::tensor::Shape;
use crate::error::Result;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The alignment of a binding's offset in bytes: WebGPU's default.
pub const ALIGNMENT: u64 = 256;

/// A block of GPU memory: one wgpu buffer.
#[derive(Debug)]
pub struct Block {
    pub buffer: wgpu::Buffer,
    /// Unique, also among the buffers that this one replaced.
    pub id: u64,
    pub bytes: u64,
    /// The submission that used it last; perhaps the next one.
    pub used_in: u64,
}

/// A range of bytes of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferRange {
    pub block: usize,
    pub bytes: Range<u64>,
}

impl BufferRange {
    pub fn overlaps(&self, other: &BufferRange) -> bool {
        self.block == other.block && self.bytes.start < other.bytes.end && other.bytes.start < self.bytes.end
    }

    /// Whether it begins where another ends.
    pub fn follows(&self, other: &BufferRange) -> bool {
        self.block == other.block && self.bytes.start == other.bytes.end
    }

    pub fn len(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

#[derive(Debug)]
struct GpuTensor {
    shape: Shape,
    block: usize,
    offset: u64,
    /// The block that was allocated for this activation. While it is a vector beside other outputs of an op, it lies in
    /// the block of the first of these vectors.
    home: Option<usize>,
}

/// All blocks, and the tensors in them.
#[derive(Debug, Default)]
pub struct Memory {
    blocks: Vec<Block>,
    tensors: Vec<GpuTensor>,
    scratch: HashMap<usize, usize>,
    tables: HashMap<Arc<[u32]>, usize>,
    next_id: u64,
}

/// The bytes of this many f32 or u32 numbers.
pub fn bytes_of(numbers: usize) -> u64 {
    4 * numbers as u64
}

impl Memory {
    /// A new zero-filled block of at least this many bytes.
    fn block(&mut self, context: &Context, bytes: u64) -> Result<Block> {
        let bytes = bytes.max(ALIGNMENT).next_multiple_of(ALIGNMENT);
        let most = context.limits.max_buffer_size.min(context.limits.max_storage_buffer_binding_size);
        if bytes > most {
            return Err(context.error(format!("a buffer of {bytes} bytes is beyond its limit of {most}")));
        }
        let scope = context.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = context.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        if pollster::block_on(scope.pop()).is_some() {
            return Err(context.error(format!("has no memory for another {bytes} bytes")));
        }
        self.next_id += 1;
        Ok(Block { buffer, id: self.next_id, bytes, used_in: 0 })
    }

    fn add(&mut self, context: &Context, bytes: u64) -> Result<usize> {
        let block = self.block(context, bytes)?;
        self.blocks.push(block);
        Ok(self.blocks.len() - 1)
    }

    pub fn alloc(&mut self, context: &Context, role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>> {
        let first = self.tensors.len() as u32;
        let sizes = shapes.iter().map(|[rows, columns]| bytes_of(rows * columns).max(4).next_multiple_of(ALIGNMENT));
        if role == Role::Activation {
            for (shape, size) in shapes.iter().zip(sizes) {
                let block = self.add(context, size)?;
                self.tensors.push(GpuTensor { shape: *shape, block, offset: 0, home: Some(block) });
            }
        } else if !shapes.is_empty() {
            let (block, mut offset) = (self.add(context, sizes.clone().sum())?, 0);
            for (shape, size) in shapes.iter().zip(sizes) {
                self.tensors.push(GpuTensor { shape: *shape, block, offset, home: None });
                offset += size;
            }
        }
        Ok((first..self.tensors.len() as u32).map(Buffer).collect())
    }

    pub fn view(&mut self, of: Buffer, offset: usize, shape: Shape) -> Buffer {
        let GpuTensor { shape: whole, block, offset: start, .. } = self.tensors[of.0 as usize];
        assert!(offset + shape[0] * shape[1] <= whole[0] * whole[1], "a view beyond its buffer");
        self.tensors.push(GpuTensor { shape, block, offset: start + bytes_of(offset), home: None });
        Buffer(self.tensors.len() as u32 - 1)
    }

    /// Gives the outputs of one op these shapes. The vectors among the outputs after the first share one block, so that
    /// an op can join them. Calls `replaced` with the id of each buffer that a larger one replaces.
    pub fn reshape(
        &mut self,
        context: &Context,
        buffers: &[Buffer],
        shapes: &[Shape],
        mut replaced: impl FnMut(u64),
    ) -> Result<()> {
        let size = |[rows, columns]: &Shape| bytes_of(rows * columns).max(4).next_multiple_of(ALIGNMENT);
        let together: u64 = shapes.iter().skip(1).filter(|shape| shape[0] == 1).map(size).sum();
        let mut vectors: Option<(usize, u64)> = None;
        for (i, (buffer, shape)) in buffers.iter().zip(shapes).enumerate() {
            let home = self.tensors[buffer.0 as usize].home.expect("only activations change their shape");
            let (block, offset, needed) = if i == 0 || shape[0] != 1 {
                (home, 0, size(shape))
            } else {
                let (block, end) = vectors.get_or_insert((home, 0));
                let offset = *end;
                *end += size(shape);
                (*block, offset, together)
            };
            self.tensors[buffer.0 as usize] = GpuTensor { shape: *shape, block, offset, home: Some(home) };
            if let Some(id) = self.grow(context, block, needed)? {
                replaced(id);
            }
        }
        Ok(())
    }

    fn grow(&mut self, context: &Context, block: usize, bytes: u64) -> Result<Option<u64>> {
        if bytes <= self.blocks[block].bytes {
            return Ok(None);
        }
        let larger = self.block(context, bytes)?;
        Ok(Some(std::mem::replace(&mut self.blocks[block], larger).id))
    }

    pub fn shape(&self, buffer: Buffer) -> Shape {
        self.tensors[buffer.0 as usize].shape
    }

    pub fn range(&self, buffer: Buffer) -> BufferRange {
        let GpuTensor { shape, block, offset, .. } = self.tensors[buffer.0 as usize];
        BufferRange { block, bytes: offset..offset + bytes_of(shape[0] * shape[1]) }
    }

    /// Whether the scratch memory of this id must be replaced to hold this many bytes.
    pub fn outgrows(&self, id: usize, bytes: u64) -> bool {
        self.scratch.get(&id).is_some_and(|block| self.blocks[*block].bytes < bytes)
    }

    /// The scratch memory of this id. If it must grow, its content is lost, and the id of the replaced buffer is
    /// returned too.
    pub fn scratch(&mut self, context: &Context, id: usize, bytes: u64) -> Result<(BufferRange, Option<u64>)> {
        let (block, replaced) = match self.scratch.get(&id) {
            Some(block) => (*block, self.grow(context, *block, bytes)?),
            None => {
                let block = self.add(context, bytes)?;
                self.scratch.insert(id, block);
                (block, None)
            }
        };
        Ok((BufferRange { block, bytes: 0..bytes }, replaced))
    }

    /// The range of a table, which is written at first use.
    pub fn table(&mut self, context: &Context, table: &Arc<[u32]>) -> Result<BufferRange> {
        let bytes = bytes_of(table.len());
        if let Some(block) = self.tables.get(table) {
            return Ok(BufferRange { block: *block, bytes: 0..bytes });
        }
        let block = self.add(context, bytes)?;
        context.queue.write_buffer(&self.blocks[block].buffer, 0, bytemuck::cast_slice(table));
        self.tables.insert(table.clone(), block);
        Ok(BufferRange { block, bytes: 0..bytes })
    }

    pub fn at(&self, block: usize) -> &Block {
        &self.blocks[block]
    }

    /// Notes that a submission uses a block.
    pub fn touch(&mut self, block: usize, submission: u64) {
        self.blocks[block].used_in = submission;
    }
}
