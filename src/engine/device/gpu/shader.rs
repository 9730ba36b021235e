//! WGSL text and its declarations. A shader is `shaders/<op>.wgsl`, preceded by the files of `shaders/common` that its
//! first line names. naga parses the text, so that variables and uniforms can be found by name.

use crate::engine::ops;
use std::collections::{BTreeMap, BTreeSet};
use wgpu::naga::{
    AddressSpace, Block, Expression, Function, GlobalVariable, Handle, Module, Statement, StorageAccess, TypeInner,
};

macro_rules! files {
    ($($name:literal: $path:literal,)*) => { &[$(($name, include_str!(concat!("../../../../shaders/", $path, ".wgsl"))),)*] };
}

/// Shaders that belong to no op.
const OTHERS: &[(&str, &str)] = files! { "adam": "adam", "norm": "norm", };

const COMMON: &[(&str, &str)] = files! {
    "index": "common/index", "philox": "common/philox", "sum": "common/sum", "mean": "common/mean",
    "columns": "common/columns", "statistics": "common/statistics", "gemm": "common/gemm", "linear": "common/linear",
    "dense": "common/dense", "elementwise": "common/elementwise", "reduce": "common/reduce",
};

fn find(files: &'static [(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    files.iter().find(|(of, _)| *of == name).map(|(_, text)| *text)
}

/// The names of all built-in shaders.
pub fn names() -> impl Iterator<Item = &'static str> {
    ops::names().chain(OTHERS.iter().map(|(name, _)| *name))
}

/// The whole text of a built-in shader.
///
/// # Panics
/// When there is no such shader.
pub fn text(name: &str) -> String {
    if let Some(own) = find(OTHERS, name) {
        return with_includes(name, own);
    }
    with_includes(name, &ops::shader(name).unwrap_or_else(|| panic!("{name}: no such shader")))
}

/// The text of a shader, after the files of `shaders/common` that its first line names.
///
/// # Panics
/// When the first line includes nothing, or an unknown file.
pub fn with_includes(name: &str, own: &str) -> String {
    let includes = own.lines().next().and_then(|line| line.strip_prefix("// include "));
    let includes = includes.unwrap_or_else(|| panic!("{name}: the first line includes nothing"));
    let parts =
        includes.split(", ").map(|part| find(COMMON, part).unwrap_or_else(|| panic!("{name}: includes {part}")));
    parts.chain([own]).collect::<Vec<_>>().join("\n")
}

/// The declarations of a shader, and what each entry point uses. A dispatch must name everything that its entry point
/// uses, and nothing that the shader does not declare.
#[derive(Debug, Default)]
pub struct Interface {
    /// All storage variables of the shader, by name.
    variables: BTreeMap<String, Variable>,
    /// All fields of the uniform struct, by name, with their indices.
    uniforms: BTreeMap<String, usize>,
    /// The variables and fields that each entry point uses.
    used: BTreeMap<String, Used>,
}

/// The names that an entry point uses.
#[derive(Debug, Default)]
struct Used {
    variables: BTreeSet<String>,
    uniforms: BTreeSet<String>,
}

/// A storage variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub binding: u32,
    /// Whether the shader may write it.
    pub written: bool,
}

impl Interface {
    /// The interface of a shader.
    ///
    /// # Panics
    /// When the text is not WGSL, or two variables share a binding.
    pub fn of(name: &str, text: &str) -> Self {
        let module = wgpu::naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut interface = Interface::default();
        for (_, variable) in module.global_variables.iter() {
            let (Some(binding), Some(own)) = (&variable.binding, &variable.name) else { continue };
            if let AddressSpace::Storage { access } = variable.space {
                let twice = interface.variables.values().any(|v| v.binding == binding.binding);
                assert!(!twice, "{name}: {own} has the binding of another variable");
                let written = access.contains(StorageAccess::STORE);
                interface.variables.insert(own.clone(), Variable { binding: binding.binding, written });
            }
        }
        let uniform = module.global_variables.iter().find(|(_, v)| v.space == AddressSpace::Uniform);
        let fields = uniform.map_or(Vec::new(), |(_, v)| fields(&module, v));
        for entry in &module.entry_points {
            let mut used = Used::default();
            names_used(&module, &entry.function, &fields, &mut used, &mut BTreeSet::new());
            interface.used.insert(entry.name.clone(), used);
        }
        interface.uniforms = fields.into_iter().collect();
        interface
    }

    /// The variables of these names.
    ///
    /// # Panics
    /// When the shader has no such variable, or the entry point uses another one, or one is named twice.
    pub fn variables(&self, label: &str, entry: &str, names: &[&'static str]) -> Vec<Variable> {
        look_up(label, "variable", names, &self.variables, &self.used(label, entry).variables)
    }

    /// The indices of the uniforms of these names.
    ///
    /// # Panics
    /// When the shader has no such uniform, or the entry point uses another one, or one is named twice.
    pub fn uniforms(&self, label: &str, entry: &str, names: &[&'static str]) -> Vec<usize> {
        look_up(label, "uniform", names, &self.uniforms, &self.used(label, entry).uniforms)
    }

    fn used(&self, label: &str, entry: &str) -> &Used {
        self.used.get(entry).unwrap_or_else(|| panic!("{label}: no such entry point"))
    }
}

/// What is declared under these names, which must be all that are used.
fn look_up<T: Copy>(
    label: &str,
    kind: &str,
    names: &[&str],
    declared: &BTreeMap<String, T>,
    used: &BTreeSet<String>,
) -> Vec<T> {
    if let Some(missing) = used.iter().find(|name| !names.contains(&name.as_str())) {
        panic!("{label}: {missing} is used and not set");
    }
    let found = names.iter().enumerate().map(|(i, name)| {
        assert!(!names[..i].contains(name), "{label}: the {kind} {name} is set twice");
        *declared.get(*name).unwrap_or_else(|| panic!("{label}: no {kind} {name}"))
    });
    found.collect()
}

/// The fields of a variable whose type is a struct of 32-bit fields, with their indices.
fn fields(module: &Module, variable: &GlobalVariable) -> Vec<(String, usize)> {
    let TypeInner::Struct { members, .. } = &module.types[variable.ty].inner else { return Vec::new() };
    let field = |m: &wgpu::naga::StructMember| (m.name.clone().unwrap_or_default(), (m.offset / 4) as usize);
    members.iter().map(field).collect()
}

/// Adds the storage variables and uniforms that a function uses, itself or through the functions it calls.
fn names_used(
    module: &Module,
    function: &Function,
    fields: &[(String, usize)],
    used: &mut Used,
    seen: &mut BTreeSet<Handle<Function>>,
) {
    let global = |handle: Handle<Expression>| match &function.expressions[handle] {
        Expression::GlobalVariable(variable) => Some(&module.global_variables[*variable]),
        _ => None,
    };
    for (handle, expression) in function.expressions.iter() {
        match expression {
            Expression::AccessIndex { base, index }
                if global(*base).is_some_and(|variable| variable.space == AddressSpace::Uniform) =>
            {
                used.uniforms.insert(fields[*index as usize].0.clone());
            }
            Expression::GlobalVariable(_) => {
                let storage = |v: &&GlobalVariable| matches!(v.space, AddressSpace::Storage { .. });
                used.variables.extend(global(handle).filter(storage).and_then(|variable| variable.name.clone()));
            }
            _ => {}
        }
    }
    let mut called = Vec::new();
    calls(&function.body, &mut called);
    for callee in called {
        if seen.insert(callee) {
            names_used(module, &module.functions[callee], fields, used, seen);
        }
    }
}

/// The functions that a block calls.
fn calls(block: &Block, called: &mut Vec<Handle<Function>>) {
    for statement in block {
        match statement {
            Statement::Call { function, .. } => called.push(*function),
            Statement::Block(inner) => calls(inner, called),
            Statement::If { accept, reject, .. } => [accept, reject].into_iter().for_each(|b| calls(b, called)),
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| calls(&case.body, called)),
            Statement::Loop { body, continuing, .. } => [body, continuing].into_iter().for_each(|b| calls(b, called)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "struct Params { count: u32, slope: f32, accumulate: u32 }
        @group(0) @binding(0) var<uniform> p: Params;
        @group(0) @binding(1) var<storage, read> x: array<f32>;
        @group(0) @binding(12) var<storage, read_write> y: array<f32>;
        fn scaled(i: u32) -> f32 { return p.slope * x[i]; }
        @compute @workgroup_size(1) fn forward() { if (p.count > 0u) { y[0] = scaled(0u); } }
        @compute @workgroup_size(1) fn clear() { y[0] = 0.0; }";

    fn interface() -> Interface {
        Interface::of("test", TEXT)
    }

    #[test]
    fn names_are_found_where_an_entry_point_uses_them() {
        let (x, y) = (Variable { binding: 1, written: false }, Variable { binding: 12, written: true });
        assert_eq!(interface().variables("t", "forward", &["y", "x"]), [y, x]);
        assert_eq!(interface().variables("t", "clear", &["y"]), [y]);
        assert_eq!(interface().uniforms("t", "forward", &["slope", "count"]), [1, 0]);
        // more than is used may be set
        assert_eq!(interface().uniforms("t", "clear", &["accumulate"]), [2]);
    }

    #[test]
    #[should_panic(expected = "t: slope is used and not set")]
    fn a_missing_uniform_is_named() {
        interface().uniforms("t", "forward", &["count"]);
    }

    #[test]
    #[should_panic(expected = "t: no uniform slop")]
    fn a_misspelt_uniform_is_named() {
        interface().uniforms("t", "clear", &["slop"]);
    }

    #[test]
    #[should_panic(expected = "t: x is used and not set")]
    fn a_missing_binding_is_named() {
        interface().variables("t", "forward", &["y"]);
    }

    #[test]
    fn every_shader_parses() {
        for name in names() {
            let interface = Interface::of(name, &text(name));
            assert!(!interface.variables.is_empty() && !interface.used.is_empty(), "{name}");
        }
    }
}
