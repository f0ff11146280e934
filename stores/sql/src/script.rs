//! What an agent that goes on asks a server for, as a script for `pgbench`: the same statements, by another program.

use coord_core::limits;

use crate::schema::Schema;
use crate::statements;

/// The variables of the script, as they are at first.
pub const VARIABLES: [&str; 10] =
    ["left=0", "at=1", "it=1", "place=0", "sources={}", "targets={}", "ends={}", "ids={}", "dues={}", "blocked={}"];

/// In the queue of a schema, claims a task of the default queue and completes it with this result: a look if nothing is
/// left over from the last one, and two changes. It names tasks as an agent does, though not by its rules.
pub fn claim_and_complete(schema: &str, result: &str) -> String {
    let list = |dir: &str| with(statements::PATHS, &[&format!("'{dir}/'"), &format!("'{dir}0'"), "1001"]);
    let due = with(statements::DUE, &["0", "-1", "''", &limits::ENTRIES_PER_TRIP.to_string(), "8193"]);
    let of_eight = [("sources", "text"), ("targets", "text"), ("ids", "bytea"), ("dues", "int8")].map(eight);
    let [sources, targets, ids, dues] = of_eight.each_ref().map(String::as_str);
    let claim = with(statements::RENAME_ANY, &["false", sources, targets, ids, dues]);
    let line = format!("'\\x0a{}0a'::bytea", hex(result));
    let of_one = [("targets", "text"), ("ends", "text"), ("ids", "bytea"), ("blocked", "text")].map(one);
    let [target, end, id, blocked] = of_one.each_ref().map(String::as_str);
    let most = limits::FILE_BYTES_BEFORE_THE_END.to_string();
    let complete = with(statements::APPEND_AND_RENAME, &["true", target, end, id, "null::int8", &line, &most]);
    let is_any = with(statements::EXISTS, &[blocked, blocked, &format!("{blocked} || '0'")]);
    let lines = [
        "\\if :left < 1".into(),
        "\\startpipeline".into(),
        format!("{};", list("queues")),
        format!("{due};"),
        format!("{};", list("blocked")),
        "\\endpipeline".into(),
        format!("{} \\gset", head()),
        "\\set at 1".into(),
        "\\endif".into(),
        "\\set place 0".into(),
        format!("{claim} \\aset"),
        "\\if :place > 0".into(),
        "\\set it :at + :place - 1".into(),
        "\\startpipeline".into(),
        format!("{complete};"),
        format!("{is_any};"),
        "\\endpipeline".into(),
        "\\set at :at + :place".into(),
        "\\set left :left - :place".into(),
        "\\else".into(),
        "\\set left 0".into(),
        "\\endif".into(),
    ]
    .map(|line: String| line + "\n")
    .concat();
    Schema::new(schema).qualify(&lines)
}

/// The look at the head, which makes of each name those that the task gets next.
fn head() -> String {
    let above = ["array['ready/default/']", "array['ready/default0']", "array[15]"];
    let below = ["array[]::text[]", "array[]::text[]", "array[]::int4[]"];
    let most = limits::HEAD_ENTRIES.to_string();
    let asked = with(statements::HEAD, &[&above[..], &below, &[&most, "8193"]].concat());
    let lease = "'.c00000000000000.h00000000000000.e00000000000000.n0000000000000000.agent-1'";
    format!(
        "select count(*) as left, coalesce(array_agg(path), '{{}}') as sources, \
         coalesce(array_agg('claimed/' || left(id, 1) || '/' || stem || '.v2.g1.a1.claimed.qdefault' || {lease}), \
           '{{}}') as targets, \
         coalesce(array_agg('done/' || left(id, 2) || '/' || stem || '.v3.g1.a1.completed.d0000000000000' || {lease}), \
           '{{}}') as ends, \
         coalesce(array_agg(convert_to(id, 'UTF8')), '{{}}') as ids, \
         coalesce(array_agg((extract(epoch from now()) * 1000000)::int8 + 100000000), '{{}}') as dues, \
         coalesce(array_agg('blocked/' || left(id, 2) || '/' || id || '/'), '{{}}') as blocked \
         from (select path, left(name, 81) as stem, substr(name, 15, 64) as id \
           from (select path, substring(path from '[^/]*$') as name from ({asked}) head (path, line)) named) told"
    )
}

/// A statement with values in the place of its parameters.
fn with(statement: &str, values: &[&str]) -> String {
    let numbered = values.iter().enumerate().rev();
    numbered.fold(statement.into(), |sql: String, (place, value)| sql.replace(&format!("${}", place + 1), value))
}

/// The candidates of a claim.
fn eight((variable, of): (&str, &str)) -> String {
    format!("(:{variable}::{of}[])[ (:at)::int : (:at)::int + {} ]", limits::CANDIDATES - 1)
}

/// Of the one that it got.
fn one((variable, of): (&str, &str)) -> String {
    format!("((:{variable}::{of}[])[ (:it)::int ])")
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
