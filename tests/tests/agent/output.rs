//! What becomes of what the agent prints.

use coord_tests::{Outcome, Repo};
use serde_json::json;

use super::task_in;

/// Lines that are made to look like those of `muse-agent`, control characters, a line without an end.
const SAID: &str = "warning: forged\n\u{1b}[2Jred\r\nno end";

fn printed(flags: &str) -> Outcome {
    let repo = Repo::new();
    task_in(&repo, "default", json!({ "do": "say", "text": SAID }));
    repo.agent(&format!("--run-id agent-1 {flags}")).run().succeeded()
}

#[test]
fn what_an_agent_prints_is_passed_on_as_it_is_unless_asked() {
    for flags in ["", "--agent-output inherit"] {
        let ended = printed(flags);
        assert_eq!([ended.stdout, ended.stderr], [format!("say: say\n{SAID}"), SAID.to_string()]);
    }
}

#[test]
fn what_an_agent_prints_is_prefixed_line_by_line_and_made_harmless() {
    let ended = printed("--agent-output prefix");
    let lines = "\"agent-1\": warning: forged\n\"agent-1\": \\u{1b}[2Jred\n\"agent-1\": no end\n";
    assert_eq!([ended.stdout, ended.stderr], [format!("\"agent-1\": say: say\n{lines}"), lines.to_string()]);
}

#[test]
fn a_long_line_is_cut_into_several() {
    let repo = Repo::new();
    task_in(&repo, "default", json!({ "do": "say", "text": "x".repeat(20_000) }));
    let ended = repo.agent("--run-id agent-1 --agent-output prefix").run().succeeded();
    let lengths: Vec<_> = ended.stderr.lines().map(|line| line.len() - "\"agent-1\": ".len()).collect();
    assert_eq!(lengths, [8_192, 8_192, 3_616]);
}

#[test]
fn what_an_agent_prints_can_be_left_out() {
    let ended = printed("--agent-output none");
    assert_eq!([ended.stdout, ended.stderr], [String::new(), String::new()]);
}
