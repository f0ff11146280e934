//! The process that compiles: limits itself, reads the agent, looks at its names, and writes its machine code to
//! standard output.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use wasmtime::Engine;

use super::{REFUSED, UNABLE, names};
use crate::agent::config;
use crate::agent::report::Failure;

/// The word by which this program starts itself. It is no option for people, and does no harm if one uses it.
const WORD: &str = "--compile";

/// How many bytes of addresses this program takes by itself: its code, its libraries and its stacks.
const OWN: u64 = 64 << 20;

/// What this process was started for.
pub(crate) struct Order {
    agent: PathBuf,
    memory: ByteSize,
}

impl Order {
    /// The command line of the process.
    pub(super) fn words(agent: &Path, memory: ByteSize) -> [OsString; 3] {
        [WORD.into(), memory.as_u64().to_string().into(), agent.into()]
    }

    /// The order that this process was started with, if it is one that compiles.
    pub(crate) fn of_this_process() -> Option<Order> {
        let [word, memory, agent] = env::args_os().skip(1).collect::<Vec<_>>().try_into().ok()?;
        let memory: u64 = memory.to_str()?.parse().ok()?;
        (word == OsStr::new(WORD)).then(|| Order { agent: agent.into(), memory: ByteSize(memory) })
    }
}

/// Does it, and tells the exit code.
pub(crate) fn run(order: &Order) -> i32 {
    let (code, output) = match machine_code(order) {
        Ok(code) => (0, code),
        Err(failure) => (if failure.is_usage() { REFUSED } else { UNABLE }, failure.to_string().into_bytes()),
    };
    let mut stdout = io::stdout();
    // If nobody listens any more the agent was stopped.
    if stdout.write_all(&output).and_then(|()| stdout.flush()).is_ok() { code } else { 1 }
}

fn machine_code(Order { agent, memory }: &Order) -> Result<Vec<u8>, Failure> {
    limit(*memory).map_err(|error| Failure::Start(error.into()))?;
    let bytes = read(agent, *memory)?;
    let no_agent = |why: String| Failure::NoAgent(agent.clone(), why);
    if let Some(kind) = other_kind(&bytes) {
        return Err(no_agent(kind.to_string()));
    }
    let names = names::of(&bytes).map_err(|error| no_agent(error.message().to_string()))?;
    let strange = names.not_granted();
    if !strange.is_empty() {
        return Err(Failure::Imports(agent.clone(), strange));
    }
    if !names.can_be_run() {
        return Err(no_agent("it does not export wasi:cli/run".to_string()));
    }
    let engine = Engine::new(&config::config()).map_err(Failure::Start)?;
    engine.precompile_component(&bytes).map_err(|error| no_agent(error.root_cause().to_string()))
}

/// The file, which fits into the memory that compiling it may take.
fn read(agent: &Path, memory: ByteSize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(agent).and_then(|file| file.take(memory.as_u64() + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure::Unreadable(agent.to_path_buf(), error))?;
    match bytes.len() as u64 <= memory.as_u64() {
        true => Ok(bytes),
        false => Err(Failure::NotCompiled(agent.to_path_buf(), super::needs_more(memory))),
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

/// From now on this process may have no more than that, leaves no image of itself when it breaks down, and does not
/// outlive the one that started it, where the system can see to that.
#[cfg(unix)]
fn limit(memory: ByteSize) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let bound = |resource, most: u64| {
        let maximum = getrlimit(resource).maximum;
        let most = maximum.map_or(most, |maximum| maximum.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum })
    };
    bound(Resource::Core, 0)?;
    bound(Resource::Cpu, super::TIME.as_secs())?;
    bound(Resource::As, memory.as_u64().saturating_add(OWN))?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

#[cfg(not(unix))]
fn limit(_memory: ByteSize) -> io::Result<()> {
    Ok(())
}
