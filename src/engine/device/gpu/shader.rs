//! WGSL text and its declarations. A shader is `shaders/<op>.wgsl`, preceded by the files of `shaders/common` that its
//! first line names. naga parses the text, so that variables and uniforms can be found by name.

use crate::engine::dispatch::{Uniform, UniformValue, WORKGROUP_SIZE};
use crate::engine::op::AnyOp;
use crate::engine::ops;
use std::collections::{BTreeMap, BTreeSet};
use wgpu::naga::{
    AddressSpace, Block, Expression, Function, GlobalVariable, Handle, Module, Scalar, Statement, StorageAccess,
    StructMember, TypeInner,
};

macro_rules! files {
    ($($name:literal,)*) => {
        &[$(Source { name: $name, text: include_str!(concat!("../../../../shaders/common/", $name, ".wgsl")) },)*]
    };
}

/// The shaders that belong to no op.
pub const ADAM: Source = Source { name: "adam", text: include_str!("../../../../shaders/adam.wgsl") };
pub const NORM: Source = Source { name: "norm", text: include_str!("../../../../shaders/norm.wgsl") };

const COMMON: &[Source] = files! {
    "index", "philox", "sum", "mean", "columns", "statistics", "gemm", "linear", "dense", "elementwise", "reduce",
};

/// A shader by its name and its own text, without what it includes. Shaders with other texts may share the name.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    pub name: &'static str,
    pub text: &'static str,
}

/// Name, address and length of a shader's text, which never moves.
pub type ShaderId = (&'static str, usize, usize);

impl Source {
    /// The shader of an op; `None` if the op has none.
    pub fn of(op: &AnyOp) -> Option<Self> {
        Some(Source { name: op.name(), text: op.gpu()?.shader() })
    }

    pub fn id(&self) -> ShaderId {
        (self.name, self.text.as_ptr() as usize, self.text.len())
    }

    /// The text after the files of `shaders/common` that its first line names.
    ///
    /// # Panics
    /// When the first line includes nothing, or an unknown file.
    pub fn whole(&self) -> String {
        let Source { name, text } = self;
        let includes = text.lines().next().and_then(|line| line.strip_prefix("// include "));
        let includes =
            includes.unwrap_or_else(|| panic!("{name}: the first line includes nothing: `// include index`"));
        let find = |part: &str| match COMMON.iter().find(|common| common.name == part) {
            Some(common) => common.text,
            None => {
                let there: Vec<_> = COMMON.iter().map(|common| common.name).collect();
                panic!("{name}: includes {part:?}; there are {}", there.join(", "))
            }
        };
        includes.split(", ").map(find).chain([*text]).collect::<Vec<_>>().join("\n")
    }
}

/// The names of all built-in shaders.
pub fn names() -> impl Iterator<Item = &'static str> {
    ops::names().chain([ADAM, NORM].map(|shader| shader.name))
}

/// The whole text of a built-in shader.
///
/// # Panics
/// When there is no such shader.
pub fn text(name: &str) -> String {
    let of_ops = ops::cases(1, 1, 1).into_iter().filter_map(|case| Source::of(&case.op));
    let found = [ADAM, NORM].into_iter().chain(of_ops).find(|shader| shader.name == name);
    found.unwrap_or_else(|| panic!("{name}: no such shader")).whole()
}

/// The declarations of a shader, and what each entry point uses. A dispatch must name everything that its entry point
/// uses, and nothing that the shader does not declare.
#[derive(Debug, Default)]
pub struct Interface {
    /// All storage variables of the shader, by name.
    variables: BTreeMap<String, Variable>,
    /// All fields of the uniform struct, by name.
    uniforms: BTreeMap<String, Field>,
    /// The variables and fields that each entry point uses.
    used: BTreeMap<String, Used>,
}

/// The names that an entry point uses.
#[derive(Debug, Default)]
struct Used {
    variables: BTreeSet<String>,
    uniforms: BTreeSet<String>,
}

/// A field of the uniform struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    index: usize,
    /// `f32`, not `u32`.
    real: bool,
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
        let module = wgpu::naga::front::wgsl::parse_str(text)
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string_with_path(text, &format!("{name}.wgsl"))));
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
            let [threads, y, z] = entry.workgroup_size;
            let whole = [1, WORKGROUP_SIZE as u32].contains(&threads) && y * z == 1;
            assert!(whole, "{name}.{}: @workgroup_size({WORKGROUP_SIZE}) or (1) is wanted", entry.name);
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

    /// The indices of these uniforms.
    ///
    /// # Panics
    /// When the shader has no such uniform or another type for it, or the entry point uses another one, or one is named
    /// twice.
    pub fn uniforms(&self, label: &str, entry: &str, set: &[Uniform]) -> Vec<usize> {
        let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
        let fields = look_up(label, "uniform", &names, &self.uniforms, &self.used(label, entry).uniforms);
        for ((name, value), field) in set.iter().zip(&fields) {
            match (value, field.real) {
                (UniformValue::Integer(_), true) => panic!("{label}: the uniform {name} is f32: set it by `f`"),
                (UniformValue::Real(_), false) => panic!("{label}: the uniform {name} is u32: set it by `u`"),
                _ => {}
            }
        }
        fields.into_iter().map(|field| field.index).collect()
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
    let unknown = names.iter().find(|name| !declared.contains_key(**name));
    match (used.iter().find(|name| !names.contains(&name.as_str())), unknown) {
        (Some(missing), Some(unknown)) => {
            panic!("{label}: {missing} is used and not set, and there is no {kind} {unknown}, which is set")
        }
        (Some(missing), None) => panic!("{label}: {missing} is used and not set"),
        (None, Some(unknown)) => panic!("{label}: no {kind} {unknown}"),
        (None, None) => {}
    }
    for (i, name) in names.iter().enumerate() {
        assert!(!names[..i].contains(name), "{label}: the {kind} {name} is set twice");
    }
    names.iter().map(|name| declared[*name]).collect()
}

/// The fields of a variable whose type is a struct of 32-bit fields.
fn fields(module: &Module, variable: &GlobalVariable) -> Vec<(String, Field)> {
    let TypeInner::Struct { members, .. } = &module.types[variable.ty].inner else { return Vec::new() };
    let real = |m: &StructMember| matches!(module.types[m.ty].inner, TypeInner::Scalar(Scalar::F32));
    let field = |m: &StructMember| Field { index: (m.offset / 4) as usize, real: real(m) };
    members.iter().map(|m| (m.name.clone().unwrap_or_default(), field(m))).collect()
}

/// Adds the storage variables and uniforms that a function uses, itself or through the functions it calls.
fn names_used(
    module: &Module,
    function: &Function,
    fields: &[(String, Field)],
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
        let (slope, count) = (("slope", UniformValue::Real(0.5)), ("count", UniformValue::Integer(7)));
        assert_eq!(interface().uniforms("t", "forward", &[slope, count]), [1, 0]);
        // more than is used may be set
        assert_eq!(interface().uniforms("t", "clear", &[("accumulate", UniformValue::Integer(1))]), [2]);
    }

    #[test]
    #[should_panic(expected = "t: slope is used and not set")]
    fn a_missing_uniform_is_named() {
        interface().uniforms("t", "forward", &[("count", UniformValue::Integer(7))]);
    }

    #[test]
    #[should_panic(expected = "t: slope is used and not set, and there is no uniform slop, which is set")]
    fn a_misspelt_uniform_is_named() {
        let (slop, count) = (("slop", UniformValue::Real(0.5)), ("count", UniformValue::Integer(7)));
        interface().uniforms("t", "forward", &[slop, count]);
    }

    #[test]
    #[should_panic(expected = "t: the uniform accumulate is u32: set it by `u`")]
    fn a_uniform_of_another_type_is_named() {
        interface().uniforms("t", "clear", &[("accumulate", UniformValue::Real(1.0))]);
    }

    #[test]
    #[should_panic(expected = "t.go: @workgroup_size(256) or (1) is wanted")]
    fn another_workgroup_size_is_named() {
        Interface::of("t", "@compute @workgroup_size(64) fn go() {}");
    }

    #[test]
    #[should_panic(expected = "t.wgsl:2:")]
    fn an_error_of_wgsl_says_the_line() {
        Interface::of("t", "fn go() {\n    retur;\n}");
    }

    #[test]
    #[should_panic(expected = r#"t: includes "indx"; there are index, philox, sum"#)]
    fn an_unknown_include_lists_the_files() {
        Source { name: "t", text: "// include indx" }.whole();
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
