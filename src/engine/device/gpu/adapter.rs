//! The choice of a GPU, and the limits that it must have.

use super::handle::{Checks, Handle};
use super::program::Programs;
use crate::engine::device::{AdapterReport, NO_ADAPTER};
use crate::engine::dispatch::MAX_BINDINGS;
use crate::error::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An opened GPU with its compiled entry points, which any number of [`Gpu`](super::Gpu)s may share.
#[derive(Debug)]
pub struct Context {
    handle: Handle,
    programs: Mutex<Programs>,
}

impl std::ops::Deref for Context {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Context {
    fn open(adapter: &wgpu::Adapter, checks: Checks) -> Result<Arc<Self>> {
        let name = title(&adapter.get_info());
        let limits = required_limits(&adapter.limits());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("abr-film"),
            required_features: wgpu::Features::empty(),
            required_limits: limits.clone(),
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| Error::device(&name, format!("cannot be opened: {e}"), REMEDY))?;
        let faults = Arc::new(Mutex::new(None));
        let first = |faults: &Mutex<Option<String>>, problem: String| {
            faults.lock().expect("no panic while locked").get_or_insert(problem);
        };
        let seen = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error| first(&seen, error.to_string())));
        let seen = faults.clone();
        device.set_device_lost_callback(move |reason, message| {
            first(&seen, format!("the device is lost ({reason:?}): {message}"));
        });
        let handle = Handle { device, queue, limits, checks, kind: adapter.get_info().device_type, name, faults };
        Ok(Arc::new(Context { handle, programs: Mutex::default() }))
    }

    /// The programs. A panic about a shader leaves them as they were, so that one wrong op spoils no other.
    pub fn programs(&self) -> MutexGuard<'_, Programs> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const REMEDY: &str = "take another adapter, or compute on the CPU";

fn title(info: &wgpu::AdapterInfo) -> String {
    format!("{}, {:?}", info.name, info.backend)
}

/// Whether an adapter computes on the CPU, even if it reports another type.
fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
        || ["llvmpipe", "softpipe", "swiftshader"].iter().any(|name| info.name.to_lowercase().contains(name))
}

/// The limits to request: WebGPU's defaults for shaders, the adapter's own for memory.
fn required_limits(has: &wgpu::Limits) -> wgpu::Limits {
    let defaults = wgpu::Limits::defaults();
    wgpu::Limits {
        max_bind_groups: 1,
        max_bindings_per_bind_group: 64,
        max_dynamic_uniform_buffers_per_pipeline_layout: 1,
        max_storage_buffers_per_shader_stage: MAX_BINDINGS as u32,
        max_uniform_buffers_per_shader_stage: 1,
        max_compute_workgroup_storage_size: defaults.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: defaults.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: defaults.max_compute_workgroup_size_x,
        max_compute_workgroup_size_y: 1,
        max_compute_workgroup_size_z: 1,
        max_compute_workgroups_per_dimension: defaults.max_compute_workgroups_per_dimension,
        max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
        max_buffer_size: has.max_buffer_size,
        ..wgpu::Limits::downlevel_webgl2_defaults()
    }
}

/// Why an adapter is unusable, in one line; `None` if it is usable.
fn problem(adapter: &wgpu::Adapter) -> Option<String> {
    if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("has no compute shaders".to_string());
    }
    let (has, mut first) = (adapter.limits(), None);
    required_limits(&has).check_limits_with_fail_fn(&has, false, |name, wanted, has| {
        first.get_or_insert(format!("{name} is {has}, {wanted} is needed"));
    });
    first
}

/// Whether an adapter is a usable hardware GPU.
fn is_real(adapter: &wgpu::Adapter) -> bool {
    !is_software(&adapter.get_info()) && problem(adapter).is_none()
}

fn instance(backends: wgpu::Backends) -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: backends.with_env(),
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    })
}

fn all(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let mut found = pollster::block_on(instance(backends).enumerate_adapters(backends));
    // discrete before integrated; OpenGL last, as it shows the same hardware again
    let rank = |info: &wgpu::AdapterInfo| {
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        };
        (kind, info.backend == wgpu::Backend::Gl)
    };
    found.sort_by_key(|adapter| rank(&adapter.get_info()));
    found
}

/// All adapters, usable or not. Includes OpenGL only if no other API has a usable hardware GPU, as it would show the
/// same hardware again.
pub fn reports() -> Vec<AdapterReport> {
    let report = |adapter: &wgpu::Adapter| {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        AdapterReport {
            name: title(&info),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            software: is_software(&info),
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            largest_binding: limits.max_storage_buffer_binding_size,
            problem: problem(adapter),
        }
    };
    let mut found = all(wgpu::Backends::PRIMARY);
    if !found.iter().any(is_real) {
        found.extend(all(wgpu::Backends::GL));
    }
    found.iter().map(report).collect()
}

/// Opens the first hardware GPU, if there is one. Uses OpenGL only if no other API has one.
///
/// # Errors
/// When the GPU cannot be opened.
pub fn open_real() -> Result<Option<Arc<Context>>> {
    let first = |backends| all(backends).into_iter().find(is_real);
    let adapter = first(wgpu::Backends::PRIMARY).or_else(|| first(wgpu::Backends::GL));
    adapter.map(|adapter| Context::open(&adapter, Checks::Off)).transpose()
}

/// Opens the first adapter whose title (`llvmpipe (LLVM 15.0.6, 256 bits), Vulkan`) contains all words of `wanted`,
/// ignoring case; without `wanted`, the first hardware GPU. Prefers usable adapters.
///
/// # Errors
/// When there is no such adapter, or it is unusable. The message lists the adapters.
pub fn open(wanted: Option<&str>, checks: Checks) -> Result<Arc<Context>> {
    let words = wanted.unwrap_or_default().to_lowercase();
    let fits =
        |info: &wgpu::AdapterInfo| words.split_whitespace().all(|word| title(info).to_lowercase().contains(word));
    let named =
        |adapter: &&wgpu::Adapter| fits(&adapter.get_info()) && (wanted.is_some() || !is_software(&adapter.get_info()));
    let mut adapters = all(wgpu::Backends::PRIMARY);
    if !adapters.iter().any(|adapter| named(&adapter) && problem(adapter).is_none()) {
        adapters.extend(all(wgpu::Backends::GL));
    }
    if adapters.is_empty() {
        return Err(Error::device("GPU", "there is none", format!("{NO_ADAPTER}; or compute on the CPU")));
    }
    let usable = adapters.iter().filter(named).find(|adapter| problem(adapter).is_none());
    let Some(adapter) = usable.or_else(|| adapters.iter().find(named)) else {
        let there: Vec<String> = adapters.iter().map(|adapter| title(&adapter.get_info())).collect();
        let there = there.join("; ");
        return Err(match wanted {
            Some(name) => Error::usage(format!("no adapter is named {name}; the adapters: {there}"), REMEDY),
            None => Error::device(
                "GPU",
                format!("there is none, only {there}, which computes on the CPU"),
                "to use it anyway, name it; the CPU without it is faster",
            ),
        });
    };
    if let Some(problem) = problem(adapter) {
        return Err(Error::device(title(&adapter.get_info()), problem, REMEDY));
    }
    Context::open(adapter, checks)
}
