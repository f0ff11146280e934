//! The world around a command: the only source of nonces, the environment, the granted
//! directory, and the way out.

use std::io::{self, BufRead, Read, StdinLock};
use std::time::{Duration, Instant};

use coord_core::Turn;
use coord_core::name::Nonce;

#[cfg(target_os = "wasi")]
pub use coord_store::Grant;
#[cfg(not(target_os = "wasi"))]
use coord_store::Handle;

pub use crate::medium::now;

/// Sixty-four fresh random bits; `None` if the host gives none.
pub fn nonce() -> Option<Nonce> {
    getrandom::u64().ok().map(Nonce::from_bits)
}

/// The clock and fresh nonces for an operation, at the price of one random number; `None` if the host gives none.
pub fn turn() -> Option<Turn<'static>> {
    Some(Turn::new(&now, nonce()?))
}

/// A variable of the environment, unless it is empty or not UTF-8.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A second.
pub const SECOND: Duration = Duration::from_secs(1);

/// Standard input, line by line.
#[derive(Debug)]
pub struct Input(StdinLock<'static>);

/// Begins to read standard input.
pub fn stdin() -> Input {
    Input(io::stdin().lock())
}

/// The words for what the system refused, without the number behind them, which is WASI's own.
pub fn reason(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_string()
}

impl Input {
    /// The next line, with its end; `None`: that was all. Of one that is longer than `max_bytes`, one byte more.
    pub fn next_line(&mut self, max_bytes: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let max = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
        let read = (&mut self.0).take(max).read_until(b'\n', &mut line)?;
        Ok((read > 0).then_some(line))
    }
}

/// Standard output. On WASI it is not std's, which says "I/O error" whatever is wrong.
#[cfg(target_os = "wasi")]
#[derive(Debug)]
pub struct Stdout(wasip2::io::streams::OutputStream);

/// Standard output.
#[cfg(target_os = "wasi")]
pub fn stdout() -> Stdout {
    Stdout(wasip2::cli::stdout::get_stdout())
}

#[cfg(target_os = "wasi")]
impl io::Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = loop {
            match self.0.check_write().map_err(unwritten)? {
                0 => self.0.subscribe().block(),
                room => break usize::try_from(room).unwrap_or(usize::MAX),
            }
        };
        let part = bytes.get(..room).unwrap_or(bytes);
        self.0.write(part).map_err(unwritten)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.blocking_flush().map_err(unwritten)
    }
}

#[cfg(target_os = "wasi")]
fn unwritten(error: wasip2::io::streams::StreamError) -> io::Error {
    use wasip2::filesystem::types::{ErrorCode, filesystem_error_code};
    use wasip2::io::streams::StreamError;
    match error {
        StreamError::Closed => io::Error::new(io::ErrorKind::BrokenPipe, "Broken pipe"),
        StreamError::LastOperationFailed(error) => {
            io::Error::other(coord_store::words(filesystem_error_code(&error).unwrap_or(ErrorCode::Io)))
        }
    }
}

/// Standard output.
#[cfg(not(target_os = "wasi"))]
pub type Stdout = io::StdoutLock<'static>;

/// Standard output.
#[cfg(not(target_os = "wasi"))]
pub fn stdout() -> Stdout {
    io::stdout().lock()
}

/// The width and height of the terminal as it is now, if the answer goes to one. The launcher says so by two
/// variables, which it reads anew each time that it is asked.
pub fn terminal_size() -> (Option<usize>, Option<usize>) {
    let variables = variables();
    let measure =
        |name: &str| variables.iter().find(|(known, _)| known == name).and_then(|(_, measure)| measure.parse().ok());
    (measure("COLUMNS"), measure("LINES"))
}

#[cfg(target_os = "wasi")]
fn variables() -> Vec<(String, String)> {
    wasip2::cli::environment::get_environment()
}

#[cfg(not(target_os = "wasi"))]
fn variables() -> Vec<(String, String)> {
    ["COLUMNS", "LINES"].map(|name| (name.to_string(), environment(name).unwrap_or_default())).into()
}

/// Waits without using the processor.
pub fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Measures how long a command takes, by a clock that never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The directories that the host grants, with what it says of their filesystem.
#[cfg(target_os = "wasi")]
pub fn grants() -> Vec<Grant> {
    let mut grants = coord_store::grants();
    if environment(coord_store::SYNCS_FILESYSTEM).is_some() {
        grants.iter_mut().for_each(|grant| grant.directory.rely_on_syncing_the_filesystem());
    }
    if let Some(orders_names) = environment(coord_store::ORDERS_NAMES) {
        grants.iter_mut().for_each(|grant| grant.directory.rely_on_the_order_of_names(orders_names == "1"));
    }
    if environment(coord_store::APPENDS).is_some() {
        grants.iter_mut().for_each(|grant| grant.directory.rely_on_adding_at_once());
    }
    grants
}

/// The directory that the command works in.
#[cfg(not(target_os = "wasi"))]
#[derive(Debug)]
pub struct Grant {
    /// The open directory.
    pub directory: Handle,
    /// What people call it.
    pub name: String,
}

/// The command built without a sandbox, for tests and measurements, works in `.muse/coordination` right here.
#[cfg(not(target_os = "wasi"))]
pub fn grants() -> Vec<Grant> {
    let name = ".muse/coordination";
    let directory = Handle::open(std::path::Path::new(name));
    directory.into_iter().map(|directory| Grant { directory, name: name.to_string() }).collect()
}

/// Ends the command.
#[cfg(target_os = "wasi")]
pub fn exit(code: u8) -> ! {
    // `std::process::exit` makes 1 of every other code on this target.
    wasip2::cli::exit::exit_with_code(code);
    std::process::abort()
}

/// Ends the command.
#[cfg(not(target_os = "wasi"))]
pub fn exit(code: u8) -> ! {
    std::process::exit(i32::from(code))
}
