//! What an agent is given, in full: the queue, its standard output and standard error, clocks, randomness, and its run
//! id as `MUSE_RUN_ID`.
//!
//! Guaranteed: nothing else is linked, and a component that imports anything else is refused before any of it is
//! compiled. `wasi:filesystem` is linked, because the standard libraries of languages import it, but no directory is
//! granted, so that there is nothing to open. What the agent prints is passed on as it is unless `--agent-output` says
//! otherwise; show that to no terminal that you would not show the agent to.

use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io as streams, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::agent::args::Arguments;
use crate::agent::bindings::muse::coord::{queue, types};
use crate::agent::bounds::{self, Bounds};
use crate::agent::confine::Confined;
use crate::agent::output;

/// What [`link`] links, without versions. A name that is missing here is refused all the same; one too many is refused
/// later, by the linker.
const GRANTED: [&str; 22] = [
    "muse:coord/queue",
    "muse:coord/types",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The same, in short.
pub(crate) const GRANTED_IN_WORDS: &str = "muse:coord/queue and, of WASI 0.2, cli, clocks, filesystem (without a directory), io \
                                           and random";

/// The most random bytes that one call gives.
const RANDOM_BYTES: u64 = 1 << 20;

/// The state behind the agent's imports.
pub(crate) struct Sandbox {
    wasi: WasiCtx,
    table: ResourceTable,
    queue: Confined,
    bounds: Bounds,
}

impl Sandbox {
    /// A place for an agent that has this queue and these bounds.
    pub(crate) fn store(engine: &Engine, arguments: &Arguments, queue: Confined, bounds: Bounds) -> Store<Sandbox> {
        let Arguments { run_id, agent_output, .. } = arguments;
        let mut wasi = WasiCtx::builder();
        wasi.arg("agent").env("MUSE_RUN_ID", run_id.as_str()).max_random_size(RANDOM_BYTES);
        output::give(&mut wasi, *agent_output, run_id);
        let mut table = ResourceTable::new();
        table.set_max_capacity(bounds::HANDLES);
        let mut store = Store::new(engine, Sandbox { wasi: wasi.build(), table, queue, bounds });
        bounds::set(&mut store);
        store.limiter(|sandbox| &mut sandbox.bounds);
        // Each time the epoch changes, the agent pauses, so that whoever wants to stop it can.
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        store
    }

    /// Whether the agent asked for more memory than it may have.
    pub(crate) fn was_at_its_limit(&self) -> bool {
        self.bounds.have_refused()
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Tells whether agents are given what has this name, with its version.
pub(crate) fn is_granted(import: &str) -> bool {
    GRANTED.contains(&import.split('@').next().unwrap_or(import))
}

/// Links what agents are given.
pub(crate) fn link(l: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    queue::add_to_linker::<_, HasSelf<Confined>>(l, |sandbox| &mut sandbox.queue)?;
    types::add_to_linker::<_, HasSelf<Confined>>(l, |sandbox| &mut sandbox.queue)?;
    streams::error::add_to_linker::<_, Table>(l, |sandbox| &mut sandbox.table)?;
    streams::poll::add_to_linker::<_, Table>(l, |sandbox| &mut sandbox.table)?;
    streams::streams::add_to_linker::<_, Table>(l, |sandbox| &mut sandbox.table)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, Sandbox::filesystem)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, Sandbox::filesystem)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, Sandbox::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, Sandbox::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, |sandbox| sandbox.wasi.random())?;
    cli::environment::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, Sandbox::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, Sandbox::cli)
}

/// The part of the sandbox that `wasi:io` works on.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}
