//! WGSL text to pipelines. A shader is `shaders/<op>.wgsl`, with the files of `shaders/common` that its first line
//! names in front; its variables are found by their names.

use super::adapter::Context;
use crate::error::Result;
use crate::ops::AnyOp;
use crate::pass::{MAX_WORDS, Pass};
use arrayvec::ArrayVec;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Bytes of a shader's uniform struct, at most.
pub const UNIFORM_BYTES: u64 = 4 * MAX_WORDS as u64;

/// What the shaders of a device may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// Every index is checked by the device as well.
    On,
    /// The shaders' own checks are the only ones.
    Off,
}

/// An entry point, ready to run.
#[derive(Debug)]
pub struct Program {
    /// Tells one program from another.
    pub id: usize,
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    /// For every binding of a pass, its number in the shader and whether it is written.
    pub bindings: Vec<(u32, bool)>,
}

/// The programs of a device: made by a rehearsal ([`Device::rehearse`](crate::device::Device::rehearse)) of what is to
/// run, or when first asked for. No device makes them all: a training needs half of the entry points, a decoder a
/// tenth, and a driver takes from some milliseconds to a fifth of a second for each.
#[derive(Debug, Default)]
pub struct Programs {
    modules: HashMap<&'static str, Module>,
    programs: BTreeMap<Key, Arc<Program>>,
}

/// What tells one program from another: its shader, its entry point, and the values of its constants.
type Key = (&'static str, &'static str, ArrayVec<(&'static str, u32), 2>);

fn key(shader: &'static str, pass: &Pass) -> Key {
    (shader, pass.entry, pass.constants.clone())
}

#[derive(Debug)]
struct Module {
    module: wgpu::ShaderModule,
    variables: Vec<Variable>,
}

#[derive(Debug, PartialEq)]
struct Variable {
    name: String,
    binding: u32,
    written: bool,
}

macro_rules! files {
    ($($name:literal: $path:literal,)*) => { &[$(($name, include_str!(concat!("../../../shaders/", $path, ".wgsl"))),)*] };
}

/// Shaders of no op.
const OTHERS: &[(&str, &str)] = files! { "adam": "adam", "norm": "norm", };

const COMMON: &[(&str, &str)] = files! {
    "index": "common/index", "philox": "common/philox", "sum": "common/sum", "mean": "common/mean",
    "columns": "common/columns", "statistics": "common/statistics", "gemm": "common/gemm", "linear": "common/linear",
    "dense": "common/dense",
};

fn find(files: &'static [(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    files.iter().find(|(of, _)| *of == name).map(|(_, text)| *text)
}

/// The names of all shaders.
pub fn names() -> impl Iterator<Item = &'static str> {
    AnyOp::SHADERS.iter().chain(OTHERS).map(|(name, _)| *name)
}

/// The whole text of a shader.
///
/// # Panics
/// When there is none of this name, or it includes what is not there: a bug.
pub fn text(name: &str) -> String {
    let own = find(AnyOp::SHADERS, name).or(find(OTHERS, name)).unwrap_or_else(|| panic!("{name}: no such shader"));
    let includes = own.lines().next().and_then(|line| line.strip_prefix("// include "));
    let includes = includes.unwrap_or_else(|| panic!("{name}: the first line includes nothing"));
    let parts =
        includes.split(", ").map(|part| find(COMMON, part).unwrap_or_else(|| panic!("{name}: includes {part}")));
    parts.chain([own]).collect::<Vec<_>>().join("\n")
}

/// The storage variables of a shader, from lines such as `@group(0) @binding(1) var<storage, read> x: array<f32>;`.
fn variables(text: &str) -> Vec<Variable> {
    let variable = |line: &str| {
        let (binding, rest) = line.strip_prefix("@group(0) @binding(")?.split_once(") var<storage, ")?;
        let (access, rest) = rest.split_once("> ")?;
        let name = rest.split(':').next()?.to_string();
        Some(Variable { name, binding: binding.parse().ok()?, written: access == "read_write" })
    };
    text.lines().filter_map(variable).collect()
}

impl Programs {
    /// How many have been made.
    pub fn count(&self) -> usize {
        self.programs.len()
    }

    /// The program of a pass of this shader.
    ///
    /// # Errors
    /// See [`Programs::prepare`].
    pub fn get(&mut self, context: &Context, shader: &'static str, pass: &Pass) -> Result<Arc<Program>> {
        let key = key(shader, pass);
        if let Some(program) = self.programs.get(&key) {
            return Ok(program.clone());
        }
        self.prepare(context, &[(shader, pass)])?;
        Ok(self.programs[&key].clone())
    }

    /// Makes the programs of some passes that are not there yet, on the threads of the current pool.
    ///
    /// # Errors
    /// A shader that the device refuses, and why.
    ///
    /// # Panics
    /// When a shader has no variable of a name that its pass binds: a bug.
    pub fn prepare(&mut self, context: &Context, passes: &[(&'static str, &Pass)]) -> Result<()> {
        let missing: HashMap<Key, &Pass> = passes.iter().map(|(shader, pass)| (key(shader, pass), *pass)).collect();
        let missing: Vec<_> = missing.into_iter().filter(|(key, _)| !self.programs.contains_key(key)).collect();
        let shaders: HashSet<_> = missing.iter().map(|((shader, ..), _)| *shader).collect();
        let shaders: Vec<_> = shaders.into_iter().filter(|shader| !self.modules.contains_key(shader)).collect();
        let modules: Result<Vec<_>> =
            shaders.into_par_iter().map(|name| Ok((name, Module::new(context, name)?))).collect();
        self.modules.extend(modules?);
        let first = self.programs.len();
        let program = |(i, (key, pass)): (usize, (Key, &Pass))| {
            let program = self.modules[key.0].program(&context.device, first + i, key.0, pass);
            (key, Arc::new(program))
        };
        let made: Vec<_> = missing.into_par_iter().enumerate().map(program).collect();
        context.check()?;
        self.programs.extend(made);
        Ok(())
    }
}

/// Compiles the text of a shader.
///
/// # Errors
/// Where it is not the WGSL that the device takes.
pub fn compile(context: &Context, name: &str, text: &str) -> Result<wgpu::ShaderModule> {
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(text.into()) };
    let module = match context.checks {
        Checks::On => context.device.create_shader_module(descriptor),
        Checks::Off => {
            let none = wgpu::ShaderRuntimeChecks::unchecked();
            // SAFETY: every shader keeps its indices within the shapes in its uniform, ends its loops and divides by no
            // 0. The tests run each shader with these checks on and off.
            unsafe { context.device.create_shader_module_trusted(descriptor, none) }
        }
    };
    context.check()?;
    Ok(module)
}

impl Module {
    fn new(context: &Context, name: &str) -> Result<Self> {
        let text = text(name);
        Ok(Module { module: compile(context, name, &text)?, variables: variables(&text) })
    }

    fn program(&self, device: &wgpu::Device, id: usize, shader: &str, pass: &Pass) -> Program {
        let bindings: Vec<(u32, bool)> = pass.binds.iter().map(|bind| self.variable(shader, bind.name)).collect();
        let buffer = |binding, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let storage = |(binding, written): &(u32, bool)| {
            buffer(*binding, wgpu::BufferBindingType::Storage { read_only: !written }, false)
        };
        let uniform = buffer(0, wgpu::BufferBindingType::Uniform, true);
        let entries: Vec<_> = [uniform].into_iter().chain(bindings.iter().map(storage)).collect();
        let label = format!("{shader}.{}", pass.entry);
        let layout = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(&label), entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let constants: Vec<(&str, f64)> =
            pass.constants.iter().map(|(name, value)| (*name, f64::from(*value))).collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module: &self.module,
            entry_point: Some(pass.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // every shader writes what it reads of workgroup memory
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Program { id, pipeline, layout, bindings }
    }

    fn variable(&self, shader: &str, name: &str) -> (u32, bool) {
        let found = self.variables.iter().find(|v| v.name == name);
        found.map(|v| (v.binding, v.written)).unwrap_or_else(|| panic!("{shader}: no variable {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_by_name() {
        let text = "@group(0) @binding(0) var<uniform> p: Params;\n\
                    @group(0) @binding(1) var<storage, read> x: array<f32>;\n\
                    @group(0) @binding(12) var<storage, read_write> dx: array<f32>;\n";
        let variable = |name: &str, binding, written| Variable { name: name.to_string(), binding, written };
        assert_eq!(variables(text), [variable("x", 1, false), variable("dx", 12, true)]);
    }

    #[test]
    fn every_shader_has_its_parts_and_no_name_twice() {
        for name in names() {
            let found = variables(&text(name));
            assert!(!found.is_empty(), "{name}");
            for (i, one) in found.iter().enumerate() {
                let twice = found[..i].iter().any(|other| other.name == one.name || other.binding == one.binding);
                assert!(!twice, "{name}: {one:?}");
            }
        }
    }
}
