//! Makes machine code of an agent, in a process of its own: this program, started again.
//!
//! A compiler needs many times the memory and time that a program has in bytes, and whoever wrote the agent decides how
//! much. So what is done for the agent is bounded as the agent is. The process may have as much memory as
//! `--compile-memory` says, and as much processor time as [`TIME`] says; it reads the agent's file, which may be as
//! large as that memory, and looks at what the agent imports and exports before it compiles any of it. It ends when
//! this process stops the agent. Where the system knows no such limits (Windows), only `--timeout` bounds it.
//!
//! Guaranteed: this process holds nothing of the agent but the machine code, which is as large as that memory at most.

mod child;
mod names;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use bytesize::ByteSize;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::agent::report::Failure;

pub(crate) use child::{Order, run};

/// How much processor time compiling may take, on all processors together. An agent in JavaScript, which brings its
/// engine along, takes half a minute of it.
const TIME: Duration = Duration::from_secs(300);

/// How many threads compile at once, at most: each needs memory of its own.
const THREADS: usize = 2;

/// How much is kept of what the process says when it breaks down.
const LAST_WORDS: u64 = 4_096;

/// The exit code of a process that found no agent, or one that it refuses. It tells why on its standard output.
const REFUSED: i32 = 2;

/// The exit code of one that cannot do its work. It tells why in the same way.
const UNABLE: i32 = 3;

/// The machine code of an agent, if it is one, and asks for nothing that agents are not given.
pub(crate) async fn compiled(agent: &Path, memory: ByteSize) -> Result<Vec<u8>, Failure> {
    let no_start = "this program cannot be started again, to compile the agent; it finds itself in /proc";
    let child = start(agent, memory).map_err(|error| Failure::System(no_start, error))?;
    let not_compiled = |why: String| Failure::NotCompiled(agent.to_path_buf(), why);
    let ended = end(child, memory).await.map_err(|error| Failure::Start(error.into()))?;
    match ended.status.code() {
        Some(0) => Ok(ended.output),
        Some(code @ (REFUSED | UNABLE)) => {
            let words = String::from_utf8_lossy(&ended.output).into_owned();
            Err(Failure::Told { words, is_usage: code == REFUSED })
        }
        _ => Err(not_compiled(ended.why(memory))),
    }
}

/// How the process ended, and what it wrote.
struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
    last_words: Vec<u8>,
}

impl Ended {
    /// Why there is no machine code.
    fn why(&self, memory: ByteSize) -> String {
        let last_words = String::from_utf8_lossy(&self.last_words);
        let first = last_words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
        match signal(self.status) {
            // Rust ends a process so that gets no memory.
            Some(signal) if signal == ABORT => needs_more(memory),
            Some(signal) if signal == CPU_TIME => takes_too_long(),
            _ => format!("the compiler broke down ({}): {first}", self.status),
        }
    }
}

fn needs_more(memory: ByteSize) -> String {
    format!("it needs more memory for that than --compile-memory lets it have, which is {memory}")
}

fn takes_too_long() -> String {
    format!("it takes more than {} of processor time", humantime::format_duration(TIME))
}

fn start(agent: &Path, memory: ByteSize) -> io::Result<Child> {
    let mut command = Command::new(this_program()?);
    command.args(Order::words(agent, memory)).env_clear().kill_on_drop(true);
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get().min(THREADS));
    // Addresses are what is limited, and glibc reserves many for each thread.
    command.env("MALLOC_ARENA_MAX", "1").env("RAYON_NUM_THREADS", threads.to_string());
    // No stream is opened by its name: there may be no /dev.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C at a terminal is meant for this process, which then ends the other.
    #[cfg(unix)]
    command.process_group(0);
    command.spawn()
}

/// The very program that runs, also if its file was replaced meanwhile.
#[cfg(target_os = "linux")]
fn this_program() -> io::Result<OsString> {
    Ok("/proc/self/exe".into())
}

#[cfg(not(target_os = "linux"))]
fn this_program() -> io::Result<OsString> {
    Ok(std::env::current_exe()?.into_os_string())
}

async fn end(mut child: Child, memory: ByteSize) -> io::Result<Ended> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    drop(child.stdin.take());
    let (output, last_words) = tokio::join!(read(stdout, memory.as_u64()), read(stderr, LAST_WORDS));
    Ok(Ended { status: child.wait().await?, output: output?, last_words: last_words? })
}

/// What is written to a pipe, up to a number of bytes. Then it is closed, and whoever writes to it ends.
async fn read(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most).read_to_end(&mut read).await?;
    }
    Ok(read)
}

#[cfg(unix)]
const ABORT: i32 = rustix::process::Signal::ABORT.as_raw();

#[cfg(unix)]
const CPU_TIME: i32 = rustix::process::Signal::XCPU.as_raw();

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
const ABORT: i32 = 0;

#[cfg(not(unix))]
const CPU_TIME: i32 = 1;

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}
