//! What time does to a task: a lease that runs out, a holder that comes late, a task that waits too long. Where the
//! past is shown to the second, a test sleeps once, for a little more than the shortest lease, which is a second.

use std::thread::sleep;
use std::time::Duration;

use coord_tests::Repo;
use insta::assert_snapshot;

use crate::with_each;

#[test]
fn a_lease_that_ran_out_is_timed_out_with_its_last_holder_until_it_is_claimed_again_swept_or_not() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.coord("claim --run-id late --claim-ttl 1").succeeded();
    a_lease_later();
    let unswept = repo.coord("tasks --json").succeeded();
    // Nothing to claim in that queue: an agent looks through the leases before it says so.
    repo.coord("claim --run-id other --queue empty").ended_with(1);
    let swept = repo.coord("tasks --json").succeeded();
    for listed in [&unswept, &swept] {
        let listed = listed.json();
        assert_eq!((&listed["timed_out"], &listed["total"]), (&1.into(), &1.into()));
        assert_eq!(listed["items"][0]["status"], "timed_out");
        assert_eq!(listed["items"][0]["claimer_run_id"], "late");
    }
    assert_snapshot!(repo.session(["tasks --run-id late --status timed_out --json", "claim --run-id next --json"]), @r#"
    $ muse coord tasks --run-id late --status timed_out --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>","total":1,
     "scheduled":0,"blocked":0,"pending":0,"claimed":0,"timed_out":1,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[{"task_id":"<id 1>","title":"Fix it","priority":0,
     "queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 1>","tags":[],"payload":{},
     "status":"timed_out","claimer_run_id":"late","expires_at":"<time 2>","generation":1,"attempt":1,
     "result":null,"error":null}],"warnings":[]}
    exit 0

    $ muse coord claim --run-id next --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 5>",
     "task_id":"<id 1>","claimer_run_id":"next","claimed_at":"<time 4>","expires_at":"<time 4 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 4>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":2,"attempt":2,"cancel_requested":false,"task":{"task_id":"<id 1>",
     "title":"Fix it","priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown",
     "created_at":"<time 1>","tags":[],"payload":{}},"warnings":[]}
    exit 0
    "#);
    let listed = repo.tasks();
    assert_eq!((&listed["items"][0]["task_id"], &listed["items"][0]["claimer_run_id"]), (&id.into(), &"next".into()));
}

#[test]
fn a_late_holder_succeeds_as_long_as_nobody_has_taken_the_task_over_swept_or_not() {
    let repo = Repo::new();
    let ids = ["heartbeat", "complete", "fail", "swept-heartbeat", "swept-complete", "swept-fail"]
        .map(|title| repo.ago(7_200).enqueue(&format!(r#"{{"title":"{title}"}}"#)));
    let [heartbeat, complete, fail, swept_heartbeat, swept_complete, swept_fail] = &ids;
    (0..6).for_each(|_| _ = repo.ago(3_600).claim("late", "default"));
    let say = |command: &str, id: &str| {
        repo.coord(&format!("{command} {id} --run-id late --json")).succeeded().text_of("status")
    };
    assert_eq!(say("heartbeat --claim-ttl 60", heartbeat), "claimed");
    assert_eq!(say("complete", complete), "completed");
    assert_eq!(say("fail-task", fail), "failed");
    repo.coord("claim --run-id other --queue empty").ended_with(1);
    assert_eq!(repo.tasks()["timed_out"], 3);
    assert_eq!(say("heartbeat --claim-ttl 60", swept_heartbeat), "claimed");
    assert_eq!(say("complete", swept_complete), "completed");
    assert_eq!(say("fail-task", swept_fail), "failed");
    repo.coord("claim --run-id other").ended_with(1);
}

#[test]
fn the_late_holder_of_a_task_that_was_taken_over_is_refused_and_told_who_has_it() {
    let repo = Repo::new();
    let id = repo.ago(7_200).enqueue(r#"{"title":"Fix it"}"#);
    repo.ago(3_600).claim("late", "default");
    assert_snapshot!(repo.session([
        String::from("claim --run-id next --json"),
        format!("complete {id} --run-id late"),
        format!("complete {id} --run-id late --json"),
        format!("heartbeat {id} --run-id late --json"),
        format!("fail-task {id} --run-id late --json"),
        format!("cancel-task {id} --run-id late --json"),
    ]), @r#"
    $ muse coord claim --run-id next --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 1>","claimer_run_id":"next","claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 2>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":2,"attempt":2,"cancel_requested":false,"task":{"task_id":"<id 1>",
     "title":"Fix it","priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown",
     "created_at":"<time 1>","tags":[],"payload":{}},"warnings":[]}
    exit 0

    $ muse coord complete <id 1> --run-id late
    2> ❌ task <id 1>: the lease is lost: the task belongs to "next", who claimed it at <time 2> as generation 2 with a lease until <time 2 + 3600s>; stop this work and claim another task
    exit 1

    $ muse coord complete <id 1> --run-id late --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"task <id 1>: the lease is lost: the task belongs to \"next\", who claimed it at <time 2> as generation 2 with a lease until <time 2 + 3600s>; stop this work and claim another task",
     "status":"lease_lost","task_status":"claimed","claimer_run_id":"next","generation":2,
     "claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>","warnings":[]}
    exit 1

    $ muse coord heartbeat <id 1> --run-id late --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"task <id 1>: the lease is lost: the task belongs to \"next\", who claimed it at <time 2> as generation 2 with a lease until <time 2 + 3600s>; stop this work and claim another task",
     "status":"lease_lost","task_status":"claimed","claimer_run_id":"next","generation":2,
     "claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>","warnings":[]}
    exit 1

    $ muse coord fail-task <id 1> --run-id late --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 6>",
     "error":"task <id 1>: the lease is lost: the task belongs to \"next\", who claimed it at <time 2> as generation 2 with a lease until <time 2 + 3600s>; stop this work and claim another task",
     "status":"lease_lost","task_status":"claimed","claimer_run_id":"next","generation":2,
     "claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>","warnings":[]}
    exit 1

    $ muse coord cancel-task <id 1> --run-id late --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 7>",
     "error":"task <id 1>: it belongs to \"next\", who claimed it at <time 2> as generation 2 with a lease until <time 2 + 3600s>",
     "status":"wrong_owner","task_status":"claimed","claimer_run_id":"next","generation":2,
     "claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>",
     "hint":"--request asks its holder to stop; --force cancels it anyway, and the holder's next call fails with already_terminal",
     "warnings":[]}
    exit 1
    "#);
    let completed = repo.coord(&format!("complete {id} --run-id next --json")).succeeded().json();
    assert_eq!((&completed["generation"], &completed["attempt"]), (&2.into(), &2.into()));
    let late = repo.coord(&format!("complete {id} --run-id late --json")).ended_with(1);
    assert_eq!(late.text_of("status"), "already_terminal");
}

#[test]
fn two_processes_of_one_run_id_cannot_finish_each_others_work_when_they_give_their_nonces() {
    let repo = Repo::new();
    let id = repo.ago(7_200).enqueue(r#"{"title":"Fix it"}"#);
    let first = repo.ago(3_600).claim("twin", "default");
    let second = repo.coord("claim --run-id twin --json").succeeded().text_of("claim_nonce");
    let line = format!("complete {id} --run-id twin --json");
    assert_snapshot!(with_each(&repo, &line, "--claim-nonce", [first.as_str(), second.as_str()]), @r#"
    $ muse coord complete <id 1> --run-id twin --json --claim-nonce <nonce 1>
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"task <id 1>: the lease is lost: the task belongs to \"twin\", who claimed it at <time 1> as generation 2 with a lease until <time 1 + 3600s>; stop this work and claim another task",
     "status":"lease_lost","task_status":"claimed","claimer_run_id":"twin","generation":2,
     "claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>","warnings":[]}
    exit 1

    $ muse coord complete <id 1> --run-id twin --json --claim-nonce <nonce 2>
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 1>","claimer_run_id":"twin","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"completed","heartbeat_at":"<time 1>","claim_nonce":"<nonce 2>","result":null,
     "error":null,"generation":2,"attempt":2,"cancel_requested":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_task_that_nobody_claimed_in_time_is_expired_for_good_and_counted_on_its_own() {
    let repo = Repo::new();
    let id = repo.coord("enqueue short-lived --ttl 1 --json").succeeded().text_of("task_id");
    let unlucky = repo.coord("enqueue another --ttl 1 --json").succeeded().text_of("task_id");
    repo.claim("agent-1");
    a_lease_later();
    assert_snapshot!(repo.session([
        String::from("tasks"),
        String::from("claim --run-id agent-1 --json"),
        String::from("tasks --status expired --json"),
        format!("complete {unlucky} --run-id agent-1"),
        format!("complete {unlucky} --run-id agent-1 --json"),
        format!("cancel-task {unlucky} --run-id agent-1 --force --json"),
    ]), @r#"
    $ muse coord tasks

    Task queue — 2 task(s)
      0 pending  1 claimed  0 timed_out  0 completed  0 failed  0 cancelled
      1 expired
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> 🔒claimed       0 default      agent-1              short-lived
    <id 2> ⌛expired       0 default      -                    another

      (<s>)
    exit 0

    $ muse coord claim --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "status":"empty","queue":null,"warnings":[]}
    exit 1

    $ muse coord tasks --status expired --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>","total":2,
     "scheduled":0,"blocked":0,"pending":0,"claimed":1,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":1,"limit":200,"truncated":false,"items":[{"task_id":"<id 2>","title":"another","priority":0,
     "queue":"default","ttl_seconds":1,"created_by":"unknown","created_at":"<time 2>","tags":[],"payload":{},
     "status":"expired","claimer_run_id":null,"expires_at":null,"generation":0,"attempt":0,"result":null,
     "error":null,"ended_at":"<time 2 + 1s>"}],"warnings":[]}
    exit 0

    $ muse coord complete <id 2> --run-id agent-1
    2> ❌ task <id 2>: it expired at <time 2 + 1s>, because nobody had claimed it in time
    exit 1

    $ muse coord complete <id 2> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"task <id 2>: it expired at <time 2 + 1s>, because nobody had claimed it in time",
     "status":"already_terminal","task_status":"expired","claimer_run_id":null,"ended_at":"<time 2 + 1s>",
     "warnings":[]}
    exit 1

    $ muse coord cancel-task <id 2> --run-id agent-1 --force --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"task <id 2>: it expired at <time 2 + 1s>, because nobody had claimed it in time",
     "status":"already_terminal","task_status":"expired","claimer_run_id":null,"ended_at":"<time 2 + 1s>",
     "warnings":[]}
    exit 1
    "#);
    repo.coord(&format!("complete {id} --run-id agent-1")).succeeded();
}

#[test]
fn a_task_whose_lease_ran_out_is_called_off_without_force() {
    let repo = Repo::new();
    let id = repo.ago(7_200).enqueue(r#"{"title":"Fix it"}"#);
    repo.ago(3_600).claim("late", "default");
    repo.coord(&format!("cancel-task {id} --run-id orchestrator")).succeeded();
    assert_eq!(repo.tasks()["items"][0]["claimer_run_id"], "orchestrator");
}

fn a_lease_later() {
    sleep(Duration::from_millis(1_100));
}
