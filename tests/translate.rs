//! Translates every shader to the languages of Metal and DirectX, on which these tests seldom run. This uses wgpu's own
//! translator, naga; the compilers of these languages are not available here.

#![cfg(feature = "gpu")]

use abr_film::engine::device::gpu::{shader_names, shader_text};
use naga::back::{PipelineConstants, hlsl, msl, pipeline_constants::process_overrides};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage, front};
use std::path::Path;

/// The values of a shader's pipeline-overridable constants.
fn constants(module: &Module) -> Vec<PipelineConstants> {
    let tile = |side: f64, aligned: f64| [("TILE", side), ("ALIGNED", aligned)].map(|(k, v)| (k.to_string(), v)).into();
    match module.overrides.is_empty() {
        true => vec![PipelineConstants::default()],
        false => [32.0, 64.0, 128.0].into_iter().flat_map(|side| [tile(side, 0.0), tile(side, 1.0)]).collect(),
    }
}

fn to_metal(module: &Module, info: &ModuleInfo, entry: &str) -> Result<String, msl::Error> {
    let options = msl::Options {
        lang_version: (2, 4),
        fake_missing_bindings: true,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let of_entry = Some((ShaderStage::Compute, entry.to_string()));
    let pipeline = msl::PipelineOptions { entry_point: of_entry, ..Default::default() };
    msl::write_string(module, info, &options, &pipeline).map(|(text, _)| text)
}

fn to_directx(module: &Module, info: &ModuleInfo, entry: &str) -> Result<String, hlsl::Error> {
    let shader_model = hlsl::ShaderModel::V5_1;
    let options = hlsl::Options {
        shader_model,
        fake_missing_bindings: true,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, entry.to_string())) };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None).map(|_| text)
}

#[test]
fn every_shader_translates_to_metal_and_directx() {
    // for other compilers too
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shaders");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the shaders");
    for name in shader_names() {
        std::fs::write(folder.join(format!("{name}.wgsl")), shader_text(name)).expect("a file of the shader");
        let module = front::wgsl::parse_str(&shader_text(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        let info = validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert!(!module.entry_points.is_empty(), "{name}: no entry point");
        let constants = constants(&module);
        for (entry, constants) in module.entry_points.iter().flat_map(|e| constants.iter().map(|c| (&e.name, c))) {
            let (module, info) = process_overrides(&module, &info, Some((ShaderStage::Compute, entry)), constants)
                .unwrap_or_else(|e| panic!("{name}.{entry}: {e}"));
            let metal = to_metal(&module, &info, entry).unwrap_or_else(|e| panic!("{name}.{entry}: {e}"));
            let directx = to_directx(&module, &info, entry).unwrap_or_else(|e| panic!("{name}.{entry}: {e}"));
            assert!(metal.contains("kernel void") && directx.contains("[numthreads("), "{name}.{entry}");
        }
    }
}
