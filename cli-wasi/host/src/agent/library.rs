//! The queue: the library component that is part of this program, and the one directory or engine that it is granted.
//!
//! Guaranteed: nothing else than the directory or the engine, clocks and randomness is linked, as `wit/world.wit`
//! promises for the worlds `coord` and `coord-on-store`. What opens the engine is in no component's memory.
//! While the agent runs no call is cut: it only pauses where a claim waits, and there no task has been taken. When the
//! agent is stopped every call fails at the next thing that it asks of the system (`leash.rs`), as if the process had
//! been killed there.

use coord_store::Sync;
use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{clocks, filesystem, io as streams, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

use crate::agent::bindings::exports::muse::coord::admin::Durability;
use crate::agent::bindings::exports::muse::coord::queue::Guest;
use crate::agent::bindings::{Between, BetweenPre};
use crate::agent::leash::Leash;
use crate::agent::medium::{Medium, Place};
use crate::coord;

/// What one instance of the library may use: as much as the longest listing there is, twice.
const MEMORY: usize = 512 << 20;

/// The library, compiled, and what it works on.
#[derive(Clone)]
pub(crate) struct Source {
    pre: BetweenPre<Granted>,
    medium: Medium,
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
    /// The engine that it has the queue from, if that is no directory.
    engine: coord::Granted,
}

impl Source {
    /// The library, to work in a directory or on an engine.
    pub(crate) fn of(medium: Medium, engine: &Engine) -> wasmtime::Result<Source> {
        Ok(Source { pre: linked(medium.place(), engine)?, medium })
    }

    /// What it works on.
    pub(crate) fn medium(&self) -> &Medium {
        &self.medium
    }

    /// A new instance, which can be cut off.
    pub(crate) async fn open(&self, leash: &Leash) -> wasmtime::Result<Library> {
        let mut wasi = WasiCtx::builder();
        // Whoever calls waits for the answer anyway: a file operation need not be sent to another thread.
        wasi.allow_blocking_current_thread(true);
        let engine = match self.medium.place() {
            Place::Directory(path) => {
                wasi.preopened_dir(path, ".", FsPerms::ReadWrite)?;
                coord::Granted::nothing()
            }
            Place::Engine(place) => coord::Granted::to_be_opened(place.clone(), true).overseen_by(leash.clone()),
        };
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY).build();
        let granted = Granted { wasi: wasi.build(), table: ResourceTable::new(), limits, engine };
        let mut store = Store::new(self.pre.engine(), granted);
        store.limiter(|granted| &mut granted.limits);
        // The library is never interrupted. What stops an agent does not stop it (see `watch.rs`).
        store.set_epoch_deadline(u64::MAX / 2);
        store.set_hostcall_fuel(MEMORY);
        leash.hold(&mut store);
        let world = self.pre.instantiate_async(&mut store).await?;
        let durability = match self.medium.sync() {
            Sync::On | Sync::Posix => Durability::Synced,
            Sync::Off => Durability::Unsynced,
        };
        world.muse_coord_admin().call_set_durability(&mut store, durability).await?;
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

/// The library as it was compiled by `muse-precompile`.
#[expect(unsafe_code, reason = "machine code made elsewhere is run: wasmtime cannot check it, see SAFETY")]
fn component(place: &Place, engine: &Engine) -> wasmtime::Result<Component> {
    let compiled: &[u8] = match place {
        Place::Directory(_) => include_bytes!(env!(
            "MUSE_COORD_CWASM",
            "the library that muse-agent embeds is not compiled yet: `cargo xtask build` does all in the right order"
        )),
        Place::Engine(_) => include_bytes!(env!(
            "MUSE_COORD_STORE_CWASM",
            "the library that muse-agent embeds is not compiled yet: `cargo xtask build` does all in the right order"
        )),
    };
    // SAFETY: the bytes come from `Engine::precompile_component` of this very version of wasmtime, under the same
    // `config()`, which is checked; and they are part of the program's own image, so nobody can exchange them who could
    // not exchange the program.
    unsafe { Component::deserialize(engine, compiled) }
}

fn linked(place: &Place, engine: &Engine) -> wasmtime::Result<BetweenPre<Granted>> {
    let mut linker = Linker::new(engine);
    link(&mut linker)?;
    match place {
        Place::Directory(_) => link_directory(&mut linker)?,
        Place::Engine(_) => coord::link(&mut linker, |granted| &mut granted.engine)?,
    }
    BetweenPre::new(linker.instantiate_pre(&component(place, engine)?)?)
}

fn link(l: &mut Linker<Granted>) -> wasmtime::Result<()> {
    streams::poll::add_to_linker::<_, Table>(l, |granted| &mut granted.table)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, Granted::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, |granted| granted.wasi.random())
}

fn link_directory(l: &mut Linker<Granted>) -> wasmtime::Result<()> {
    streams::error::add_to_linker::<_, Table>(l, |granted| &mut granted.table)?;
    streams::streams::add_to_linker::<_, Table>(l, |granted| &mut granted.table)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, Granted::filesystem)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, Granted::filesystem)?;
    #[cfg(unix)]
    {
        muse_filesystem::link(l)?;
        muse_filesystem::tell_of_arrivals(l)?;
    }
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, Granted::clocks)
}

/// The part of the state that `wasi:io` works on.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}
