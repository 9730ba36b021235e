//! Readers on small files of the tests' own.

mod text_exports;
