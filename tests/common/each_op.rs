//! For `abr_film::for_each_op`: one test per op, with its name, which gives its cases to the test binary's `check`.

/// See the module.
#[macro_export]
macro_rules! one_test_per_op {
    ($($module:ident $Op:ident,)*) => {
        $(#[test] fn $module() {
            assert_eq!(stringify!($module), <abr_film::engine::ops::$Op as abr_film::engine::op::Op>::NAME);
            check(<abr_film::engine::ops::$Op as abr_film::engine::check::Cases>::cases);
        })*
    };
}
