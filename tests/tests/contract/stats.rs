//! `stats`: figures by queue, for people, programs and Prometheus.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use coord_tests::Repo;
use insta::assert_snapshot;
use serde_json::json;

use crate::with_each;

fn with_tasks() -> Repo {
    let repo = Repo::new();
    repo.given(["enqueue t --queue code"; 3]);
    repo.given(["enqueue t --queue docs --delay 1h", "pause docs", "limit code --max-in-flight 2"]);
    let id = repo.coord("claim --run-id a --json").succeeded().text_of("task_id");
    repo.given([format!("complete {id} --run-id a"), String::from("claim --run-id a")]);
    repo
}

#[test]
fn figures_are_by_queue_and_by_status() {
    let repo = with_tasks();
    let stats = repo.coord("stats --window 2h --json").succeeded().json();
    assert_eq!((&stats["total"], &stats["completed"], &stats["window_seconds"]), (&json!(4), &json!(1), &json!(7_200)));
    let code = &stats["queues"]["code"];
    let counts = ["pending", "claimed", "completed", "failed"].map(|status| code["counts"][status].as_u64());
    assert_eq!(counts, [1, 1, 1, 0].map(Some));
    assert_eq!((&code["paused"], &code["max_in_flight"]), (&json!(false), &json!(2)));
    assert!(code["oldest_pending_seconds"].as_f64().is_some_and(|age| (0.0..60.0).contains(&age)), "{code}");
    assert_eq!(code["completed_per_second"].as_f64(), Some(1.0 / 7_200.0));
    for spread in [&code["wait_seconds"], &code["run_seconds"]] {
        assert_eq!(spread["count"], 1);
        let [p50, p90, p99, max] = ["p50", "p90", "p99", "max"].map(|part| spread[part].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= max && max < 60.0, "{spread}");
    }
    let docs = &stats["queues"]["docs"];
    assert_eq!(
        (&docs["paused"], &docs["counts"]["scheduled"], &docs["run_seconds"]),
        (&json!(true), &json!(1), &json!(null))
    );
    let text = repo.coord("stats").succeeded().stdout;
    for part in [
        "4 task(s)",
        "code  at most 2 claimed at once",
        "1 pending  1 claimed  1 completed",
        "docs  ⏸️ paused",
        "Completed:  0.02 per minute",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn prometheus_gets_its_own_format_with_every_metric_explained() {
    let repo = with_tasks();
    let text = repo.coord("stats --prometheus").succeeded().stdout;
    for line in [
        "muse_coord_tasks{queue=\"code\",status=\"pending\"} 1",
        "muse_coord_tasks{queue=\"docs\",status=\"scheduled\"} 1",
        "muse_coord_all_tasks{status=\"completed\"} 1",
        "muse_coord_queue_paused{queue=\"docs\"} 1",
        "muse_coord_max_in_flight{queue=\"code\"} 2",
        "muse_coord_window_seconds 3600",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    let mut family = String::new();
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(of) => family = of.trim_end_matches(" gauge").to_string(),
            None if line.starts_with("# HELP ") => {}
            None => {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next(), Some(family.as_str()), "{line}");
                assert!(family.starts_with("muse_coord_") && value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
    assert!(text.ends_with('\n') && !text.starts_with('\n'));
}

#[test]
fn an_empty_queue_has_figures_and_bad_values_are_refused() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["stats", "stats --json", "stats --prometheus --json"]), @r#"
    $ muse coord stats

    📊 0 task(s); below, ended tasks only of the last 3600s

      (<s>)
    exit 0

    $ muse coord stats --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","total":0,
     "scheduled":0,"blocked":0,"pending":0,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"window_seconds":3600,"queues":{},"warnings":[]}
    exit 0

    $ muse coord stats --prometheus --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"--prometheus is a format of its own: leave --json and --print out","status":"bad_args",
     "warnings":[]}
    exit 1
    "#);
    assert_snapshot!(with_each(&repo, "stats", "--window", ["-1", "315360001"]), @"
    $ muse coord stats --window -1
    2> ❌ --window must be between 0 and 315360000, got -1
    exit 1

    $ muse coord stats --window 315360001
    2> ❌ --window must be between 0 and 315360000, got 315360001
    exit 1
    ");
}
