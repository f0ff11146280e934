//! The command line on an engine: the same component as in `muse`, built to have the files of its queue from its host.
//! Agents have their engine from here, too.
//!
//! Guaranteed: nothing is made or changed on the engine before all that was typed has been checked. It is connected to
//! before that, but not for help. The component is granted no directory and no network; connections and passwords stay
//! here.

mod engine;
mod place;
mod pointer;
mod store;

use std::convert::Infallible;
use std::ffi::OsString;
use std::time::Instant;

use muse_launcher::{Embedded, Failure, Invocation, LEAST_MEMORY, Sandbox, check_surroundings, config, launch};
use wasmtime::component::Component;

pub(crate) use self::engine::{Connecting, Engine};
pub(crate) use self::place::Place;
pub(crate) use self::store::{Granted, Overseer, link, own_time};

/// Runs the command line, and tells the exit code of what went wrong before, around or instead of it.
pub(crate) fn run(words: Vec<OsString>) -> i32 {
    let began = Instant::now();
    let invocation = Invocation::read(words);
    let Err(failure) = launch_on_engine(&invocation);
    failure.report(invocation.json, began).into()
}

fn launch_on_engine(invocation: &Invocation) -> Result<Infallible, Failure> {
    check_surroundings(LEAST_MEMORY + ENGINE_MEMORY)?;
    let granted = Granted::to_be_opened(Place::of(invocation)?, invocation.is_command);
    launch(invocation, Sandbox::new(invocation, None, granted)?, &EMBEDDED)
}

/// What the connection and its thread take beside the component, with room, in bytes of addresses.
const ENGINE_MEMORY: u64 = 60_000 << 10;

/// The component in this executable.
const EMBEDDED: Embedded<Granted> = Embedded {
    engine: || wasmtime::Engine::new(&config::config()),
    component,
    link: |linker| link(linker, Sandbox::medium),
};

#[expect(unsafe_code, reason = "machine code made elsewhere is run: wasmtime cannot check it, see SAFETY")]
fn component(engine: &wasmtime::Engine) -> wasmtime::Result<Component> {
    let compiled = include_bytes!(env!(
        "MUSE_ON_STORE_CWASM",
        "the command line that muse-host embeds is not compiled yet: `cargo xtask build` does all in the right order"
    ));
    // SAFETY: the bytes come from `Engine::precompile_component` of this very version of wasmtime, under the same
    // `config()`, which is checked; and they are part of the program's own image, so nobody can exchange them who could
    // not exchange the program.
    unsafe { Component::deserialize(engine, compiled) }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Linker;

    use super::*;

    #[test]
    fn the_embedded_component_loads_and_imports_nothing_that_is_not_granted() {
        let engine = (EMBEDDED.engine)().unwrap();
        let component = (EMBEDDED.component)(&engine).unwrap();
        let mut linker: Linker<Sandbox<Granted>> = Linker::new(&engine);
        muse_launcher::link(&mut linker).unwrap();
        link(&mut linker, Sandbox::medium).unwrap();
        linker.instantiate_pre(&component).unwrap();
    }
}
