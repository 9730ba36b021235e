//! Entry points and their pipelines. A submission compiles the pipelines that it needs and that are missing, in
//! parallel.

use super::handle::{Checks, Handle};
use super::shader::{Interface, ShaderId, Source, Variable};
use crate::engine::dispatch::{Dispatch, MAX_UNIFORMS, Uniform, UniformValue};
use crate::error::Result;
use arrayvec::ArrayVec;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// The most bytes of a shader's uniform struct.
pub const UNIFORM_BYTES: u64 = 4 * MAX_UNIFORMS as u64;

/// An entry point of a shader, with values for its pipeline-overridable constants.
#[derive(Debug)]
pub struct EntryPoint {
    /// Unique on its device.
    pub id: usize,
    /// The variable of each binding, in the order of the dispatch's bindings.
    pub variables: Vec<Variable>,
    /// Their names.
    bound: Vec<&'static str>,
    label: String,
    shader: Arc<Shader>,
    entry: &'static str,
    constants: Constants,
    /// The names of the uniforms in the order in which dispatches set them, and each one's index among the fields.
    uniforms: Vec<(&'static str, usize)>,
    pipeline: OnceLock<Pipeline>,
}

/// A compiled entry point, with the layout of its bind groups.
#[derive(Debug)]
pub struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

#[derive(Debug)]
struct Shader {
    name: &'static str,
    text: String,
    interface: Interface,
    module: OnceLock<std::result::Result<wgpu::ShaderModule, String>>,
}

type Constants = ArrayVec<(&'static str, u32), 2>;

/// The entry points that dispatches on a device have used. A training uses half of all entry points and a decoder a
/// tenth, and a driver takes from a few milliseconds to a fifth of a second to compile each.
#[derive(Debug, Default)]
pub struct Programs {
    shaders: HashMap<ShaderId, Arc<Shader>>,
    entry_points: BTreeMap<(ShaderId, &'static str, Constants), Arc<EntryPoint>>,
}

impl Programs {
    /// The number of compiled pipelines.
    pub fn count(&self) -> usize {
        self.entry_points.values().filter(|entry| entry.is_compiled()).count()
    }

    /// The entry point of a dispatch of this shader. Its pipeline may not be compiled yet.
    ///
    /// # Panics
    /// When the dispatch lacks a name that the entry point uses, or names something that the shader does not declare.
    pub fn get(&mut self, source: Source, dispatch: &Dispatch) -> Arc<EntryPoint> {
        let key = (source.id(), dispatch.entry, dispatch.constants.clone());
        if let Some(entry_point) = self.entry_points.get(&key) {
            return entry_point.clone();
        }
        let shader = self.shaders.entry(source.id()).or_insert_with(|| {
            let text = source.whole();
            let interface = Interface::of(source.name, &text);
            Arc::new(Shader { name: source.name, text, interface, module: OnceLock::new() })
        });
        let entry_point = Arc::new(EntryPoint::new(self.entry_points.len(), shader.clone(), dispatch));
        self.entry_points.insert(key, entry_point.clone());
        entry_point
    }
}

/// Compiles the missing pipelines, on the threads of the current pool.
///
/// # Errors
/// When the device does not accept a shader.
pub fn compile<'a>(handle: &Handle, entry_points: impl Iterator<Item = &'a Arc<EntryPoint>>) -> Result<()> {
    let missing: BTreeMap<usize, &Arc<EntryPoint>> =
        entry_points.filter(|entry| !entry.is_compiled()).map(|entry| (entry.id, entry)).collect();
    let missing: Vec<_> = missing.into_values().collect();
    let shaders: HashMap<*const Shader, &Arc<Shader>> =
        missing.iter().map(|e| (Arc::as_ptr(&e.shader), &e.shader)).collect();
    shaders.into_values().collect::<Vec<_>>().into_par_iter().try_for_each(|shader| shader.module(handle).map(drop))?;
    missing.into_par_iter().try_for_each(|entry| {
        let module = entry.shader.module(handle)?;
        entry.pipeline.get_or_init(|| entry.compile(&handle.device, module));
        Ok(())
    })?;
    handle.check()
}

impl Shader {
    fn module(&self, handle: &Handle) -> Result<&wgpu::ShaderModule> {
        let made = self.module.get_or_init(|| shader_module(handle, self.name, &self.text).map_err(|e| e.to_string()));
        // the device keeps its first fault, so all later calls fail too
        made.as_ref().map_err(|problem| handle.error(problem))
    }
}

/// Compiles the text of a shader.
///
/// # Errors
/// When the device does not accept it.
pub fn shader_module(handle: &Handle, name: &str, text: &str) -> Result<wgpu::ShaderModule> {
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(text.into()) };
    let module = match handle.checks {
        Checks::On => handle.device.create_shader_module(descriptor),
        Checks::Off => {
            let none = wgpu::ShaderRuntimeChecks::unchecked();
            // SAFETY: every shader keeps its indices within the shapes that its uniforms give, ends its loops, and
            // never divides by 0; the tests run each of them with the checks on and off.
            unsafe { handle.device.create_shader_module_trusted(descriptor, none) }
        }
    };
    handle.check()?;
    Ok(module)
}

impl EntryPoint {
    fn new(id: usize, shader: Arc<Shader>, dispatch: &Dispatch) -> Self {
        let label = format!("{}.{}", shader.name, dispatch.entry);
        let bound: Vec<&'static str> = dispatch.bindings.iter().map(|binding| binding.name).collect();
        let variables = shader.interface.variables(&label, dispatch.entry, &bound);
        let set: Vec<Uniform> = uniforms_of(dispatch).collect();
        let at = shader.interface.uniforms(&label, dispatch.entry, &set);
        EntryPoint {
            id,
            variables,
            bound,
            label,
            shader,
            entry: dispatch.entry,
            constants: dispatch.constants.clone(),
            uniforms: set.into_iter().map(|(name, _)| name).zip(at).collect(),
            pipeline: OnceLock::new(),
        }
    }

    pub fn is_compiled(&self) -> bool {
        self.pipeline.get().is_some()
    }

    /// The compiled pipeline.
    ///
    /// # Panics
    /// When it is not compiled.
    pub fn pipeline(&self) -> &Pipeline {
        self.pipeline.get().unwrap_or_else(|| panic!("{}: not compiled", self.label))
    }

    /// Appends the uniform struct of a dispatch to `bytes`. `offsets` are those of the joined tensors, in order.
    ///
    /// # Panics
    /// When the dispatch does not bind and set the same names, in the same order, as the first one of this entry point.
    pub fn put_uniforms(&self, dispatch: &Dispatch, offsets: &[u32], bytes: &mut Vec<u8>) {
        let bound = dispatch.bindings.iter().map(|binding| binding.name);
        assert!(bound.eq(self.bound.iter().copied()), "{}: other bindings than {:?}", self.label, self.bound);
        let mut fields = [0_u32; MAX_UNIFORMS];
        let mut expected = self.uniforms.iter();
        for (i, (name, value)) in uniforms_of(dispatch).enumerate() {
            let (wanted, index) = expected.next().unwrap_or_else(|| panic!("{}: {name} is set too", self.label));
            assert!(*wanted == name, "{}: {name} is set in place of {wanted}", self.label);
            fields[*index] = offsets.get(i).copied().unwrap_or_else(|| value.bits());
        }
        assert!(expected.next().is_none(), "{}: a uniform is missing", self.label);
        bytes.extend_from_slice(bytemuck::cast_slice(&fields));
    }

    fn compile(&self, device: &wgpu::Device, module: &wgpu::ShaderModule) -> Pipeline {
        let buffer = |binding, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        };
        let storage = |variable: &Variable| {
            buffer(variable.binding, wgpu::BufferBindingType::Storage { read_only: !variable.written }, false)
        };
        let uniform = buffer(0, wgpu::BufferBindingType::Uniform, true);
        let entries: Vec<_> = [uniform].into_iter().chain(self.variables.iter().map(storage)).collect();
        let label = Some(self.label.as_str());
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let constants: Vec<(&str, f64)> =
            self.constants.iter().map(|(name, value)| (*name, f64::from(*value))).collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module,
            entry_point: Some(self.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                // every shader writes workgroup memory before it reads it
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { pipeline, layout }
    }
}

/// The uniforms of a dispatch: first the offsets of joined tensors, which the dispatch does not know and has as 0.
fn uniforms_of(dispatch: &Dispatch) -> impl Iterator<Item = Uniform> {
    let joined = dispatch.bindings.iter().flat_map(|binding| &binding.operands).filter_map(|(offset, _)| *offset);
    joined.map(|name| (name, UniformValue::Integer(0))).chain(dispatch.uniforms.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::device::gpu::tiling::Card;
    use crate::engine::op::{AnyOp, Case};
    use crate::engine::ops;
    use crate::engine::tensor::Shape;

    /// All dispatches of a case: forward, backward with every gradient overwritten, every one accumulated, and each
    /// alone.
    fn dispatches(case: &Case<AnyOp>) -> Vec<Dispatch> {
        let (op, card) = (&case.op, Card::default());
        let inputs: Vec<Shape> = case.inputs.iter().map(|(shape, _)| *shape).collect();
        let outputs = op.output_shapes(&inputs);
        let wanted = |i: usize, accumulate| op.differentiable(i).then_some(accumulate);
        let all = |accumulate| (0..inputs.len()).map(|i| wanted(i, accumulate)).collect::<Vec<_>>();
        let alone = |one| (0..inputs.len()).map(|i| wanted(i, true).filter(|_| i == one)).collect::<Vec<_>>();
        let targets = [all(true), all(false)].into_iter().chain((0..inputs.len()).map(alone));
        let on_gpu = op.gpu().expect("a built-in op runs on a GPU");
        let backward = targets.flat_map(|targets| on_gpu.backward_dispatches(&inputs, &outputs, &targets, &card));
        on_gpu.forward_dispatches(&inputs, &outputs, &card).into_iter().chain(backward).collect()
    }

    #[test]
    fn every_dispatch_names_what_its_shader_uses() {
        let (mut programs, mut checked) = (Programs::default(), 0);
        // few rows and many, and a size whose products are split
        for [rows, inner, columns] in [[3, 5, 7], [300, 40, 300], [8, 4096, 8]] {
            for case in ops::cases(rows, inner, columns) {
                for dispatch in dispatches(&case) {
                    let entry_point = programs.get(Source::of(&case.op).expect("a shader"), &dispatch);
                    let joined =
                        dispatch.bindings.iter().flat_map(|b| &b.operands).filter(|(o, _)| o.is_some()).count();
                    entry_point.put_uniforms(&dispatch, &vec![0; joined], &mut Vec::new());
                    checked += 1;
                }
            }
        }
        assert!(checked > 300, "{checked} dispatches");
    }
}
