//! The queue by the command line: a call is one `muse` process, its answer what `--json` prints.

use coord_core::error::CODES;
use coord_tests::Repo;
use serde_json::{Value, json};

use crate::call::{Call, Outcome, Refused, Verb};

/// What each argument is called here. The values of a list are separated by commas.
const FLAGS: [(&str, &str); 35] = [
    ("run_id", "--run-id"),
    ("claim_nonce", "--claim-nonce"),
    ("priority", "--priority"),
    ("queue", "--queue"),
    ("queues", "--queue"),
    ("ttl_seconds", "--ttl"),
    ("payload", "--payload"),
    ("tags", "--tags"),
    ("any_tags", "--any-tag"),
    ("exclude_tags", "--exclude-tags"),
    ("max_attempts", "--max-attempts"),
    ("delay_seconds", "--delay"),
    ("at", "--at"),
    ("after", "--after"),
    ("if_parent_fails", "--if-parent-fails"),
    ("unique", "--unique"),
    ("lease_seconds", "--claim-ttl"),
    ("wait_seconds", "--wait"),
    ("max", "--max"),
    ("progress", "--progress"),
    ("note", "--note"),
    ("result", "--result"),
    ("is_final", "--final"),
    ("reason", "--reason"),
    ("now", "--now"),
    ("cascade", "--cascade"),
    ("status", "--status"),
    ("since", "--since"),
    ("ended_since", "--ended-since"),
    ("sort", "--sort"),
    ("cursor", "--cursor"),
    ("limit", "--limit"),
    ("timeout_seconds", "--timeout"),
    ("window_seconds", "--window"),
    ("older_than_seconds", "--older-than"),
];

/// And these, which no other is a part of.
const MORE_FLAGS: [(&str, &str); 4] = [
    ("keep_last", "--keep-last"),
    ("dry_run", "--dry-run"),
    ("backoff_seconds", "--backoff"),
    ("max_in_flight", "--max-in-flight"),
];

/// Makes a call.
pub fn call(repo: &Repo, call: &Call) -> Outcome {
    let lines = call.list(if call.verb == Verb::Complete { "follow_ups" } else { "tasks" });
    let input: String = lines.iter().map(|task| format!("{task}\n")).collect();
    let outcome = repo.call(words(call)).input(input).run();
    let printed = outcome.json();
    match printed["status"].as_str() {
        Some(code) if outcome.code != Some(0) && CODES.contains(&code) => Err(refused(printed)),
        _ => Ok(answered(call, printed)),
    }
}

/// The command line.
fn words(call: &Call) -> Vec<String> {
    let (command, taken): (&[&str], &[&str]) = match call.verb {
        Verb::Enqueue => (&["enqueue"], &["title"]),
        Verb::EnqueueAll => (&["enqueue", "--batch=-"], &[]),
        Verb::Claim | Verb::ClaimMany => (&["claim"], &[]),
        Verb::Heartbeat | Verb::TakeUp => (&["heartbeat"], &["task_id"]),
        Verb::Complete if call.with.get("follow_ups").is_some() => (&["complete", "--enqueue=-"], &["task_id"]),
        Verb::Complete => (&["complete"], &["task_id"]),
        Verb::Fail => (&["fail-task"], &["task_id"]),
        Verb::Release => (&["release"], &["task_id"]),
        Verb::Cancel => (&["cancel-task"], &["task_id"]),
        Verb::Retry => (&["retry"], &["task_id"]),
        Verb::Show => (&["show"], &["task_id"]),
        Verb::Tasks => (&["tasks"], &[]),
        Verb::Wait => (&["wait"], &["task_ids"]),
        Verb::Pause => (&["pause"], &["queue"]),
        Verb::Resume => (&["resume"], &["queue"]),
        Verb::Limit => (&["limit"], &["queue"]),
        Verb::Stats => (&["stats"], &[]),
        Verb::Gc => (&["gc"], &[]),
    };
    let mut words: Vec<String> = ["coord"].iter().chain(command).map(ToString::to_string).collect();
    words.push("--json".to_string());
    let arguments = call.with.as_object().unwrap();
    for (name, value) in arguments.iter().filter(|(name, _)| !taken.contains(&name.as_str())) {
        words.extend(flag(call, name, value));
    }
    if call.verb == Verb::Limit && call.number("max_in_flight").is_none() {
        words.push("--max-in-flight=none".to_string());
    }
    // Behind this nothing is an option, whatever it looks like.
    words.push("--".to_string());
    for name in taken {
        match &call.with[*name] {
            Value::Array(values) => words.extend(values.iter().map(typed)),
            value => words.push(typed(value)),
        }
    }
    words
}

/// An argument as an option; `None`: another one, or standard input, says it.
fn flag(call: &Call, name: &str, value: &Value) -> Option<String> {
    let (first, most) = (call.number("backoff_seconds"), call.number("backoff_max_seconds"));
    match (name, value) {
        (_, Value::Null | Value::Bool(false)) | ("tasks" | "follow_ups" | "backoff_max_seconds", _) => None,
        ("until" | "if_held", word) => match word.as_str().unwrap() {
            "all" | "refuse" => None,
            word => Some(format!("--{word}")),
        },
        ("reason", reason) if call.verb == Verb::Fail => Some(format!("--error={}", typed(reason))),
        ("backoff_seconds", _) => {
            let most = most.map(|most| format!(":{most}")).unwrap_or_default();
            Some(format!("--backoff={}{most}", first.unwrap()))
        }
        (_, Value::Bool(true)) => Some(flag_of(name).to_string()),
        _ => Some(format!("{}={}", flag_of(name), typed(value))),
    }
}

fn flag_of(name: &str) -> &'static str {
    let flag = FLAGS.iter().chain(&MORE_FLAGS).find(|(argument, _)| *argument == name);
    flag.unwrap_or_else(|| panic!("no option for {name}")).1
}

fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(typed).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn refused(printed: Value) -> Refused {
    let Value::Object(mut facts) = printed else { unreachable!("it is an object") };
    facts.retain(|name, _| !ENVELOPE.contains(&name.as_str()) && name != "hint");
    let message = facts.remove("error").map(|error| named(error.as_str().unwrap()));
    let code = facts.remove("status").unwrap().as_str().unwrap().to_string();
    for (here, there) in [("task_status", "status"), ("claimer_run_id", "run_id")] {
        if let Some(fact) = facts.remove(here) {
            facts.insert(there.to_string(), fact);
        }
    }
    Refused { code, message, facts }
}

/// What is wrapped around every answer.
const ENVELOPE: [&str; 6] = ["muse_version", "schema", "exit_code", "duration_ms", "timestamp", "warnings"];

/// The text with the names of fields for those of options.
fn named(text: &str) -> String {
    let mut flags: Vec<_> = FLAGS.iter().chain(&MORE_FLAGS).collect();
    // `--max` is the beginning of others.
    flags.sort_by_key(|(_, flag)| std::cmp::Reverse(flag.len()));
    flags.into_iter().fold(text.to_string(), |text, (name, flag)| text.replace(flag, name))
}

/// The answer without its envelope, and in the form of the core's where a command's is another.
fn answered(call: &Call, mut printed: Value) -> Value {
    let fields = printed.as_object_mut().unwrap();
    fields.retain(|name, _| !ENVELOPE.contains(&name.as_str()));
    match call.verb {
        Verb::Claim if fields.get("status") == Some(&json!("empty")) => Value::Null,
        Verb::ClaimMany => fields.remove("claims").unwrap_or_else(|| json!([])),
        Verb::EnqueueAll => fields.remove("tasks").unwrap(),
        Verb::Complete if call.with.get("follow_ups").is_some() => {
            let tasks = fields.remove("tasks").unwrap();
            fields.remove("deduplicated");
            fields.insert("enqueued".to_string(), tasks);
            printed
        }
        Verb::Pause | Verb::Resume => fields["changed"].clone(),
        Verb::Limit => Value::Null,
        Verb::Wait => {
            let items = fields["items"].as_array().unwrap();
            // Of a task that is not there nothing but the id is told.
            let item = |item: &Value| if item["status"].is_null() { Value::Null } else { item.clone() };
            let items = items.iter().map(|told| json!({ "task_id": told["task_id"], "item": item(told) }));
            fields["items"] = items.collect();
            printed
        }
        _ => printed,
    }
}
