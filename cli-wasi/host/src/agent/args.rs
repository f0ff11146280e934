//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use coord_core::name::{QueueName, RunId};
use coord_core::request::Field;

use crate::agent::output::Output;

const AFTER_HELP: &str = "\
Example:
  muse coord enqueue \"Refactor billing\" --queue code
  muse-agent agent.wasm --run-id agent-1 --queue code --memory 512MiB --timeout 2h

Environment:
  MUSE_REPO_ROOT    the repository; else the nearest directory upward that holds .muse/
  MUSE_COORD_STORE  the engine that the queue is on, in place of the repository's: postgres://…
  MUSE_RUN_ID       the --run-id
  MUSE_COORD_SYNC   posix: rely on no journal; off: do not sync to disk, for throw-away queues

Exit codes:
  0 done · 1 the agent failed, trapped or was stopped · 2 wrong usage, no repository, or no agent
  An agent that exits with a code of its own gives that one.";

/// Run an agent, a WebAssembly component that has the task queue and nothing else
///
/// The agent is a component of world `muse:coord/agent`. It can open no file and no connection, acts under its run id
/// and no other, and is given its run id as MUSE_RUN_ID. Tasks that it claimed and did not settle are given back when
/// it ends. A second SIGINT, SIGTERM or SIGHUP ends this program before that is done.
#[derive(Clone, Debug, Parser)]
#[command(name = "muse-agent", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The agent
    #[arg(value_name = "AGENT.wasm")]
    pub(crate) agent: PathBuf,
    /// Who the agent is: two agents that run must not share one
    #[arg(long, env = "MUSE_RUN_ID", hide_env = true, value_name = "RUN_ID")]
    pub(crate) run_id: RunId,
    /// The one queue that the agent sees, claims from and adds to; without it, all
    #[arg(long, value_name = "QUEUE")]
    pub(crate) queue: Option<QueueName>,
    /// How much memory the agent may have in all: 256MiB, or 64M for 64,000,000 bytes
    #[arg(long, default_value = "256MiB", value_name = "SIZE")]
    pub(crate) memory: ByteSize,
    /// How long the agent may run: 90 (seconds), 30s, 5m, 1h30m; without it, until it ends
    #[arg(long, value_parser = timeout, value_name = "DURATION")]
    pub(crate) timeout: Option<Duration>,
    /// How much memory compiling the agent may take; its file may be as large. Compiling counts for --timeout, and may
    /// take 5 minutes of processor time
    #[arg(long, default_value = "512MiB", value_name = "SIZE")]
    pub(crate) compile_memory: ByteSize,
    /// How many tasks the agent may add in all, follow-ups too; without it, any number
    #[arg(long, value_name = "N")]
    pub(crate) max_tasks: Option<u64>,
    /// The agent may add tasks until so many wait to be claimed, in its queue or, without --queue, in all; those that
    /// are due later or wait for another count once they can be claimed
    #[arg(long, value_name = "N")]
    pub(crate) max_pending: Option<usize>,
    /// What becomes of what the agent prints
    #[arg(long, default_value = "inherit", value_name = "HOW")]
    pub(crate) agent_output: Output,
}

/// A duration, as every command of the product takes it.
fn timeout(given: &str) -> Result<Duration, String> {
    let field = Field::TimeoutSeconds;
    let seconds = field.seconds(given).and_then(|seconds| field.check(seconds));
    let seconds = seconds.map_err(|bad| bad.message(|_| "--timeout".to_string()))?;
    Ok(Duration::from_secs(seconds.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_and_times_are_read_with_their_units() {
        let read = |memory, timeout| {
            let words = ["muse-agent", "a.wasm", "--run-id", "r", "--memory", memory, "--timeout", timeout];
            let arguments = Arguments::try_parse_from(words).unwrap();
            (arguments.memory.as_u64(), arguments.timeout.unwrap().as_secs())
        };
        assert_eq!(read("256MiB", "30s"), (256 << 20, 30));
        assert_eq!(read("64M", "2h"), (64_000_000, 7_200));
        assert_eq!(read("65536", "1h30m"), (65_536, 5_400));
        assert_eq!(read("65536", "90"), (65_536, 90));
    }

    #[test]
    fn what_is_no_size_time_run_id_or_queue_is_refused() {
        for bad in [
            ["--memory", "much"],
            ["--compile-memory", "-1"],
            ["--timeout", "-1"],
            ["--timeout", "1h 30m"],
            ["--timeout", "later"],
            ["--queue", "a/b"],
            ["--run-id", ""],
            ["--max-tasks", "-1"],
            ["--max-pending", "some"],
            ["--agent-output", "loud"],
        ] {
            let words = ["muse-agent", "a.wasm", "--run-id=r"]
                .into_iter()
                .filter(|word| bad[0] != "--run-id" || *word != "--run-id=r");
            assert!(Arguments::try_parse_from(words.chain(bad)).is_err(), "{bad:?}");
        }
    }
}
