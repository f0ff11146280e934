//! What all commands share: how to ask for JSON, who acts, help, version, and wrong usage.

use coord_tests::{Repo, micros, transcript};
use insta::assert_snapshot;

#[test]
fn every_answer_has_the_same_envelope() {
    let repo = Repo::new();
    let answers =
        ["init", "enqueue t", "tasks", "claim --run-id a", "claim --run-id a", "enqueue ''", "enqueue", "nope"];
    let begin = format!(r#"{{"muse_version":"{}","schema":1,"exit_code":"#, env!("CARGO_PKG_VERSION"));
    for line in answers {
        let outcome = repo.coord(&format!("{line} --json"));
        let answer = outcome.json();
        assert!(outcome.stdout.starts_with(&begin), "{outcome}");
        assert_eq!(answer["exit_code"].as_i64(), outcome.code.map(i64::from), "{outcome}");
        assert!(answer["duration_ms"].is_f64(), "{outcome}");
        assert!(micros(answer["timestamp"].as_str().unwrap()) > 1_700_000_000_000_000, "{outcome}");
        assert!(answer["warnings"].is_array(), "{outcome}");
        assert_eq!(outcome.stderr, "", "{outcome}");
    }
}

#[test]
fn json_can_be_asked_for_in_every_spelling_before_and_after_other_arguments() {
    let repo = Repo::new();
    for line in [
        "coord claim --run-id a --json",
        "coord claim --json --run-id a",
        "coord --json claim --run-id a",
        "--json coord claim --run-id a",
        "coord claim -j --run-id a",
        "-j coord claim --run-id a",
        "coord claim --format json --run-id a",
        "coord claim --run-id a --format=json",
        "--format json coord claim --run-id a",
        "coord --format=json claim --run-id a",
    ] {
        let outcome = repo.muse(line.split(' ')).ended_with(1);
        assert_eq!(outcome.text_of("status"), "empty", "{outcome}");
    }
    for line in ["coord claim --run-id a --format text", "--format=text coord claim --run-id a"] {
        let outcome = repo.muse(line.split(' ')).ended_with(1);
        assert!(outcome.stdout.starts_with("\n  Queue [any] is empty"), "{outcome}");
    }
}

#[test]
fn muse_run_id_says_who_acts_unless_run_id_does() {
    let repo = Repo::new();
    let named = |line: &str| repo.coord_call(line).env("MUSE_RUN_ID", "from-env").run();
    let [first, second, third, fourth, fifth] =
        ["1", "2", "3", "4", "5"].map(|title| named(&format!("enqueue {title} --json")));
    assert_eq!(first.text_of("created_by"), "from-env");
    for line in ["claim --json"; 5] {
        assert_eq!(named(line).succeeded().text_of("claimer_run_id"), "from-env");
    }
    let [first, second, third, fourth, fifth] =
        [first, second, third, fourth, fifth].map(|task| task.text_of("task_id"));
    named(&format!("heartbeat {first}")).succeeded();
    named(&format!("complete {first}")).succeeded();
    named(&format!("fail-task {second}")).succeeded();
    named(&format!("cancel-task {third}")).succeeded();
    named(&format!("release {fifth}")).succeeded();
    let refused = named(&format!("complete {fourth} --run-id from-flag --json")).ended_with(1);
    assert_eq!(refused.text_of("status"), "wrong_owner");
}

#[test]
fn muse_run_id_is_not_a_filter_of_tasks() {
    let repo = Repo::new();
    repo.enqueue("Fix it");
    let listed = repo.coord_call("tasks --json").env("MUSE_RUN_ID", "from-env").run().succeeded().json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[test]
fn an_agent_without_a_name_is_told_to_have_one() {
    let repo = Repo::new();
    let unnamed = repo.coord_call("claim --json").env("MUSE_RUN_ID", "").run();
    assert_snapshot!(transcript([repo.coord("claim"), repo.coord("claim --json"), unnamed]), @r#"
    $ muse coord claim
    2> error: the following required arguments were not provided:
    2>   --run-id <RUNID>
    2> 
    2>   tip: set MUSE_RUN_ID in the environment instead
    2> 
    2> Usage: muse coord claim --run-id <RUNID>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord claim --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"the following required arguments were not provided:\n  --run-id <RUNID>\n\n  tip: set MUSE_RUN_ID in the environment instead\n\nUsage: muse coord claim --run-id <RUNID> --json\n\nFor more information, try '--help'.",
     "status":"bad_args","warnings":[]}
    exit 2

    $ MUSE_RUN_ID='' muse coord claim --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"the following required arguments were not provided:\n  --run-id <RUNID>\n\n  tip: set MUSE_RUN_ID in the environment instead\n\nUsage: muse coord claim --run-id <RUNID> --json\n\nFor more information, try '--help'.",
     "status":"bad_args","warnings":[]}
    exit 2
    "#);
}

#[test]
fn wrong_usage_is_exit_code_2_in_text_and_in_json() {
    let repo = Repo::new();
    let lines = [
        "enqueue",
        "enqueue a b",
        "claim --run-id",
        "claim --run-id a --nope",
        "complete --run-id a",
        "tasks --status done",
        "tasks --format yaml",
        "frobnicate",
    ];
    assert_snapshot!(repo.session(lines), @"
    $ muse coord enqueue
    2> error: the following required arguments were not provided:
    2>   <TITLE>
    2> 
    2> Usage: muse coord enqueue [OPTIONS] <TITLE>
    2>        muse coord enqueue [OPTIONS] --batch <FILE>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue a b
    2> error: unexpected argument 'b' found
    2> 
    2> Usage: muse coord enqueue [OPTIONS] <TITLE>
    2>        muse coord enqueue [OPTIONS] --batch <FILE>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord claim --run-id
    2> error: a value is required for '--run-id <RUNID>' but none was supplied
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord claim --run-id a --nope
    2> error: unexpected argument '--nope' found
    2> 
    2> Usage: muse coord claim --run-id <RUNID>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord complete --run-id a
    2> error: the following required arguments were not provided:
    2>   <TASK_ID>
    2> 
    2> Usage: muse coord complete --run-id <RUNID> <TASK_ID>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord tasks --status done
    2> error: invalid value 'done' for '--status <STATUS>'
    2>   [possible values: scheduled, blocked, pending, claimed, timed_out, completed, failed, cancelled, expired]
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord tasks --format yaml
    2> error: invalid value 'yaml' for '--format <FORMAT>'
    2>   [possible values: json, text]
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord frobnicate
    2> error: unrecognized subcommand 'frobnicate'
    2> 
    2> Usage: muse coord [OPTIONS] <COMMAND>
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
    for line in lines {
        let outcome = repo.coord(&format!("{line} --json")).ended_with(2);
        assert_eq!(
            (outcome.text_of("status"), &outcome.stderr),
            (String::from("bad_args"), &String::new()),
            "{outcome}"
        );
    }
    repo.coord("tasks --json -j").succeeded().json();
    assert_snapshot!(repo.coord("tasks --status done --json"), @r#"
    $ muse coord tasks --status done --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"invalid value 'done' for '--status <STATUS>'\n  [possible values: scheduled, blocked, pending, claimed, timed_out, completed, failed, cancelled, expired]\n\nFor more information, try '--help'.",
     "status":"bad_args","warnings":[]}
    exit 2
    "#);
    assert_snapshot!(transcript([repo.muse::<&str>([]).ended_with(2), repo.muse(["coord"]).ended_with(2)]), @r#"
    $ muse
    2> Tools for many agents that work on one repository
    2> 
    2> Usage: muse [OPTIONS] <COMMAND>
    2> 
    2> Commands:
    2>   coord  Share work between agents: a task queue in the repository's .muse/coordination directory
    2>   help   Print this message or the help of the given subcommand(s)
    2> 
    2> Options:
    2>   -V, --version  Print version
    2> 
    2> Options of every command:
    2>   -j, --json                 Answer with one JSON object on one line of stdout, errors too; short
    2>                              for --format json
    2>       --format <FORMAT>      The output format; if --json and --format are both given, the last one
    2>                              counts [default: text] [possible values: json, text]
    2>       --print <FIELD,FIELD>  Print only these fields of the answer, one value per line
    2>   -h, --help                 Print help: -h prints a summary, --help prints everything
    exit 2

    $ muse coord
    2> Share work between agents: a task queue in the repository's .muse/coordination directory
    2> 
    2> Usage: muse coord [OPTIONS] <COMMAND>
    2> 
    2> Commands:
    2>   init         Create the repository's coordination directory; safe to run again
    2>   enqueue      Add a task to the queue, or many tasks with --batch
    2>   claim        Claim the task with the highest priority, the oldest first; exactly one agent gets it
    2>   heartbeat    Extend the lease of a claimed task, and learn whether another agent asks to stop
    2>   complete     Report a claimed task as completed
    2>   fail-task    Report a failed attempt at a claimed task; it is retried if it has attempts left
    2>   release      Give a claimed task back: it can be claimed again, and does not use up an attempt
    2>   cancel-task  Cancel a task, or ask its holder to stop
    2>   retry        Let a task that failed, expired or was cancelled be claimed again, with all its
    2>                attempts
    2>   show         Show a task: its record, its status and everything reported about it
    2>   tasks        List tasks, and count all of them by status
    2>   wait         Wait until tasks have ended, and print their results
    2>   watch        Print every task, then each task that changes, as lines of JSON, until interrupted
    2>   stats        Print figures for each queue: tasks by status, wait times and run times
    2>   pause        Stop new claims from a queue until it is resumed; tasks that are claimed stay claimed
    2>   resume       Allow claims from a paused queue again
    2>   limit        Set how many tasks of a queue may be claimed at once
    2>   gc           Remove tasks that ended long ago, with everything reported about them
    2>   export       Print each task as a line of JSON, with everything reported about it
    2>   import       Add the tasks that `export` printed, from standard input, under their ids
    2>   doctor       Check the coordination directory for defects, and what its filesystem supports
    2>   completions  Print a shell script that completes this command line
    2>   help         Print this message or the help of the given subcommand(s)
    2> 
    2> Options:
    2>       --schema <COMMAND>  Run nothing; print the JSON Schema of what COMMAND answers with --json
    2> 
    2> Options of every command:
    2>   -j, --json                 Answer with one JSON object on one line of stdout, errors too; short
    2>                              for --format json
    2>       --format <FORMAT>      The output format; if --json and --format are both given, the last one
    2>                              counts [default: text] [possible values: json, text]
    2>       --print <FIELD,FIELD>  Print only these fields of the answer, one value per line
    2>   -h, --help                 Print help: -h prints a summary, --help prints everything
    2> 
    2> Example:
    2>   muse coord enqueue "Refactor billing" --priority 5 --payload '{"file":"billing.py"}'
    2>   muse coord claim --run-id agent-1 --wait 60 --json
    2>   muse coord complete sha256:… --run-id agent-1 --result '{"pr":42}'
    2> 
    2> A TASK_ID may be given with or without its sha256: prefix.
    2> DURATION is a number of seconds, or numbers with s, m, h or d: 90, 30s, 15m, 1h30m, 7d.
    2> TIME is a date and time with any offset, like 2026-11-24T18:00:00Z.
    2> If an option is given twice, the last one counts; options that take a list add up.
    2> Write a value that begins with a dash after =, as in --error=--json.
    2> 
    2> Environment:
    2>   MUSE_REPO_ROOT   the repository; by default the nearest directory upward that holds .muse/
    2>   MUSE_COORD_STORE the engine that the queue is on; by default the repository says where it is
    2>   MUSE_RUN_ID      the default of --run-id, except for the filter of `tasks`
    2>   MUSE_COORD_SYNC  posix: do not rely on a journal; off: never sync to disk, for throw-away queues
    2>   NO_COLOR         no colours on a terminal
    2> 
    2> Exit codes:
    2>   0 done · 1 bad value, not found, nothing to claim, refused, defects, I/O error · 2 wrong usage or
    2>   no repository
    exit 2
    "#);
}

#[test]
fn help_and_version_are_answers_with_exit_code_0_and_need_no_repository() {
    let repo = Repo::bare();
    let commands = [
        "init",
        "enqueue",
        "claim",
        "heartbeat",
        "complete",
        "fail-task",
        "release",
        "cancel-task",
        "retry",
        "show",
        "tasks",
        "wait",
        "watch",
        "stats",
        "pause",
        "resume",
        "limit",
        "gc",
        "export",
        "import",
        "doctor",
        "completions",
    ];
    let help = commands.map(|command| repo.muse(["coord", command, "-h"]).succeeded());
    let whole = [repo.muse(["--version"]), repo.muse(["coord", "--help"])];
    assert_snapshot!("help", transcript(whole.into_iter().chain(help)));
    assert!(!repo.path(".muse").exists());
}
