//! What the agent prints, for whoever runs it: as it is, line by line under its name, or not at all.
//!
//! Guaranteed with `prefix`: each line begins with the run id in quotes, so that none can be taken for this program's
//! own, and nothing in it acts on a terminal. A line longer than [`LINE`] bytes is cut into several.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use clap::ValueEnum;
use coord_core::name::RunId;
use coord_store::process;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{WasiCtxBuilder, async_trait};

use crate::agent::report::harmless;

/// How many bytes a line may have.
const LINE: usize = 8_192;

/// What becomes of what the agent prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// It is passed on as it is
    Inherit,
    /// Each line is passed on after the run id, without control characters
    Prefix,
    /// It is dropped
    None,
}

/// Gives an agent its standard output and standard error. What it prints to a stream that is closed is dropped.
pub(crate) fn give(wasi: &mut WasiCtxBuilder, output: Output, run_id: &RunId) {
    let usable = [Stream::Stdout, Stream::Stderr].map(|stream| !process::stream_is_unusable(stream as u8));
    match output {
        Output::None => {}
        Output::Inherit => {
            if usable[0] {
                wasi.inherit_stdout();
            }
            if usable[1] {
                wasi.inherit_stderr();
            }
        }
        Output::Prefix => {
            if usable[0] {
                wasi.stdout(Lines::new(Stream::Stdout, run_id));
            }
            if usable[1] {
                wasi.stderr(Lines::new(Stream::Stderr, run_id));
            }
        }
    }
}

/// A standard stream of this process, by its number.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Stdout = 1,
    Stderr = 2,
}

impl Stream {
    fn write(self, text: &str) -> io::Result<()> {
        match self {
            Stream::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()
            }
            Stream::Stderr => io::stderr().write_all(text.as_bytes()),
        }
    }
}

/// A stream of the agent's. All handles to it share what is not a line yet.
#[derive(Clone, Debug)]
struct Lines(Arc<Mutex<Unfinished>>);

/// The line that the agent is printing.
#[derive(Debug)]
struct Unfinished {
    stream: Stream,
    prefix: String,
    line: Vec<u8>,
}

impl Lines {
    fn new(stream: Stream, run_id: &RunId) -> Lines {
        let prefix = format!("{:?}: ", run_id.as_str());
        Lines(Arc::new(Mutex::new(Unfinished { stream, prefix, line: Vec::new() })))
    }

    fn unfinished(&self) -> MutexGuard<'_, Unfinished> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unfinished {
    /// Prints each line that is whole by now.
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut text = String::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in part.chunks(LINE) {
                if self.line.len() + piece.len() > LINE {
                    self.end_line(&mut text);
                }
                self.line.extend_from_slice(piece);
            }
            if part.ends_with(b"\n") {
                self.end_line(&mut text);
            }
        }
        if text.is_empty() { Ok(()) } else { self.stream.write(&text) }
    }

    fn end_line(&mut self, text: &mut String) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        text.push_str(&harmless(&self.prefix));
        text.push_str(&harmless(line));
        text.push('\n');
    }
}

/// The agent is gone, and its last line may lack its end.
impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            let mut text = String::new();
            self.end_line(&mut text);
            // If it can't be said there is nowhere left to say so.
            _ = self.stream.write(&text);
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

/// As the runtime's own standard output it waits until what is printed has been taken.
impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.unfinished().add(&bytes).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => StreamError::Closed,
            _ => StreamError::LastOperationFailed(error.into()),
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(1 << 20)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.unfinished().add(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
