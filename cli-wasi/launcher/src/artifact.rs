//! The component inside this executable: compiled by `muse-precompile`, mapped by the kernel, neither copied nor
//! compiled here.
//!
//! This is the launcher's only unsafe code. It rests on one fact: the bytes are those that `muse-precompile` made with
//! this very version of wasmtime, under the same `config()`, and they are part of the program's own image, so nobody
//! can exchange them who could not exchange the program.
#![expect(unsafe_code, reason = "machine code made elsewhere is run: wasmtime cannot check it, see each SAFETY")]

use std::ptr::NonNull;
use std::sync::Arc;

use rustix::mm::{MprotectFlags, mprotect};
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine};

use muse_launcher::config::config;

/// An engine that can run the embedded component.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut config = config();
    config.with_custom_code_memory(Some(Arc::new(OwnImage)));
    Engine::new(&config)
}

/// The embedded component. The artifact begins with its target and its settings, which are checked.
pub(crate) fn component(engine: &Engine) -> wasmtime::Result<Component> {
    // SAFETY: the bytes come from `Engine::precompile_component` (`muse-precompile`). They are a `static` without
    // interior mutability, so they live as long as the process and nobody writes to them.
    unsafe { Component::deserialize_raw(engine, NonNull::from(&ARTIFACT.0)) }
}

/// Code is made executable page by page, so it has to begin where a page begins, on the largest pages of the target.
#[cfg_attr(not(target_arch = "aarch64"), repr(C, align(0x1000)))]
#[cfg_attr(all(target_arch = "aarch64", target_vendor = "apple"), repr(C, align(0x4000)))]
#[cfg_attr(all(target_arch = "aarch64", not(target_vendor = "apple")), repr(C, align(0x10000)))]
struct PageAligned<Bytes: ?Sized>(Bytes);

static ARTIFACT: &PageAligned<[u8]> = &PageAligned(*include_bytes!(env!(
    "MUSE_CWASM",
    "the component that muse embeds is not compiled yet: `cargo xtask build` does all in the right order"
)));

/// Pages of this executable's own image, which the kernel maps read-only and not executable.
struct OwnImage;

impl CustomCodeMemory for OwnImage {
    fn required_alignment(&self) -> usize {
        align_of::<PageAligned<u8>>()
    }

    fn publish_executable(&self, code: *const u8, len: usize) -> wasmtime::Result<()> {
        // SAFETY: wasmtime passes whole pages of `ARTIFACT`. They stay readable and unwritable; what is added is that
        // they may be executed. Nothing can point to other contents there than before.
        unsafe { mprotect(code.cast_mut().cast(), len, MprotectFlags::READ | MprotectFlags::EXEC)? };
        Ok(())
    }

    fn unpublish_executable(&self, _code: *const u8, _len: usize) -> wasmtime::Result<()> {
        // Called when the component is dropped, which is when the process ends.
        Ok(())
    }
}
