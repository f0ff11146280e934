//! A component, made of a core module that carries its world in a custom section, as `wit-bindgen` puts it there.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use wit_component::ComponentEncoder;

pub(crate) fn encode(module: &Path, component: &Path) -> Result<()> {
    let context = || format!("cannot make a component of {}", module.display());
    let module = fs::read(module).with_context(context)?;
    let encoded = ComponentEncoder::default().module(&module).and_then(|encoder| encoder.validate(true).encode());
    fs::write(component, encoded.with_context(context)?)?;
    Ok(())
}
