//! `muse-coord.wasm` in a host inside this process: what a plugin host has that embeds it.
//!
//! Guaranteed: it runs in wasmtime and is granted one real directory and nothing else; a call that traps is an `Err` of
//! its own, so that no test takes it for a refusal.

use std::path::Path;

use wasmtime::component::{Component, Linker, ResourceAny, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::add_to_linker_sync;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

use bindings::Coord;
use bindings::exports::muse::coord::{admin, types};

/// Types and glue made from `wit/`.
#[allow(missing_docs, unused_qualifications, clippy::all, reason = "generated: see wit/ for the docs")]
pub mod bindings {
    wasmtime::component::bindgen!({
        world: "coord",
        path: "../wit",
        with: { "wasi": wasmtime_wasi::p2::bindings::sync },
        additional_derives: [PartialEq],
    });
}

/// The compiled component, for any number of instances.
pub struct Compiled {
    engine: Engine,
    component: Component,
    linker: Linker<Host>,
}

/// An instance of the component on a directory.
pub struct Library {
    store: Store<Host>,
    coord: Coord,
}

/// A lease, by the handle that the component gave.
#[derive(Clone, Copy, Debug)]
pub struct Lease(ResourceAny);

/// What a function of the component answered; `Err` outside if it trapped.
pub type Answer<T> = wasmtime::Result<Result<T, types::Error>>;

/// What the component's imports work on.
pub struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Compiled {
    /// Compiles the component, which takes about a second.
    pub fn new(component: &Path) -> wasmtime::Result<Compiled> {
        let engine = Engine::default();
        let component = Component::from_file(&engine, component)?;
        let mut linker = Linker::new(&engine);
        add_to_linker_sync(&mut linker)?;
        Ok(Compiled { engine, component, linker })
    }

    /// An instance that is granted `directories`.
    pub fn instance(&self, directories: &[(&Path, FsPerms)]) -> wasmtime::Result<Library> {
        let mut wasi = WasiCtx::builder();
        wasi.allow_blocking_current_thread(true);
        for (directory, permissions) in directories {
            wasi.preopened_dir(directory, directory.to_string_lossy(), *permissions)?;
        }
        let host = Host { wasi: wasi.build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, host);
        let coord = Coord::instantiate(&mut store, &self.component, &self.linker)?;
        Ok(Library { store, coord })
    }
}

/// A task of which only the title matters.
pub fn titled(title: &str) -> types::NewTask {
    types::NewTask {
        title: title.to_string(),
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

/// A claim by `run_id` of which nothing else matters.
pub fn claim_by(run_id: &str) -> types::ClaimOptions {
    types::ClaimOptions {
        run_id: Some(run_id.to_string()),
        queues: Vec::new(),
        lease_seconds: None,
        wait_seconds: None,
        tags: Vec::new(),
        any_tags: Vec::new(),
        exclude_tags: Vec::new(),
    }
}

/// A filter that lets all tasks pass.
pub fn every_task() -> types::Filter {
    types::Filter {
        status: None,
        queue: None,
        run_id: None,
        tags: Vec::new(),
        since: None,
        ended_since: None,
        sort: None,
        cursor: None,
        limit: None,
    }
}

impl Library {
    /// `enqueue`, for what is stored.
    pub fn enqueue(&mut self, new: &types::NewTask) -> Answer<types::Task> {
        let answer = self.coord.muse_coord_queue().call_enqueue(&mut self.store, new)?;
        Ok(answer.map(|enqueued| enqueued.task))
    }

    /// `enqueue-all`.
    pub fn enqueue_all(&mut self, new: &[types::NewTask]) -> Answer<Vec<types::Enqueued>> {
        self.coord.muse_coord_queue().call_enqueue_all(&mut self.store, new)
    }

    /// `claim`.
    pub fn claim(&mut self, options: &types::ClaimOptions) -> Answer<Option<Lease>> {
        let answer = self.coord.muse_coord_queue().call_claim(&mut self.store, options)?;
        Ok(answer.map(|lease| lease.map(Lease)))
    }

    /// `claim-many`.
    pub fn claim_many(&mut self, options: &types::ClaimOptions, max: u32) -> Answer<Vec<Lease>> {
        let answer = self.coord.muse_coord_queue().call_claim_many(&mut self.store, options, max)?;
        Ok(answer.map(|leases| leases.into_iter().map(Lease).collect()))
    }

    /// `resume`.
    pub fn resume(&mut self, task_id: &str, run_id: &str, claim_nonce: Option<&str>) -> Answer<Lease> {
        let queue = self.coord.muse_coord_queue();
        Ok(queue.call_resume(&mut self.store, &task_id.to_string(), Some(run_id), claim_nonce)?.map(Lease))
    }

    /// `cancel`, without a reason.
    pub fn cancel(&mut self, task_id: &str, run_id: &str, if_held: types::IfHeld) -> Answer<types::ClaimRecord> {
        self.cancel_for(task_id, run_id, if_held, None)
    }

    /// `cancel`.
    pub fn cancel_for(
        &mut self,
        task_id: &str,
        run_id: &str,
        if_held: types::IfHeld,
        reason: Option<&str>,
    ) -> Answer<types::ClaimRecord> {
        let queue = self.coord.muse_coord_queue();
        queue.call_cancel(&mut self.store, &task_id.to_string(), Some(run_id), if_held, reason)
    }

    /// `retry`, of this task alone and as it was added.
    pub fn retry(&mut self, task_id: &str) -> Answer<types::Released> {
        let options = types::RetryOptions { now: false, cascade: false };
        let answer = self.coord.muse_coord_queue().call_retry(&mut self.store, &task_id.to_string(), options)?;
        Ok(answer.map(|retried| retried.task))
    }

    /// `show`, for how the task stands.
    pub fn item(&mut self, task_id: &str) -> Answer<types::Item> {
        Ok(self.show(task_id)?.map(|shown| shown.item))
    }

    /// `show`.
    pub fn show(&mut self, task_id: &str) -> Answer<types::Shown> {
        self.coord.muse_coord_queue().call_show(&mut self.store, &task_id.to_string())
    }

    /// `wait`.
    pub fn wait(&mut self, task_ids: &[&str], until: types::Until, seconds: Option<u32>) -> Answer<types::Waited> {
        let task_ids: Vec<String> = task_ids.iter().map(ToString::to_string).collect();
        self.coord.muse_coord_queue().call_wait(&mut self.store, &task_ids, until, seconds)
    }

    /// `tasks`.
    pub fn tasks(&mut self, filter: &types::Filter) -> Answer<types::Listing> {
        self.coord.muse_coord_queue().call_tasks(&mut self.store, filter)
    }

    /// `warnings`.
    pub fn warnings(&mut self) -> wasmtime::Result<Vec<String>> {
        self.coord.muse_coord_queue().call_warnings(&mut self.store)
    }

    /// `lease.task`.
    pub fn task(&mut self, lease: Lease) -> wasmtime::Result<types::Task> {
        self.coord.muse_coord_queue().lease().call_task(&mut self.store, lease.0)
    }

    /// `lease.heartbeat`, without progress.
    pub fn heartbeat(&mut self, lease: Lease, lease_seconds: Option<u32>) -> Answer<types::ClaimRecord> {
        self.coord.muse_coord_queue().lease().call_heartbeat(&mut self.store, lease.0, lease_seconds, None)
    }

    /// `lease.heartbeat`, with progress.
    pub fn report(&mut self, lease: Lease, progress: &types::Progress) -> Answer<types::ClaimRecord> {
        self.coord.muse_coord_queue().lease().call_heartbeat(&mut self.store, lease.0, None, Some(progress))
    }

    /// `lease.complete`.
    pub fn complete(&mut self, lease: Lease, result: Option<&str>) -> Answer<types::ClaimRecord> {
        let result = result.map(str::to_string);
        self.coord.muse_coord_queue().lease().call_complete(&mut self.store, lease.0, result.as_ref())
    }

    /// `lease.complete-and-enqueue`.
    pub fn complete_and_enqueue(
        &mut self,
        lease: Lease,
        result: Option<&str>,
        follow_ups: &[types::NewTask],
    ) -> Answer<types::Completed> {
        let result = result.map(str::to_string);
        let lease_functions = self.coord.muse_coord_queue().lease();
        lease_functions.call_complete_and_enqueue(&mut self.store, lease.0, result.as_ref(), follow_ups)
    }

    /// `lease.fail`, of the attempt.
    pub fn fail(&mut self, lease: Lease, reason: &str) -> Answer<types::ClaimRecord> {
        self.coord.muse_coord_queue().lease().call_fail(&mut self.store, lease.0, reason, false)
    }

    /// `lease.release`.
    pub fn release(&mut self, lease: Lease, delay_seconds: Option<u32>) -> Answer<types::Released> {
        self.coord.muse_coord_queue().lease().call_release(&mut self.store, lease.0, delay_seconds)
    }

    /// Drops the handle.
    pub fn drop_lease(&mut self, lease: Lease) -> wasmtime::Result<()> {
        lease.0.resource_drop(&mut self.store)
    }

    /// `init`.
    pub fn init(&mut self) -> Answer<bool> {
        self.coord.muse_coord_admin().call_init(&mut self.store)
    }

    /// `sweep`.
    pub fn sweep(&mut self) -> Answer<u64> {
        self.coord.muse_coord_admin().call_sweep(&mut self.store)
    }

    /// `pause`.
    pub fn pause(&mut self, queue: &str) -> Answer<bool> {
        self.coord.muse_coord_admin().call_pause(&mut self.store, queue)
    }

    /// `resume` of a queue.
    pub fn resume_queue(&mut self, queue: &str) -> Answer<bool> {
        self.coord.muse_coord_admin().call_resume(&mut self.store, queue)
    }

    /// `limit`.
    pub fn limit(&mut self, queue: &str, max_in_flight: Option<u32>) -> Answer<()> {
        self.coord.muse_coord_admin().call_limit(&mut self.store, queue, max_in_flight)
    }

    /// `gc`.
    pub fn gc(&mut self, options: admin::GcOptions) -> Answer<admin::Collected> {
        self.coord.muse_coord_admin().call_gc(&mut self.store, options)
    }

    /// `doctor`.
    pub fn doctor(&mut self, treatment: admin::Treatment) -> Answer<admin::Diagnosis> {
        self.coord.muse_coord_admin().call_doctor(&mut self.store, treatment)
    }

    /// `set-durability`.
    pub fn set_durability(&mut self, durability: admin::Durability) -> wasmtime::Result<()> {
        self.coord.muse_coord_admin().call_set_durability(&mut self.store, durability)
    }
}
