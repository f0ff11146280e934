//! Runs the agent on a thread of its own, and watches it from this one, which nothing that the agent does can block.
//!
//! The agent ends by itself, or is stopped by the time or a signal. To stop it, the epoch is changed: its code pauses at
//! the next loop or call, and is dropped there, as it is where it waits. An agent that does neither within a second (it
//! may be blocked in printing to a pipe that nobody reads) is left behind. Then, in each case, what it held is given back,
//! and only after that anything is printed.

use std::future::pending;
use std::io;
use std::thread;
use std::time::Duration;

use coord_store::process;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use wasmtime::Engine;

use crate::args::Arguments;
use crate::config;
use crate::held::Held;
use crate::library::Source;
use crate::report::{self, End, Failure, Stop};
use crate::run::Agent;

/// How long an agent that is to be stopped may take to notice.
const GRACE: Duration = Duration::from_secs(1);

/// How many files are opened before the library opens any: to wait for timers and signals, and to run the agent.
const FILES: usize = 12;

/// How many bytes of addresses are reserved at least: 4 GiB for each memory of the agent and of the library.
const ADDRESSES: u64 = 8 << 30;

/// Runs the agent to its end, says what is to be said, and tells the exit code.
pub(crate) fn run(arguments: &Arguments) -> i32 {
    let (end, mut lines) = match watch(arguments) {
        Ok((end, lines)) => (end, lines),
        Err(failure) => (End::NotStarted(failure), Vec::new()),
    };
    let complaint = end.complaint(arguments.run_id.as_str());
    lines.splice(..0, complaint.map(|complaint| format!("error: {complaint}")));
    report::last_words(lines);
    end.exit_code()
}

/// How the agent ended, and what became of the tasks that it held, a line each.
fn watch(arguments: &Arguments) -> Result<(End, Vec<String>), Failure> {
    check_system()?;
    let engine = Engine::new(&config::config()).map_err(Failure::Start)?;
    let source = Source::of_this_process(&engine)?;
    let runtime = runtime().map_err(|error| Failure::Start(error.into()))?;
    runtime.block_on(async {
        let held = Held::default();
        let mut signals = Signals::listen().map_err(|error| Failure::Start(error.into()))?;
        let (stop, stopped) = oneshot::channel();
        let (tell_end, mut end) = oneshot::channel();
        let agent =
            Agent { arguments: arguments.clone(), engine: engine.clone(), source: source.clone(), held: held.clone() };
        let started = thread::Builder::new().spawn(move || {
            // If nobody listens the process is about to end.
            _ = tell_end.send(agent.run(stopped));
        });
        started.map_err(|error| Failure::Start(error.into()))?;
        let end = tokio::select! {
            end = &mut end => end.unwrap_or_else(|_| End::crashed()),
            reason = reason_to_stop(arguments.timeout, &mut signals) => {
                // If the agent doesn't hear this it has just ended.
                _ = stop.send(());
                engine.increment_epoch();
                // Whether it stops in time or not, what follows needs nothing of it.
                _ = timeout(GRACE, end).await;
                End::Stopped(reason)
            }
        };
        let given_back = held.give_back(&source, &arguments.run_id).await;
        Ok((end, given_back.iter().map(|task| format!("warning: {task}")).collect()))
    })
}

/// Looks for what libraries rely on, and panic without.
fn check_system() -> Result<(), Failure> {
    let no_room = "too few files may be open: raise the limit on open files (`ulimit -n`)";
    process::check_room_for(FILES).map_err(|error| Failure::System(no_room, error))?;
    if process::memory_limit().is_some_and(|limit| limit < ADDRESSES) {
        let no_memory = "more than 8 GiB of addresses are needed: raise the limit on memory (`ulimit -v`)";
        return Err(Failure::System(no_memory, io::ErrorKind::OutOfMemory.into()));
    }
    let no_randomness = "no random numbers can be had: let this process call getrandom(2)";
    process::check_randomness().map_err(|error| Failure::System(no_randomness, error))
}

async fn reason_to_stop(time: Option<Duration>, signals: &mut Signals) -> Stop {
    let time_is_up = async {
        match time {
            Some(time) => {
                sleep(time).await;
                Stop::Timeout(time)
            }
            None => pending().await,
        }
    };
    tokio::select! {
        reason = time_is_up => reason,
        name = signals.next() => Stop::Signal(name),
    }
}

/// One thread, which waits for timers and signals.
fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// The signals by which people and their tools end programs.
#[cfg(unix)]
struct Signals([(&'static str, tokio::signal::unix::Signal); 3]);

#[cfg(unix)]
impl Signals {
    /// From now on they end nothing by themselves.
    fn listen() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals([
            ("SIGINT", signal(SignalKind::interrupt())?),
            ("SIGTERM", signal(SignalKind::terminate())?),
            ("SIGHUP", signal(SignalKind::hangup())?),
        ]))
    }

    async fn next(&mut self) -> &'static str {
        let Signals([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.1.recv() => interrupt.0,
            _ = terminate.1.recv() => terminate.0,
            _ = hangup.1.recv() => hangup.0,
        }
    }
}

/// Elsewhere there is one.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => pending().await,
        }
    }
}
