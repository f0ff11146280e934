//! What a process that may be killed at any moment notes of what it does: a line of JSON on standard output by one
//! `write` each. A pipe keeps what was written before a SIGKILL, and takes short lines whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The two halves of an operation, noted before it begins and when it is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Said<Op, Answer> {
    Began(Op),
    Got(Answer),
}

/// Standard output, which nothing holds back.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    pub(crate) fn open() -> Log {
        Log(File::from(io::stdout().as_fd().try_clone_to_owned().expect("standard output is open")))
    }

    /// Notes it, or ends the process: nobody is left to be told.
    pub(crate) fn note(&mut self, note: &impl Serialize) {
        let line = serde_json::to_string(note).expect("a note is JSON") + "\n";
        if self.0.write_all(line.as_bytes()).is_err() {
            process::exit(1);
        }
    }
}

/// The time by a clock that never jumps and is the same for all processes, in nanoseconds.
pub(crate) fn nanos() -> u64 {
    nanos_by(ClockId::Monotonic)
}

/// The machine's time, whatever clock an agent is given: in microseconds since 1970.
pub(crate) fn wall_micros() -> u64 {
    nanos_by(ClockId::Realtime) / 1_000
}

/// By a system call, not by the C library, which `libfaketime` changes.
fn nanos_by(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let nanos = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanos).expect("the clock is positive")
}
