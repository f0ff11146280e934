//! Runs the agent, and watches it from this thread, which nothing that the agent does can block.
//!
//! The agent ends by itself, or is stopped by the time or a signal. To stop it, it is cut off from the queue, and the
//! epoch is changed: its code pauses at the next loop or call, and is dropped there, as it is where it waits. An agent
//! that does neither within a second (it may be blocked in printing to a pipe that nobody reads) is left behind. Then,
//! in each case, what it holds is given back, and only after that anything is printed. Each of these steps has a limit
//! of time, and a second signal ends all of them.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::time::Duration;

use coord_store::process;
use tokio::runtime::{self, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use wasmtime::Engine;

use crate::agent::args::Arguments;
use crate::agent::config;
use crate::agent::give_back::{GiveBack, Holder};
use crate::agent::held::Held;
use crate::agent::leash::Leash;
use crate::agent::library::Source;
use crate::agent::medium::Medium;
use crate::agent::report::{self, End, Failure, Stop};
use crate::agent::run::Agent;

/// How long an agent that is to be stopped may take to notice.
const GRACE: Duration = Duration::from_secs(1);

/// What people are told if an engine did not say what came of a change.
const LOST: &str = "the engine has lost the answer to a call of the agent: if that claims a task later, nobody gives it \
                    back, and its lease runs out";

/// How many files are opened before the library opens any: to wait for timers and signals, and to compile and run the
/// agent.
const FILES: usize = 28;

/// How many bytes of addresses are reserved at least: 4 GiB for each memory of the agent and of the library.
const ADDRESSES: u64 = 8 << 30;

/// Runs the agent to its end, says what is to be said, and tells the exit code.
pub(crate) fn run(arguments: &Arguments) -> i32 {
    let (end, lines) = match watch(arguments) {
        Ok((end, lines)) => (end, lines),
        Err(failure) => (End::NotStarted(failure), Vec::new()),
    };
    let mut lines: Vec<String> = lines.iter().map(|line| format!("warning: {line}")).collect();
    let complaint = end.complaint(arguments.run_id.as_str()).map(|complaint| format!("error: {complaint}"));
    // What ended this program is its last word.
    let place = if matches!(end, End::Killed { .. }) { lines.len() } else { 0 };
    lines.splice(place..place, complaint);
    report::last_words(lines);
    end.exit_code()
}

/// How the agent ended, and what became of the tasks that it held, a line each.
fn watch(arguments: &Arguments) -> Result<(End, Vec<String>), Failure> {
    check_system()?;
    let medium = Medium::of_this_process()?;
    let holder = Holder::before_the_start(&medium, &arguments.run_id)?;
    let engine = Engine::new(&config::config()).map_err(Failure::Start)?;
    let source = Source::of(medium, &engine).map_err(Failure::Start)?;
    let held = Held::default();
    let leash = Leash::default();
    let agent = Agent { arguments: arguments.clone(), engine, source, held: held.clone(), leash: leash.clone() };
    let runtime = runtime().map_err(|error| Failure::Start(error.into()))?;
    runtime.block_on(async {
        let signals = Signals::listen().map_err(|error| Failure::Start(error.into()))?;
        let (end, mut lines) = to_its_end(agent, &signals).await;
        // It has ended, or is left behind: whatever it still does, it does nothing to the queue.
        leash.cut();
        if leash.has_lost() {
            lines.push(LOST.to_string());
        }
        let mut given_back = holder.give_back(held.to_map());
        let (end, reason) = tokio::select! {
            () = given_back.finish() => (end, GiveBack::out_of_time()),
            (first, second) = signals.two() => (End::Killed { first, second }, format!("{second} came first")),
        };
        lines.extend(given_back.into_lines(&reason));
        Ok((end, lines))
    })
}

/// Runs the agent until it ends, or is stopped and has noticed. What may have become of a call that did not is told.
async fn to_its_end(agent: Agent, signals: &Signals) -> (End, Vec<String>) {
    let (engine, leash, time) = (agent.engine.clone(), agent.leash.clone(), agent.arguments.timeout);
    let (stop, stopped) = oneshot::channel();
    let mut end = pin!(agent.run(stopped));
    let reason = tokio::select! {
        end = &mut end => return (end, Vec::new()),
        reason = reason_to_stop(time, signals) => reason,
    };
    leash.cut();
    // If the agent doesn't hear this it has just ended.
    _ = stop.send(());
    engine.increment_epoch();
    let noticed = tokio::select! {
        noticed = timeout(GRACE, end) => noticed.is_ok(),
        _ = signals.two() => false,
    };
    let still_there = "a call of the agent to the system has not returned: if it claims a task, nobody gives that back";
    let lines = if !noticed && leash.is_in_system() { vec![still_there.to_string()] } else { Vec::new() };
    (End::Stopped(reason), lines)
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

async fn reason_to_stop(time: Option<Duration>, signals: &Signals) -> Stop {
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
        name = signals.first() => Stop::Signal(name),
    }
}

/// One thread, which waits for timers and signals.
fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// The signals that this process was sent so far, by name.
struct Signals(watch::Receiver<Vec<&'static str>>);

impl Signals {
    /// From now on they end nothing by themselves.
    fn listen() -> io::Result<Signals> {
        let mut handlers = Handlers::set()?;
        let (tell, heard) = watch::channel(Vec::new());
        tokio::spawn(async move {
            loop {
                let name = handlers.next().await;
                tell.send_modify(|names| names.push(name));
            }
        });
        Ok(Signals(heard))
    }

    /// Waits for the first one.
    async fn first(&self) -> &'static str {
        let [name] = self.names().await;
        name
    }

    /// Waits for the second one, and tells both.
    async fn two(&self) -> (&'static str, &'static str) {
        let [first, second] = self.names().await;
        (first, second)
    }

    async fn names<const N: usize>(&self) -> [&'static str; N] {
        let mut heard = self.0.clone();
        let names = heard.wait_for(|names| names.len() >= N).await.map(|names| names.first_chunk().copied());
        match names {
            Ok(Some(names)) => names,
            // Nobody listens to signals any more.
            Ok(None) | Err(_) => pending().await,
        }
    }
}

/// The signals by which people and their tools end programs.
#[cfg(unix)]
struct Handlers([(&'static str, tokio::signal::unix::Signal); 3]);

#[cfg(unix)]
impl Handlers {
    fn set() -> io::Result<Handlers> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Handlers([
            ("SIGINT", signal(SignalKind::interrupt())?),
            ("SIGTERM", signal(SignalKind::terminate())?),
            ("SIGHUP", signal(SignalKind::hangup())?),
        ]))
    }

    async fn next(&mut self) -> &'static str {
        let Handlers([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.1.recv() => interrupt.0,
            _ = terminate.1.recv() => terminate.0,
            _ = hangup.1.recv() => hangup.0,
        }
    }
}

/// Elsewhere there is one.
#[cfg(not(unix))]
struct Handlers;

#[cfg(not(unix))]
impl Handlers {
    fn set() -> io::Result<Handlers> {
        Ok(Handlers)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => pending().await,
        }
    }
}
