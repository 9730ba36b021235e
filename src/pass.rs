//! What an op asks of a GPU, as data: which entry point of its shader runs, on which tensors, with which numbers, how
//! often. Nothing here knows how a GPU is driven, and an op knows nothing else of one.

pub mod product;

use crate::kernels::mask::DropoutMask;
use crate::tensor::Shape;
use arrayvec::ArrayVec;
use std::sync::Arc;

/// Threads of a workgroup.
pub const LANES: usize = 256;
/// Columns that one workgroup sums (`COLUMNS` in `shaders/common/columns.wgsl`).
pub const COLUMNS: usize = 16;
/// More buffers than these no shader may bind: the least that WebGPU promises.
pub const MAX_BINDS: usize = 8;
/// Numbers of a shader's uniform struct, at most.
pub const MAX_WORDS: usize = 32;

/// A tensor as an op names it.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Input(usize),
    Output(usize),
    /// The gradient that arrives.
    DOutput,
    /// The gradient of an input.
    DInput(usize),
    /// Room for so many numbers, to carry them from one pass of an op to the next. Its number tells one from another.
    Scratch(usize, usize),
    /// Integers that never change.
    Table(Arc<[u32]>),
}

/// What one variable of a shader is bound to: one tensor; or several that are joined into one buffer, with the place of
/// each (an index into the buffer) among the shader's numbers. Joined tensors that lie in one arena, as parameters do,
/// cost nothing; others are copied together, and back.
#[derive(Debug, Clone)]
pub struct Bind {
    /// The variable's name in the shader.
    pub name: &'static str,
    pub operands: ArrayVec<Operand, 4>,
}

/// One dispatch. The shader's numbers (its uniform struct) are the places of joined tensors, in the order of the
/// bindings, and then `words`.
#[derive(Debug, Clone)]
pub struct Pass {
    pub entry: &'static str,
    pub binds: Vec<Bind>,
    pub words: Vec<u32>,
    /// Values of the shader's pipeline-overridable constants, by name; a `bool` is 0 or 1.
    pub constants: ArrayVec<(&'static str, u32), 2>,
    /// Workgroups; a device folds what is beyond the range of one dimension into two.
    pub groups: usize,
}

/// The passes of an op, in order.
pub type Passes = Vec<Pass>;

/// For every input, whether its gradient is wanted, and then whether it is fresh.
pub type Targets<'a> = &'a [Option<bool>];

impl Pass {
    /// `groups` workgroups of an entry point.
    pub fn new(entry: &'static str, groups: usize) -> Self {
        let (binds, words) = (Vec::with_capacity(MAX_BINDS), Vec::with_capacity(MAX_WORDS));
        Pass { entry, binds, words, constants: ArrayVec::new(), groups }
    }

    /// A thread an element; the count is the first word.
    pub fn over(entry: &'static str, count: usize) -> Self {
        Pass::new(entry, count.div_ceil(LANES)).u(count)
    }

    /// A thread for every four columns of a row, as random words come; rows and columns are the first words.
    pub fn over_quads(entry: &'static str, [rows, columns]: Shape) -> Self {
        Pass::new(entry, (rows * columns.div_ceil(4)).div_ceil(LANES)).u(rows).u(columns)
    }

    /// Binds a tensor.
    pub fn bind(self, name: &'static str, operand: Operand) -> Self {
        self.join(name, [operand])
    }

    /// Binds several tensors as one; see [`Bind`].
    pub fn join(mut self, name: &'static str, operands: impl IntoIterator<Item = Operand>) -> Self {
        self.binds.push(Bind { name, operands: operands.into_iter().collect() });
        self
    }

    /// Binds the gradient of an input, or where none is wanted something that nobody reads; the word says whether what
    /// lies there is overwritten (1) or added to (0).
    pub fn gradient(self, name: &'static str, index: usize, targets: Targets, len: usize) -> Self {
        let (operand, fresh) = target(index, targets, len);
        self.bind(name, operand).u(fresh)
    }

    /// An integer word.
    ///
    /// # Panics
    /// When it is beyond 32 bits: no buffer that a GPU binds has so many elements.
    pub fn u(mut self, word: usize) -> Self {
        self.words.push(u32::try_from(word).expect("sizes of a GPU tensor fit 32 bits"));
        self
    }

    /// A real word, rounded.
    pub fn f(mut self, word: f64) -> Self {
        self.words.push((word as f32).to_bits());
        self
    }

    /// A constant of the pipeline.
    pub fn constant(mut self, name: &'static str, value: usize) -> Self {
        self.constants.push((name, value as u32));
        self
    }

    /// Six words of a dropout: key, tag, step, threshold, multiplier. Without one, the multiplier is 1 and nothing is
    /// below the threshold.
    pub fn mask(mut self, mask: Option<DropoutMask>) -> Self {
        let (numbers, below, keep) =
            mask.map_or(([0; 4], 0, 1.0), |m| (m.stream.philox_inputs(), m.drop_below, m.keep));
        self.words.extend(numbers);
        self.words.push(below);
        self.f(keep)
    }
}

/// The gradient of an input, or something in its place that nobody reads; and whether it is fresh.
pub fn target(index: usize, targets: Targets, len: usize) -> (Operand, usize) {
    match targets.get(index).copied().flatten() {
        Some(fresh) => (Operand::DInput(index), usize::from(fresh)),
        // numbered by the input, so that no two share memory
        None => (Operand::Scratch(index, len), 1),
    }
}

/// The number of elements.
pub fn len([rows, columns]: Shape) -> usize {
    rows * columns
}

/// Sums over many elements take two passes, `partial` into one number a workgroup and `finish` over these; few take
/// `forward` alone. `read` binds what is summed, `result` the output; the words are the count, `first`, and in the last
/// pass the number of partial sums.
pub fn reduction(count: usize, read: &[(&'static str, Operand)], result: Operand, words: &[f64]) -> Passes {
    /// Elements that one workgroup sums.
    const CHUNK: usize = 1 << 13;
    let with_words = |pass: Pass| words.iter().fold(pass, |pass, word| pass.f(*word));
    let bound = |pass: Pass| read.iter().fold(pass, |pass, (name, operand)| pass.bind(name, operand.clone()));
    let parts = count.div_ceil(CHUNK).max(1);
    if parts == 1 {
        return vec![with_words(bound(Pass::new("forward", 1)).bind("y", result).u(count).u(CHUNK))];
    }
    let partials = || Operand::Scratch(0, 2 * parts);
    vec![
        with_words(bound(Pass::new("partial", parts)).bind("partials", partials()).u(count).u(CHUNK)),
        with_words(Pass::new("finish", 1).bind("partials", partials()).bind("y", result).u(parts).u(CHUNK)),
    ]
}
