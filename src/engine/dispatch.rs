//! The work of an op on a GPU, as data: which entry point of its shader runs, on which tensors, with which uniforms and
//! how many workgroups. This is all that an op knows of a GPU; the GPU device carries it out.

pub mod product;

use crate::engine::kernels::mask::DropoutMask;
use crate::engine::tensor::Shape;
use arrayvec::ArrayVec;
use std::sync::Arc;

/// Threads of a workgroup.
pub const WORKGROUP_SIZE: usize = 256;
/// The columns that one workgroup sums (`COLUMNS` in `shaders/common/columns.wgsl`).
pub const COLUMNS: usize = 16;
/// The storage buffers that a shader may bind: WebGPU guarantees this number.
pub const MAX_BINDINGS: usize = 8;
/// The most fields that a shader's uniform struct may have.
pub const MAX_UNIFORMS: usize = 32;

/// A tensor as an op names it.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Input(usize),
    Output(usize),
    /// The gradient of the first output.
    DOutput,
    /// The gradient of an input.
    DInput(usize),
    /// Workspace that passes numbers from one dispatch of an op to the next: its id and its length.
    Scratch(usize, usize),
    /// Integers that never change.
    Table(Arc<[u32]>),
}

/// What one storage variable of a shader is bound to: one tensor, or several that are joined into one buffer. Each
/// joined tensor names the uniform that receives the index of its first element in that buffer. Joined tensors in one
/// arena, such as parameters, cost nothing. Others are copied to one buffer before the dispatch and back after it.
#[derive(Debug, Clone)]
pub struct Binding {
    /// The variable's name in the shader.
    pub name: &'static str,
    /// Each with the uniform for its offset if several are joined.
    pub operands: ArrayVec<(Option<&'static str>, Operand), 4>,
}

/// The name of a field of the shader's uniform struct, and its value.
pub type Uniform = (&'static str, UniformValue);

/// The value of a uniform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum UniformValue {
    /// `u32` in the shader.
    Integer(u32),
    /// `f32` in the shader.
    Real(f32),
}

impl UniformValue {
    /// The bits that the shader reads.
    pub fn bits(self) -> u32 {
        match self {
            UniformValue::Integer(value) => value,
            UniformValue::Real(value) => value.to_bits(),
        }
    }
}

/// One dispatch. The GPU device finds variables and uniforms by name in the shader. It panics if one that the entry
/// point uses is missing, or if the shader declares no such name.
#[derive(Debug, Clone)]
pub struct Dispatch {
    pub entry: &'static str,
    pub bindings: Vec<Binding>,
    pub uniforms: Vec<Uniform>,
    /// Values of the shader's pipeline-overridable constants, by name; a `bool` is 0 or 1.
    pub constants: ArrayVec<(&'static str, u32), 2>,
    /// The number of workgroups. If one dimension cannot hold it, the device uses two.
    pub workgroups: usize,
}

/// The dispatches of an op, in order.
pub type Dispatches = Vec<Dispatch>;

/// For each input: `None` if its gradient is not needed, else whether to accumulate it.
pub type Targets<'a> = &'a [Option<bool>];

impl Dispatch {
    /// `workgroups` workgroups of an entry point.
    pub fn new(entry: &'static str, workgroups: usize) -> Self {
        let (bindings, uniforms) = (Vec::with_capacity(MAX_BINDINGS), Vec::with_capacity(MAX_UNIFORMS));
        Dispatch { entry, bindings, uniforms, constants: ArrayVec::new(), workgroups }
    }

    /// One thread per element; the uniform `count` is their number.
    pub fn over(entry: &'static str, count: usize) -> Self {
        Dispatch::new(entry, count.div_ceil(WORKGROUP_SIZE)).u("count", count)
    }

    /// One thread per four columns of a row, which share one call of Philox. The uniforms are `rows` and `columns`.
    pub fn over_quads(entry: &'static str, [rows, columns]: Shape) -> Self {
        let workgroups = (rows * columns.div_ceil(4)).div_ceil(WORKGROUP_SIZE);
        Dispatch::new(entry, workgroups).u("rows", rows).u("columns", columns)
    }

    /// Binds a tensor to a storage variable.
    pub fn bind(mut self, name: &'static str, operand: Operand) -> Self {
        self.bindings.push(Binding { name, operands: [(None, operand)].into_iter().collect() });
        self
    }

    /// Binds several tensors to one storage variable, each with the uniform for its offset; see [`Binding`].
    pub fn join(mut self, name: &'static str, operands: impl IntoIterator<Item = (&'static str, Operand)>) -> Self {
        let operands = operands.into_iter().map(|(offset, operand)| (Some(offset), operand)).collect();
        self.bindings.push(Binding { name, operands });
        self
    }

    /// Binds the gradient of an input, or scratch memory that is never read if the gradient is not needed. The shader
    /// accumulates if the uniform is 1, and overwrites if it is 0.
    pub fn gradient(self, [name, accumulate]: [&'static str; 2], index: usize, targets: Targets, len: usize) -> Self {
        let (operand, value) = target(index, targets, len);
        self.bind(name, operand).u(accumulate, value)
    }

    /// An integer uniform.
    ///
    /// # Panics
    /// When it needs more than 32 bits. No buffer on a GPU has that many elements.
    pub fn u(mut self, name: &'static str, value: usize) -> Self {
        let value = u32::try_from(value).expect("sizes of a GPU tensor fit 32 bits");
        self.uniforms.push((name, UniformValue::Integer(value)));
        self
    }

    /// A real uniform, rounded to f32.
    pub fn f(mut self, name: &'static str, value: f64) -> Self {
        self.uniforms.push((name, UniformValue::Real(value as f32)));
        self
    }

    /// A pipeline-overridable constant.
    pub fn constant(mut self, name: &'static str, value: usize) -> Self {
        self.constants.push((name, value as u32));
        self
    }

    /// The six uniforms of a dropout. Without a mask the threshold drops nothing and the multiplier is 1.
    pub fn mask(mut self, mask: Option<DropoutMask>) -> Self {
        let (numbers, below, keep) =
            mask.map_or(([0; 4], 0, 1.0), |m| (m.stream.philox_inputs(), m.drop_below, m.keep));
        let integers = ["key0", "key1", "tag", "step"].into_iter().zip(numbers).chain([("below", below)]);
        self.uniforms.extend(integers.map(|(name, value)| (name, UniformValue::Integer(value))));
        self.f("keep", keep)
    }
}

/// The gradient of an input and whether to accumulate it (1 or 0); scratch memory that is never read if the gradient is
/// not needed.
pub fn target(index: usize, targets: Targets, len: usize) -> (Operand, usize) {
    match targets.get(index).copied().flatten() {
        Some(accumulate) => (Operand::DInput(index), usize::from(accumulate)),
        // the id is the input's number, so that no two inputs share memory
        None => (Operand::Scratch(index, len), 0),
    }
}

/// The number of elements.
pub fn len([rows, columns]: Shape) -> usize {
    rows * columns
}

/// A sum. Many elements take two dispatches: `partial` computes one sum per workgroup, and `finish` adds these. Few
/// elements take one dispatch, `forward`. `read` binds the tensors to sum over, `result` the output. The uniforms are
/// `count` (in `finish` the number of partial sums), `chunk`, and those that `others` adds.
pub fn reduction(
    count: usize,
    read: &[(&'static str, Operand)],
    result: Operand,
    others: impl Fn(Dispatch) -> Dispatch,
) -> Dispatches {
    /// Elements that one workgroup sums.
    const CHUNK: usize = 1 << 13;
    let dispatch = |entry, workgroups, count| others(Dispatch::new(entry, workgroups).u("count", count));
    let bound = |d: Dispatch| read.iter().fold(d, |d, (name, operand)| d.bind(name, operand.clone()));
    let parts = count.div_ceil(CHUNK).max(1);
    if parts == 1 {
        return vec![bound(dispatch("forward", 1, count)).u("chunk", CHUNK).bind("y", result)];
    }
    let partials = || Operand::Scratch(0, 2 * parts);
    vec![
        bound(dispatch("partial", parts, count)).u("chunk", CHUNK).bind("partials", partials()),
        dispatch("finish", 1, parts).bind("partials", partials()).bind("y", result),
    ]
}
