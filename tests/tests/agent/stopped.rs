//! Agents that are stopped, whatever they are doing.

use std::fs;
use std::io;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use coord_tests::{Outcome, Repo, Running};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::confined::record;
use super::{assert_given_back, await_status, item, task, task_in};

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
        send(&agent, signal);
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
    send(&agent, Signal::TERM);
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

/// A claim looks at every lease where its queue has a limit, so that the call takes a while.
#[test]
fn a_call_that_claims_many_is_cut_off_and_all_that_it_claimed_is_given_back() {
    let repo = Repo::new();
    repo.coord("limit default --max-in-flight 5000").succeeded();
    task(&repo, "claim many");
    let lines = "{\"title\":\"t\"}\n".repeat(1_500);
    fs::write(repo.path("batch"), lines).unwrap();
    repo.coord("enqueue --batch batch --run-id o").succeeded();
    let agent = repo.agent("--run-id agent-1").env("MUSE_COORD_SYNC", "off").start();
    await_claims(&repo, 100);
    send(&agent, Signal::TERM);
    let ended = finished(agent).ended_with(1);
    let tasks = repo.tasks();
    assert_eq!(tasks["claimed"], 0, "{}", ended.stderr.lines().last().unwrap());
    let claimed = tasks["items"].as_array().unwrap().iter().filter(|item| item["generation"] != 0).count();
    let told = ended.stderr.lines().filter(|line| line.ends_with("it was given back, and waits to be claimed")).count();
    assert_eq!(told, claimed);
    assert!((100..1_500).contains(&claimed), "{claimed} of 1501 were claimed");
}

/// Waits until as many tasks are claimed.
fn await_claims(repo: &Repo, number: u64) {
    let began = Instant::now();
    while repo.coord("tasks --limit 1 --json").succeeded().json()["claimed"].as_u64() < Some(number) {
        assert!(began.elapsed() < Duration::from_secs(60), "never as many as {number}");
    }
}

/// The second claim stands for one that failed after it had taken the task.
#[test]
fn what_was_claimed_in_its_name_without_its_learning_of_it_is_given_back() {
    let repo = Repo::new();
    let known = task(&repo, "sleep");
    let agent = repo.agent("--run-id agent-1").start();
    await_status(&repo, &known, "claimed");
    let unknown = task(&repo, "complete");
    assert_eq!(repo.claim("agent-1"), unknown);
    send(&agent, Signal::TERM);
    let ended = finished(agent).ended_with(1);
    for id in [&known, &unknown] {
        let said = format!("warning: \"agent-1\" left the task {id} (");
        assert!(ended.stderr.contains(&said), "{ended}");
        assert_eq!(item(&repo, id)["status"], "pending", "{ended}");
    }
}

#[test]
fn what_its_run_id_held_before_the_start_is_given_back_only_if_it_was_taken_up_again() {
    let repo = Repo::new();
    let earlier = task(&repo, "complete");
    assert_eq!(repo.claim("agent-1"), earlier);
    let kept = task(&repo, "keep");
    let ended = repo.agent("--run-id agent-1").run().succeeded();
    assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
    assert_given_back(&repo, &kept, &ended);
    assert_eq!(item(&repo, &earlier)["status"], "claimed");

    let calls = json!([{ "call": "resume", "id": earlier }]);
    task_in(&repo, "other", json!({ "do": "call", "calls": calls }));
    let ended = repo.agent("--run-id agent-1").run().succeeded();
    assert_given_back(&repo, &earlier, &ended);
}

/// Nobody reads what it prints, so the agent does not notice that it is to stop, and is given a second for that.
#[test]
fn a_second_signal_ends_it_before_anything_is_given_back() {
    let repo = Repo::new();
    let id = task(&repo, "print");
    let (_unread, full) = io::pipe().unwrap();
    let agent = repo.agent("--run-id agent-1").stdout(full).start();
    await_status(&repo, &id, "claimed");
    thread::sleep(Duration::from_secs(1));
    send(&agent, Signal::TERM);
    thread::sleep(Duration::from_millis(100));
    send(&agent, Signal::INT);
    let ended = finished(agent).ended_with(1);
    let last = "error: \"agent-1\" was stopped by SIGTERM, and SIGINT ended this program before all that it held was \
                given back";
    assert_eq!(ended.stderr.lines().last(), Some(last), "{ended}");
    let told = format!(
        "warning: \"agent-1\" left the task {id} (\"print\", queue default) unfinished; it may be held still, as \
         SIGINT came first; it can be claimed when its lease has run out, or called off by `muse coord cancel-task \
         {id} --force`\n"
    );
    assert!(ended.stderr.contains(&told), "{ended}");
}

#[test]
fn an_agent_whose_tasks_record_became_a_fifo_is_stopped_and_the_task_is_told() {
    let repo = Repo::new();
    let id = task(&repo, "sleep");
    let agent = repo.agent("--run-id agent-1").start();
    await_status(&repo, &id, "claimed");
    let record = record(&repo, &id);
    fs::remove_file(&record).unwrap();
    assert!(Command::new("mkfifo").arg(&record).status().unwrap().success());
    send(&agent, Signal::TERM);
    let ended = finished(agent).ended_with(1);
    let said = format!(
        "warning: \"agent-1\" left the task {id} (\"sleep\", queue default) unfinished; it could not be given back: "
    );
    assert!(ended.stderr.contains(&said), "{ended}");
}

/// The agent never gets to its work: a FIFO is in the way of the first thing that it asks for.
#[test]
fn an_agent_that_meets_a_fifo_goes_on() {
    let repo = Repo::new();
    let id = task(&repo, "complete");
    let fifo = repo.coordination("ready/zzz");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    finished(repo.agent("--run-id agent-1").start()).succeeded();
    assert_eq!(item(&repo, &id)["status"], "completed");
}

fn send(agent: &Running, signal: Signal) {
    kill_process(Pid::from_raw(agent.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

/// How the agent ended; if it takes longer than a minute, by SIGKILL.
fn finished(agent: Running) -> Outcome {
    let pid = Pid::from_raw(agent.id().try_into().unwrap()).unwrap();
    let (done, is_done) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if is_done.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
            kill_process(pid, Signal::KILL).unwrap();
        }
    });
    let ended = agent.finish();
    drop(done);
    watchdog.join().unwrap();
    ended
}
