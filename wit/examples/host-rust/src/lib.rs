//! The queue, embedded in a Rust program as the component `muse-coord.wasm`. What a plugin host copies is this file.
//!
//! The component gets one directory, the clocks and randomness, and cannot name anything else. It works on the same
//! directory as every `muse coord`, at the same time; or on a server (`postgres.rs`). A [`Library`] belongs to one
//! thread at a time; threads or processes that want to work at once open one each.

mod postgres;

use std::path::Path;

use wasmtime::component::{Component, Linker, ResourceAny, ResourceTable};
use wasmtime::{Config, Engine, Result, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// Types and calls, made from `wit/`.
#[expect(missing_docs, reason = "generated: see wit/ for the docs")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../..",
        world: "coord",
        with: { "wasi": wasmtime_wasi::p2::bindings },
        exports: { default: async },
    });
}

pub use bindings::exports::muse::coord::admin::{Diagnosis, Durability, Treatment};
pub use bindings::exports::muse::coord::queue::{ClaimOptions, ClaimRecord, Enqueued, NewTask, Task};
pub use bindings::exports::muse::coord::types::Error;
pub use postgres::Postgres;

/// The component at work in one directory, or on a server.
///
/// A call fails with an [`Error`] if the queue refuses it, which `downcast_ref` finds. Anything else is a trap, after
/// which the component cannot be called any more: open it anew.
pub struct Library {
    store: Store<Sandbox>,
    coord: bindings::Coord,
}

impl Library {
    /// Compiles the component, which takes a moment, and grants it `directory`: a `.muse/coordination`, which must
    /// exist.
    pub async fn open(component: &Path, directory: &Path) -> Result<Library> {
        let mut wasi = WasiCtx::builder();
        wasi.preopened_dir(directory, "coordination", FsPerms::ReadWrite)?;
        // A file operation is done at once. Otherwise each would be sent to another thread, which takes longer than
        // itself.
        wasi.allow_blocking_current_thread(true);
        Library::with(component, wasi, Postgres::default()).await
    }

    /// Compiles the component for servers, `muse-coord-sql.wasm`, and gives it one.
    pub async fn open_on(component: &Path, server: Postgres) -> Result<Library> {
        Library::with(component, WasiCtx::builder(), server).await
    }

    async fn with(component: &Path, mut wasi: WasiCtxBuilder, server: Postgres) -> Result<Library> {
        let engine = Engine::new(&Config::new())?;
        let component = Component::from_file(&engine, component)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        Postgres::link(&mut linker, |sandbox: &mut Sandbox| &mut sandbox.server)?;
        let mut store = Store::new(&engine, Sandbox { wasi: wasi.build(), table: ResourceTable::new(), server });
        let coord = bindings::Coord::instantiate_async(&mut store, &component, &linker).await?;
        Ok(Library { store, coord })
    }

    /// Adds a task, and tells it as it is stored.
    pub async fn enqueue(&mut self, new: &NewTask) -> Result<Enqueued> {
        Ok(self.coord.muse_coord_queue().call_enqueue(&mut self.store, new).await??)
    }

    /// Claims the next task; none: there is nothing to claim. The lease is to be given to [`Library::complete`] or
    /// [`Library::drop`].
    pub async fn claim(&mut self, options: &ClaimOptions) -> Result<Option<ResourceAny>> {
        Ok(self.coord.muse_coord_queue().call_claim(&mut self.store, options).await??)
    }

    /// The task of a lease.
    pub async fn task(&mut self, lease: ResourceAny) -> Result<Task> {
        self.coord.muse_coord_queue().lease().call_task(&mut self.store, lease).await
    }

    /// Tells that the holder is alive.
    pub async fn heartbeat(&mut self, lease: ResourceAny) -> Result<ClaimRecord> {
        Ok(self.coord.muse_coord_queue().lease().call_heartbeat(&mut self.store, lease, None, None).await??)
    }

    /// Ends a task in success, with a JSON object as the result, and drops the lease.
    pub async fn complete(&mut self, lease: ResourceAny, result: &str) -> Result<ClaimRecord> {
        let result = Some(&result.to_owned());
        let completed = self.coord.muse_coord_queue().lease().call_complete(&mut self.store, lease, result).await;
        self.drop(lease).await?;
        Ok(completed??)
    }

    /// Lets the component forget a lease. The task is held on until the lease runs out.
    pub async fn drop(&mut self, lease: ResourceAny) -> Result<()> {
        lease.resource_drop_async(&mut self.store).await
    }

    /// Makes the queue, if it is not there; tells whether this call did.
    pub async fn init(&mut self) -> Result<bool> {
        Ok(self.coord.muse_coord_admin().call_init(&mut self.store).await??)
    }

    /// Whether what is acknowledged survives a power cut, which it does unless this says otherwise.
    pub async fn set_durability(&mut self, durability: Durability) -> Result<()> {
        self.coord.muse_coord_admin().call_set_durability(&mut self.store, durability).await
    }

    /// Reads everything and tells what is wrong.
    pub async fn doctor(&mut self, treatment: Treatment) -> Result<Diagnosis> {
        Ok(self.coord.muse_coord_admin().call_doctor(&mut self.store, treatment).await??)
    }
}

/// A task of which nothing but the title is said.
pub fn titled(title: &str) -> NewTask {
    NewTask {
        title: title.to_owned(),
        priority: 0,
        queue: None,
        ttl_seconds: None,
        run_id: None,
        tags: Vec::new(),
        payload: None,
        max_attempts: None,
        backoff_seconds: None,
        backoff_max_seconds: None,
        delay_seconds: None,
        at: None,
        after: Vec::new(),
        if_parent_fails: None,
        unique: None,
    }
}

/// A claim of any task, without waiting.
pub fn claim_by(run_id: &str) -> ClaimOptions {
    ClaimOptions {
        run_id: Some(run_id.to_owned()),
        queues: Vec::new(),
        lease_seconds: None,
        wait_seconds: None,
        tags: Vec::new(),
        any_tags: Vec::new(),
        exclude_tags: Vec::new(),
    }
}

/// What is behind the component's imports.
struct Sandbox {
    wasi: WasiCtx,
    table: ResourceTable,
    server: Postgres,
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
