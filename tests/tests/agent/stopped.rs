//! Agents that are stopped, whatever they are doing.

use std::io;
use std::time::{Duration, Instant};

use coord_tests::Repo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{assert_given_back, await_status, item, task};

/// Code that never pauses, that prints without end, that waits for the clock, that waits for a task.
const ACTIONS: [&str; 4] = ["loop", "print", "sleep", "wait"];

/// The time is long for a machine that is busy: the agent must have begun by then, or it proves nothing.
#[test]
fn an_agent_is_stopped_when_its_time_is_up_whatever_it_does() {
    let began = Instant::now();
    let agents = ACTIONS.map(|action| {
        let repo = Repo::new();
        let id = task(&repo, action);
        let agent = repo.agent("--run-id agent-1 --timeout 10s").start();
        (action, repo, id, agent)
    });
    for (action, repo, id, agent) in agents {
        let ended = agent.finish().ended_with(1);
        let said = "error: \"agent-1\" was stopped: it ran for 10s, as long as --timeout lets it\n";
        assert!(ended.stderr.starts_with(said), "{action}: {}", ended.stderr);
        assert_given_back(&repo, &id, &ended);
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn an_agent_is_stopped_by_a_signal_whatever_it_does() {
    for (action, signal, name) in [
        ("loop", Signal::TERM, "SIGTERM"),
        ("wait", Signal::TERM, "SIGTERM"),
        ("sleep", Signal::INT, "SIGINT"),
        ("loop", Signal::HUP, "SIGHUP"),
    ] {
        let repo = Repo::new();
        let id = task(&repo, action);
        let agent = repo.agent("--run-id agent-1").start();
        await_status(&repo, &id, "claimed");
        kill_process(Pid::from_raw(agent.id().try_into().unwrap()).unwrap(), signal).unwrap();
        let ended = agent.finish().ended_with(1);
        assert!(ended.stderr.starts_with(&format!("error: \"agent-1\" was stopped by {name}\n")), "{ended}");
        assert_given_back(&repo, &id, &ended);
    }
}

/// Then the agent is in the middle of a call of the operating system, which nothing can interrupt.
#[test]
fn an_agent_that_is_blocked_in_printing_is_stopped_and_left_behind() {
    for action in ["print", "print errors"] {
        let repo = Repo::new();
        let id = task(&repo, action);
        let (_unread, full) = io::pipe().unwrap();
        let began = Instant::now();
        let agent = repo.agent("--run-id agent-1 --timeout 8s");
        let blocked = action == "print errors";
        let ended = if blocked { agent.stderr(full) } else { agent.stdout(full) }.run().ended_with(1);
        assert!(began.elapsed() < Duration::from_secs(30), "{action}: {:?}", began.elapsed());
        if blocked {
            // Nobody could be told.
            let item = item(&repo, &id);
            assert_eq!([&item["status"], &item["attempt"]], [&json!("pending"), &json!(0)]);
        } else {
            assert_given_back(&repo, &id, &ended);
        }
    }
}

#[test]
fn a_task_that_another_agent_has_taken_over_stays_with_it() {
    let repo = Repo::new();
    let id = task(&repo, "lose");
    let agent = repo.agent("--run-id agent-1").start();
    await_status(&repo, &id, "timed_out");
    repo.coord("claim --run-id agent-2 --wait 30").succeeded();
    kill_process(Pid::from_raw(agent.id().try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    let ended = agent.finish().ended_with(1);
    let said = format!(
        "warning: \"agent-1\" left the task {id} (\"lose\", queue default) unfinished; its lease had run out, and \"agent-2\" \
         has it now: nothing is to be done\n"
    );
    assert!(ended.stderr.ends_with(&said), "{ended}");
    let item = item(&repo, &id);
    assert_eq!([&item["status"], &item["claimer_run_id"]], [&json!("claimed"), &json!("agent-2")]);
}

#[test]
fn after_sigkill_the_lease_runs_on_and_expiry_takes_over() {
    let repo = Repo::new();
    let id = task(&repo, "lose");
    let agent = repo.agent("--run-id agent-1").start();
    // It has shortened its lease to a second, and that has passed.
    await_status(&repo, &id, "timed_out");
    agent.kill();
    assert_eq!(item(&repo, &id)["claimer_run_id"], "agent-1");
    assert_eq!(repo.coord("claim --run-id agent-2 --wait 30 --json").succeeded().text_of("task_id"), id);
}
