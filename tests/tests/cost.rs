//! What a command costs as a whole process, as a ratio measured in turn in one run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;
use std::time::{Duration, Instant};

use coord_tests::{Repo, medians, report};

#[test]
fn listing_an_empty_queue_takes_at_most_three_times_a_native_hello_world() {
    let repo = Repo::new();
    repo.coord("init").succeeded();
    let [hello, tasks] = medians(
        101,
        [&|| timed(&mut Command::new(env!("CARGO_BIN_EXE_hello"))), &|| {
            timed(
                Command::new(std::env::var_os("MUSE_BIN").unwrap())
                    .args(["coord", "tasks"])
                    .current_dir(repo.path(".")),
            )
        }],
    );
    let ratio = tasks / hello;
    report(format_args!(
        "tasks on an empty queue: {:.2} ms, hello world: {:.2} ms: {ratio:.2}x",
        tasks * 1e3,
        hello * 1e3
    ));
    assert!(ratio <= 3.0, "{ratio}");
}

fn timed(command: &mut Command) -> Duration {
    let began = Instant::now();
    assert!(command.output().unwrap().status.success());
    began.elapsed()
}
