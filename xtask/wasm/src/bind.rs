//! The JavaScript and the declarations around a module that `wasm-bindgen` has marked, and the module without the
//! marks.

use anyhow::{Context, Result};
use std::path::Path;
use wasm_bindgen_cli_support::Bindgen;

pub(crate) fn bind(module: &Path, directory: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(module)
        .out_name("muse_coord")
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(directory)
        .with_context(|| format!("cannot write the glue of {}", module.display()))
}
