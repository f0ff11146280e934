//! The settings of the engine. They stand in a file of their own because they are used twice: `muse-precompile`
//! compiles the library under them and `muse-agent` loads it under them; wasmtime refuses a component compiled under
//! others.

use wasmtime::{Config, WasmBacktraceDetails};

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    // By the epoch an agent is made to pause, wherever it is.
    config.epoch_interruption(true);
    // A fault is reported in one line, which repeats no name that an agent brings along. The details would otherwise be
    // up to a variable of the user's environment.
    config.wasm_backtrace_max_frames(None);
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config
}
