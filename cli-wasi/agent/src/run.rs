//! The agent's thread: reads and compiles the agent, puts it in its sandbox, and runs it until it ends or is stopped.

use std::fs;

use tokio::runtime;
use tokio::sync::oneshot;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::args::Arguments;
use crate::bounds::Bounds;
use crate::confine::Confined;
use crate::held::Held;
use crate::library::Source;
use crate::report::{End, Failure};
use crate::sandbox::{self, Sandbox};

/// An agent to be run.
pub(crate) struct Agent {
    pub(crate) arguments: Arguments,
    pub(crate) engine: Engine,
    pub(crate) source: Source,
    /// Where it is noted what the agent holds.
    pub(crate) held: Held,
}

impl Agent {
    /// Runs it until it ends, or until something is heard through `stopped`; then the answer does not matter.
    pub(crate) fn run(self, stopped: oneshot::Receiver<()>) -> End {
        let ran = self.prepare().and_then(|agent| {
            let runtime = runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.map_err(|error| Failure::Start(error.into()))?;
            runtime.block_on(self.run_prepared(&agent, stopped)).map_err(Failure::Start)
        });
        ran.unwrap_or_else(End::NotStarted)
    }

    /// The agent, compiled, if it is one and asks for nothing that agents are not given.
    fn prepare(&self) -> Result<CommandPre<Sandbox>, Failure> {
        let file = &self.arguments.agent;
        let no_agent = |why: String| Failure::NoAgent(file.clone(), why);
        let bytes = fs::read(file).map_err(|error| Failure::Unreadable(file.clone(), error))?;
        if let Some(kind) = other_kind(&bytes) {
            return Err(no_agent(kind.to_string()));
        }
        let component =
            Component::new(&self.engine, bytes).map_err(|error| no_agent(error.root_cause().to_string()))?;
        let strange = sandbox::not_granted(&self.engine, &component);
        if !strange.is_empty() {
            return Err(Failure::Imports(file.clone(), strange));
        }
        let mut linker = Linker::new(&self.engine);
        sandbox::link(&mut linker).map_err(Failure::Start)?;
        let linked = linker.instantiate_pre(&component).map_err(|error| no_agent(format!("{error:#}")))?;
        CommandPre::new(linked).map_err(|_| no_agent("it does not export wasi:cli/run".to_string()))
    }

    async fn run_prepared(&self, agent: &CommandPre<Sandbox>, stopped: oneshot::Receiver<()>) -> wasmtime::Result<End> {
        let Arguments { run_id, queue, memory, .. } = &self.arguments;
        let queue = Confined::new(self.source.clone(), run_id.clone(), queue.clone(), self.held.clone()).await?;
        let mut store = Sandbox::store(&self.engine, run_id.as_str(), queue, Bounds::new(*memory));
        let ran = async {
            let instance = agent.instantiate_async(&mut store).await?;
            instance.wasi_cli_run().call_run(&mut store).await
        };
        let ended = tokio::select! {
            biased;
            _ = stopped => Err(wasmtime::Error::msg("it was told to stop")),
            ended = ran => ended,
        };
        Ok(end(ended, store.data().was_at_its_limit()))
    }
}

/// What a file is that is no component, by how it begins.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes.get(..8) {
        Some([b'\0', b'a', b's', b'm', 1, 0, 0, 0]) => Some("it is a WebAssembly module, not a component"),
        Some([b'\0', b'a', b's', b'm', ..]) => None,
        _ => Some("it is not WebAssembly"),
    }
}

/// An agent ends by returning, or by calling `exit`, which unwinds it as an error. Any other error is a fault.
fn end(ended: wasmtime::Result<Result<(), ()>>, at_limit: bool) -> End {
    match ended {
        Ok(returned) => End::Exited { code: i32::from(returned.is_err()), at_limit },
        Err(error) => match error.downcast_ref() {
            Some(&I32Exit(code)) => End::Exited { code, at_limit },
            None => End::Faulted { fault: error.root_cause().to_string(), at_limit },
        },
    }
}
