//! The settings of the engine. They stand in a file of their own because they are used twice: `muse-precompile`
//! compiles the component under them and the launcher loads it under them; wasmtime refuses a component compiled under
//! others.

use wasmtime::{Config, WasmBacktraceDetails};

/// As `muse-precompile` compiles the command line, and the programs that embed it load it.
pub fn config() -> Config {
    let mut config = Config::new();
    // A trap is reported in one line, which names no WebAssembly frame. The details would otherwise be up to a variable
    // of the user's environment, and the component would be refused wherever that is set.
    config.wasm_backtrace_max_frames(None);
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.debug_symbols(false);
    config.generate_address_map(false);
    config.native_unwind_info(false);
    // One command runs, alone, and ends: its memory is written once, so there is nothing to share copy-on-write.
    config.concurrency_support(false);
    config.memory_init_cow(false);
    // Reserving 4 GiB of addresses would save bounds checks, a seventh of the time spent in the component, but under
    // `ulimit -v` nothing would start at all. Memory can grow beyond this.
    config.memory_reservation(64 << 20);
    config
}
