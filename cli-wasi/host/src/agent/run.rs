//! The agent, from its file to its end: compiled in a process of its own, run on a thread of its own until it ends or
//! is stopped.

use std::thread;

use tokio::runtime;
use tokio::sync::oneshot;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::agent::args::Arguments;
use crate::agent::bounds::Bounds;
use crate::agent::compile;
use crate::agent::confine::Confined;
use crate::agent::held::Held;
use crate::agent::leash::Leash;
use crate::agent::library::Source;
use crate::agent::report::{End, Failure};
use crate::agent::sandbox::{self, Sandbox};

/// An agent to be run.
pub(crate) struct Agent {
    pub(crate) arguments: Arguments,
    pub(crate) engine: Engine,
    pub(crate) source: Source,
    /// Where it is noted what the agent holds.
    pub(crate) held: Held,
    /// What cuts it off from the queue.
    pub(crate) leash: Leash,
}

impl Agent {
    /// Runs it until it ends, or until something is heard through `stopped`; then the answer does not matter.
    pub(crate) async fn run(self, mut stopped: oneshot::Receiver<()>) -> End {
        let compiled = tokio::select! {
            compiled = compile::compiled(&self.arguments.agent, self.arguments.compile_memory) => compiled,
            _ = &mut stopped => return End::crashed(),
        };
        match compiled {
            Ok(machine_code) => self.run_on_a_thread(machine_code, stopped).await,
            Err(failure) => End::NotStarted(failure),
        }
    }

    async fn run_on_a_thread(self, machine_code: Vec<u8>, stopped: oneshot::Receiver<()>) -> End {
        let (tell_end, end) = oneshot::channel();
        let started = thread::Builder::new().spawn(move || {
            // If nobody listens the process is about to end.
            _ = tell_end.send(self.run_here(machine_code, stopped));
        });
        match started {
            Ok(_) => end.await.unwrap_or_else(|_| End::crashed()),
            Err(error) => End::NotStarted(Failure::Start(error.into())),
        }
    }

    fn run_here(self, machine_code: Vec<u8>, stopped: oneshot::Receiver<()>) -> End {
        let ran = self.prepare(machine_code).and_then(|agent| {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Failure::Start(error.into()))?;
            runtime.block_on(self.run_prepared(&agent, stopped)).map_err(Failure::Start)
        });
        ran.unwrap_or_else(End::NotStarted)
    }

    /// The agent, if it asks for what agents are given in the way in which they are given it.
    fn prepare(&self, machine_code: Vec<u8>) -> Result<CommandPre<Sandbox>, Failure> {
        let no_agent = |why: String| Failure::NoAgent(self.arguments.agent.clone(), why);
        let component = loaded(&self.engine, &machine_code).map_err(Failure::Start)?;
        drop(machine_code);
        let mut linker = Linker::new(&self.engine);
        sandbox::link(&mut linker).map_err(Failure::Start)?;
        let linked = linker.instantiate_pre(&component).map_err(|error| no_agent(format!("{error:#}")))?;
        CommandPre::new(linked).map_err(|_| no_agent("it does not export wasi:cli/run".to_string()))
    }

    async fn run_prepared(&self, agent: &CommandPre<Sandbox>, stopped: oneshot::Receiver<()>) -> wasmtime::Result<End> {
        let Agent { arguments, engine, source, held, leash } = self;
        let queue = Confined::new(source.clone(), arguments, held.clone(), leash.clone()).await?;
        let mut store = Sandbox::store(engine, arguments, queue, Bounds::new(arguments.memory));
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

#[expect(unsafe_code, reason = "machine code made elsewhere is run: wasmtime cannot check it, see SAFETY")]
fn loaded(engine: &Engine, machine_code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes come from `Engine::precompile_component` in a process of this very program, under the same
    // `config()`, which is checked, through a pipe that nobody else has.
    unsafe { Component::deserialize(engine, machine_code) }
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
