//! `export` and `import`: tasks as lines of JSON, and back.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use coord_tests::Repo;
use insta::assert_snapshot;
use serde_json::{Value, json};

fn with_tasks() -> Repo {
    let repo = Repo::new();
    let payload = r#"{"n":12345678901234567890123}"#;
    repo.coord(&format!("enqueue failing --max-attempts 2 --backoff 0 --payload {payload}")).succeeded();
    repo.given(["claim --run-id a", "enqueue waiting --tags a,b --priority -3", "enqueue later --delay 1h"]);
    let failing =
        repo.coord("tasks --status claimed --json").json()["items"][0]["task_id"].as_str().unwrap().to_string();
    repo.given([
        format!("fail-task {failing} --run-id a --error oh"),
        String::from("enqueue done --queue q"),
        String::from("claim --run-id a --queue q"),
    ]);
    let done = repo.coord("tasks --status claimed --json").json()["items"][0]["task_id"].as_str().unwrap().to_string();
    repo.coord(&format!(r#"complete {done} --run-id a --result {{"pr":42}}"#)).succeeded();
    repo.given(["enqueue held --queue held", "claim --run-id a --queue held"]);
    repo
}

#[test]
fn what_was_exported_is_imported_under_its_ids_with_results_and_history() {
    let (from, to) = (with_tasks(), Repo::new());
    let exported = from.coord("export").succeeded();
    assert_eq!(exported.stdout.lines().count(), 5);
    let import = |line: &str| to.coord_call(line).input(&exported.stdout).run();
    assert_snapshot!(coord_tests::transcript([import("import"), import("import --json")]), @r#"
    $ muse coord import

    📥 Imported
      Imported:   5
      Already:    0 existed and were not changed

      (<s>)
    exit 0

    $ muse coord import --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","imported":0,
     "already":5,"key_taken":0,"parents_missing":0,"settings":0,"warnings":[]}
    exit 0
    "#);
    for item in from.tasks()["items"].as_array().unwrap() {
        let id = item["task_id"].as_str().unwrap();
        let [before, mut after] = [&from, &to].map(|repo| shown(repo, id));
        if before["title"] == "held" {
            assert_eq!(
                (&after["status"], &after["claimer_run_id"]),
                (&json!("pending"), &json!(null)),
                "a lease is for one directory"
            );
            after = before.clone();
        }
        assert_eq!(before, after);
    }
    assert!(exported.stdout.contains("12345678901234567890123"));
    to.coord("doctor").succeeded();
}

fn shown(repo: &Repo, id: &str) -> Value {
    let mut shown = repo.coord(&format!("show {id} --json")).succeeded().json();
    for field in ["duration_ms", "timestamp", "imported_at"] {
        shown.as_object_mut().unwrap().remove(field);
    }
    for report in shown["history"].as_array_mut().unwrap() {
        report.as_object_mut().unwrap().remove("imported");
    }
    shown
}

#[test]
fn a_line_that_is_wrong_is_named_and_the_import_can_be_given_again() {
    let (from, to) = (with_tasks(), Repo::new());
    let exported = from.coord("export").succeeded().stdout;
    let first = exported.lines().next().unwrap();
    for bad in ["{\"title\":\"t\"}", "nonsense", &first.replace("failing", "altered")] {
        let input = [exported.lines().last().unwrap(), bad, first].join("\n");
        let outcome = to.coord_call("import --json").input(input).run().ended_with(1);
        assert_eq!(outcome.text_of("status"), "bad_args");
        let error = outcome.text_of("error");
        assert!(error.starts_with("line 2: ") && error.contains("the 1 line(s) before it are imported"), "{error}");
    }
    assert_eq!(to.tasks()["total"], 1);
    let whole = to.coord_call("import --json").input(&exported).run().succeeded().json();
    assert_eq!((&whole["imported"], &whole["already"]), (&json!(4), &json!(1)));
}

#[test]
fn a_task_whose_key_another_one_has_is_left_out() {
    let (from, to) = (Repo::new(), Repo::new());
    from.given(["enqueue theirs --unique k", "enqueue other"]);
    to.coord("enqueue ours --unique k").succeeded();
    let exported = from.coord("export").succeeded().stdout;
    assert_snapshot!(to.coord_call("import").input(&exported).run(), @"
    $ muse coord import

    ❌ Imported in part
      Imported:   1
      Already:    0 existed and were not changed
      Left out:   1: another task has their unique key

      (<s>)
    2> ⚠️  line 1: task <bare id 1> was left out: another task has its unique key
    exit 1
    ");
    assert_eq!(to.tasks()["total"], 2);
}

#[test]
fn an_empty_queue_is_exported_as_nothing() {
    let repo = Repo::new();
    assert_eq!(repo.coord("export").succeeded().stdout, "");
    let answer = repo.coord_call("import --json").input("").run().succeeded().json();
    assert_eq!(answer["imported"], 0);
}

#[test]
fn settings_requests_to_stop_and_late_results_are_brought_back() {
    let (from, to) = (Repo::new(), Repo::new());
    let late = from.ago(7_200).enqueue(r#"{"title":"late","queue":"late"}"#);
    from.ago(3_600).claim("slow", "late");
    from.given(["enqueue asked --queue asked"]);
    let asked = from.coord("claim --run-id a --queue asked --json").succeeded().text_of("task_id");
    from.given([
        format!("cancel-task {asked} --request --reason enough --run-id boss"),
        String::from("claim --run-id quick --queue late"),
        String::from("pause late"),
        String::from("limit gpu --max-in-flight 3"),
    ]);
    from.coord(&format!(r#"complete {late} --run-id slow --result {{"n":1}}"#)).ended_with(1);
    let exported = from.coord("export").succeeded().stdout;
    let told = to.coord_call("import --json").input(&exported).run().succeeded().json();
    assert_eq!((&told["imported"], &told["settings"]), (&json!(2), &json!(2)));
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(warning.contains(&asked["sha256:".len()..]) && warning.contains("asked to stop"), "{warning}");
    assert_eq!(shown(&to, &asked)["status"], "cancelled");
    assert_eq!(shown(&to, &late)["late_results"], shown(&from, &late)["late_results"]);
    to.coord("claim --run-id b --queue late").ended_with(1);
    to.coord("resume late").succeeded();
    let claimed = to.coord("claim --run-id b --queue late --json").succeeded().json();
    assert_eq!(claimed["late_results"][0]["result"], json!({"n": 1}));
}

#[test]
fn a_chunk_without_what_its_tasks_wait_for_is_left_out_and_told() {
    let (from, to) = (Repo::new(), Repo::new());
    let parent = from.enqueue("parent");
    from.coord(&format!("enqueue child --after {parent}")).succeeded();
    let exported = from.coord("export").succeeded().stdout;
    let (parents, children) = exported.split_once('\n').unwrap();
    let import = |input: &str| to.coord_call("import --json").input(input).run();
    let told = import(children).ended_with(1).json();
    assert_eq!((&told["imported"], &told["parents_missing"]), (&json!(0), &json!(1)));
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(warning.contains(&parent["sha256:".len()..]) && warning.contains("import that one first"), "{warning}");
    assert_eq!(to.tasks()["total"], 0);
    // In one input the order does not matter.
    let told = import(&[children.trim(), parents].join("\n")).succeeded().json();
    assert_eq!((&told["imported"], &told["parents_missing"]), (&json!(2), &json!(0)));
}

#[test]
fn what_nobody_can_prove_is_shown_as_imported() {
    let (from, to) = (with_tasks(), Repo::new());
    let exported = from.coord("export").succeeded().stdout;
    to.coord_call("import").input(&exported).run().succeeded();
    let mut marked = Vec::new();
    for item in to.tasks()["items"].as_array().unwrap() {
        let shown = to.coord(&format!("show {} --json", item["task_id"].as_str().unwrap())).succeeded().json();
        let reports = shown["history"].as_array().unwrap();
        assert!(reports.iter().all(|report| report["imported"] == true), "{shown}");
        if shown.get("imported_at").is_some() {
            marked.push(shown["title"].as_str().unwrap().to_string());
        }
    }
    marked.sort();
    assert_eq!(marked, ["done", "failing", "held"]);
    let done = to.coord("tasks --status completed --print items.0.task_id").succeeded().stdout;
    let text = to.coord(&format!("show {}", done.trim())).succeeded().stdout;
    assert!(text.contains("Imported:   20") && text.contains("(imported) completed a: {\"pr\":42}"), "{text}");
}

#[test]
fn a_forged_line_is_refused_by_its_number_and_the_reason() {
    let (from, to) = (Repo::new(), Repo::new());
    let id = from.enqueue("t");
    let pending = from.coord("export").succeeded().stdout;
    let run_id = "an-agent-whose-run-id-is-too-long-for-the-name-of-a-task";
    from.coord(&format!("claim --run-id {run_id}")).succeeded();
    from.coord(&format!(r#"complete {id} --run-id {run_id} --result {{"pr":42}}"#)).succeeded();
    let completed = from.coord("export").succeeded().stdout;
    let forged = |line: &str, change: &dyn Fn(&str) -> String| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["entry"] = change(line["entry"].as_str().unwrap()).into();
        line.to_string()
    };
    let ended = completed.split(".completed.d").nth(1).unwrap()[..13].to_string();
    let state = |new: &'static str| move |entry: &str| entry.split(".ready.").next().unwrap().to_string() + new;
    let other = format!("blocked.o{}", "0".repeat(64)).leak();
    for (line, reason) in [
        (completed.replace(run_id, "MALLORY"), "the text of its holder's run id is that of another run id"),
        (forged(&pending, &|entry| entry.replace(".v1.", ".vfffffff.")), "it says that it has had 268435455 names"),
        (forged(&pending, &state(format!(".{other}").leak())), "which its record does not list"),
        (forged(&pending, &state(".scheduled.ufffffffffffff")), "but neither its record nor a report says so"),
        (
            forged(&completed, &|entry| entry.replace(&ended, "fffffffffffff")),
            "more than a day ahead of this machine's clock",
        ),
    ] {
        let outcome = to.coord_call("import --json").input(format!("\n{line}\n")).run().ended_with(1);
        let error = outcome.text_of("error");
        assert!(error.starts_with("line 2: its task contradicts itself: ") && error.contains(reason), "{error}");
    }
    assert_eq!(to.tasks()["total"], 0);
}

#[test]
fn a_line_that_is_too_long_is_refused_with_the_limit() {
    let to = Repo::new();
    let outcome = to.coord_call("import --json").input("\n".to_string() + &" ".repeat(30 << 20)).run().ended_with(1);
    let error = outcome.text_of("error");
    assert!(error.starts_with("line 2: too long: more than 25165824 bytes"), "{error}");
}
