//! For `abr_film::for_each_op`: a test of each op's name, which gives its cases to the test binary's `check`.

macro_rules! one_test_an_op {
    ($($module:ident $Op:ident,)*) => {
        $(#[test] fn $module() {
            assert_eq!(stringify!($module), <abr_film::ops::$Op as Op>::NAME);
            check(<abr_film::ops::$Op as Op>::cases);
        })*
    };
}
