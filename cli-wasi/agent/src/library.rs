//! The queue: the library component that is part of this program, and the one directory that it is granted.
//!
//! Guaranteed: nothing else than the directory, clocks and randomness is linked, as `wit/world.wit` promises for world
//! `coord`. A call is never cut while it works: it only pauses where a claim waits, and there no task has been taken.

use std::env;
use std::path::PathBuf;

use coord_store::process;
use coord_store::repository::{self, Purpose, Start};
use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{clocks, filesystem, io as streams, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

use crate::bindings::exports::muse::coord::admin::Durability;
use crate::bindings::exports::muse::coord::queue::Guest;
use crate::bindings::{Between, BetweenPre};
use crate::report::Failure;

/// What one instance of the library may use: as much as the longest listing there is, twice.
const MEMORY: usize = 512 << 20;

/// The library, compiled, and what it works on.
#[derive(Clone)]
pub(crate) struct Source {
    pre: BetweenPre<Granted>,
    directory: PathBuf,
    durability: Durability,
}

/// An instance of the library. It serves one caller and one call at a time.
pub(crate) struct Library {
    store: Store<Granted>,
    world: Between,
}

/// The state behind the library's imports.
pub(crate) struct Granted {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
}

impl Source {
    /// The library, to work in the directory that this process is meant to work in.
    pub(crate) fn of_this_process(engine: &Engine) -> Result<Source, Failure> {
        let (directory, durability) = (directory()?, durability()?);
        let pre = linked(engine).map_err(Failure::Start)?;
        Ok(Source { pre, directory, durability })
    }

    /// A new instance.
    pub(crate) async fn open(&self) -> wasmtime::Result<Library> {
        let mut wasi = WasiCtx::builder();
        // Whoever calls waits for the answer anyway: a file operation need not be sent to another thread.
        wasi.allow_blocking_current_thread(true);
        wasi.preopened_dir(&self.directory, ".", FsPerms::ReadWrite)?;
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY).build();
        let granted = Granted { wasi: wasi.build(), table: ResourceTable::new(), limits };
        let mut store = Store::new(self.pre.engine(), granted);
        store.limiter(|granted| &mut granted.limits);
        // The library is never interrupted. What stops an agent does not stop it (see `watch.rs`).
        store.set_epoch_deadline(u64::MAX / 2);
        store.set_hostcall_fuel(MEMORY);
        let world = self.pre.instantiate_async(&mut store).await?;
        world.muse_coord_admin().call_set_durability(&mut store, self.durability).await?;
        Ok(Library { store, world })
    }
}

impl Library {
    /// The interface `queue`, and where its calls take place.
    pub(crate) fn queue(&mut self) -> (&Guest, &mut Store<Granted>) {
        (self.world.muse_coord_queue(), &mut self.store)
    }

    /// What it met that was not as it should be, since it was last asked.
    pub(crate) async fn warnings(&mut self) -> wasmtime::Result<Vec<String>> {
        let (queue, store) = self.queue();
        queue.call_warnings(store).await
    }
}

impl WasiView for Granted {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The library as it was compiled by `precompile.rs`. This is the only unsafe code.
#[expect(unsafe_code, reason = "machine code made elsewhere is run: wasmtime cannot check it, see SAFETY")]
fn component(engine: &Engine) -> wasmtime::Result<Component> {
    let compiled = include_bytes!(env!(
        "MUSE_COORD_CWASM",
        "the library that muse-agent embeds is not compiled yet: `cargo xtask build` does all in the right order"
    ));
    // SAFETY: the bytes come from `Engine::precompile_component` of this very version of wasmtime, under the same
    // `config()`, which is checked; and they are part of the program's own image, so nobody can exchange them who could not
    // exchange the program.
    unsafe { Component::deserialize(engine, compiled) }
}

fn linked(engine: &Engine) -> wasmtime::Result<BetweenPre<Granted>> {
    let mut linker = Linker::new(engine);
    link(&mut linker)?;
    BetweenPre::new(linker.instantiate_pre(&component(engine)?)?)
}

/// The coordination directory of the repository that this process is in, which is made if it is missing.
fn directory() -> Result<PathBuf, Failure> {
    let start = Start::of_this_process().map_err(Failure::CurrentDirectory)?;
    let directory = start.found(Purpose::Work).map_err(Failure::Directory)?.ok_or(Failure::NoRepository)?;
    repository::ready(&directory).map_err(Failure::Directory)?;
    process::share_as(&directory);
    Ok(directory)
}

/// What `MUSE_COORD_SYNC` says: all who share a directory must agree.
fn durability() -> Result<Durability, Failure> {
    match env::var_os("MUSE_COORD_SYNC").unwrap_or_default().to_string_lossy().as_ref() {
        "" | "on" => Ok(Durability::Synced),
        "off" => Ok(Durability::Unsynced),
        other => Err(Failure::Sync(other.to_string())),
    }
}

fn link(l: &mut Linker<Granted>) -> wasmtime::Result<()> {
    streams::error::add_to_linker::<_, Table>(l, |granted| &mut granted.table)?;
    streams::poll::add_to_linker::<_, Table>(l, |granted| &mut granted.table)?;
    streams::streams::add_to_linker::<_, Table>(l, |granted| &mut granted.table)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, Granted::filesystem)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, Granted::filesystem)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, Granted::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, Granted::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, |granted| granted.wasi.random())
}

/// The part of the state that `wasi:io` works on.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}
