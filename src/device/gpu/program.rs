//! WGSL text to pipelines. A shader is `shaders/<op>.wgsl`, with the files of `shaders/common` that its first line names in front;
//! its variables are found by their names.

use crate::ops::AnyOp;
use crate::pass::Pass;
use arrayvec::ArrayVec;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of a shader's uniform struct, at most.
pub const UNIFORM_BYTES: u64 = 128;

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

/// Shader, entry point, and the values of its constants.
type Key = (&'static str, &'static str, ArrayVec<(&'static str, u32), 2>);

/// The programs of a device, made when they are first asked for.
#[derive(Debug, Default)]
pub struct Programs {
    modules: HashMap<&'static str, Module>,
    programs: HashMap<Key, Arc<Program>>,
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
    /// The program of a pass of this shader.
    ///
    /// # Panics
    /// When the shader has no variable of a name that the pass binds: a bug. What else is wrong with a shader is an error of
    /// the device.
    pub fn get(&mut self, device: &wgpu::Device, checks: Checks, shader: &'static str, pass: &Pass) -> Arc<Program> {
        let key = (shader, pass.entry, pass.constants.clone());
        if let Some(program) = self.programs.get(&key) {
            return program.clone();
        }
        let module = self.modules.entry(shader).or_insert_with(|| Module::new(device, checks, shader));
        let program = Arc::new(module.program(device, self.programs.len(), shader, pass));
        self.programs.insert(key, program.clone());
        program
    }
}

impl Module {
    fn new(device: &wgpu::Device, checks: Checks, name: &str) -> Self {
        let text = text(name);
        let source = wgpu::ShaderSource::Wgsl(text.as_str().into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(name), source };
        let module = match checks {
            Checks::On => device.create_shader_module(descriptor),
            Checks::Off => {
                let none = wgpu::ShaderRuntimeChecks::unchecked();
                // SAFETY: every shader holds its own indices within the shapes it is told, ends its loops, and divides by no 0; the
                // tests run each of them with the checks on and off.
                unsafe { device.create_shader_module_trusted(descriptor, none) }
            }
        };
        Module { module, variables: variables(&text) }
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
