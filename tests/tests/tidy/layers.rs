//! What may name what: no circle among the modules of the core, no operation in its tree, and no command in another.

use super::modules::{Edge, circles, edges};
use super::none;
use super::repository::files_below;

const CORE: &str = "core/src";
const COMMAND_LINE: &str = "cli-wasi/src";

/// The modules below all commands: what every command gets, flags that several take, and the forms of values.
const SHARED: [&str; 3] = ["context", "flags", "values"];

/// The module above all commands, beside the one that chooses among them: the schemas of their answers.
const TABLE: &str = "answers";

/// A module that names what is above it is no circle: it is a part of that.
fn circles_told(edges: &[Edge]) -> Vec<String> {
    let counted: Vec<Edge> = edges.iter().filter(|edge| !is_part_of(&edge.from, &edge.to)).cloned().collect();
    let step = |edge: &&Edge| format!("  {}: {} names {}", edge.place, shown(&edge.from), shown(&edge.to));
    let told = |circle: Vec<&Edge>| {
        let steps: Vec<String> = circle.iter().map(step).collect();
        format!("a circle: move what two of them need into a module below both\n{}", steps.join("\n"))
    };
    circles(&counted).into_iter().map(told).collect()
}

/// A module, for people.
fn shown(module: &str) -> &str {
    if module.is_empty() { "the crate's root" } else { module }
}

/// True if a module is this one or a part of it.
fn is_part_of(module: &str, above: &str) -> bool {
    module.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn operations_named_by_the_tree(edges: &[Edge]) -> Vec<String> {
    let wrong = edges.iter().filter(|edge| is_part_of(&edge.from, "tree") && is_part_of(&edge.to, "queue"));
    wrong
        .map(|edge| format!("{}: tree/ names {}: it knows no operation: take it as an argument", edge.place, edge.to))
        .collect()
}

fn commands_named_by_others(edges: &[Edge]) -> Vec<String> {
    let command = |module: &str| module.strip_prefix("command::")?.split("::").next().map(str::to_string);
    let wrong = edges.iter().filter_map(|edge| {
        let (from, to) = (command(&edge.from)?, command(&edge.to)?);
        let what = format!("{}: command {from} names {to}: move what both need into context", edge.place);
        (from != to && from != TABLE && !SHARED.contains(&to.as_str())).then_some(what)
    });
    wrong.collect()
}

#[test]
fn no_modules_of_the_core_are_in_a_circle() {
    none(&circles_told(&edges(CORE, &files_below(CORE, &["rs"]))));
}

#[test]
fn no_file_of_the_tree_names_an_operation() {
    let tree = files_below(&format!("{CORE}/tree"), &["rs"]);
    assert!(!tree.is_empty(), "there is nothing in {CORE}/tree/");
    none(&operations_named_by_the_tree(&edges(CORE, &files_below(CORE, &["rs"]))));
}

#[test]
fn no_command_names_another() {
    let commands = files_below(&format!("{COMMAND_LINE}/command"), &["rs"]);
    assert!(!commands.is_empty(), "there is nothing in {COMMAND_LINE}/command/");
    none(&commands_named_by_others(&edges(COMMAND_LINE, &files_below(COMMAND_LINE, &["rs"]))));
}

#[test]
fn what_names_the_wrong_module_is_found() {
    let edge = |from: &str, to: &str| [Edge { from: from.into(), to: to.into(), place: "a.rs:1".into() }];
    assert_eq!(operations_named_by_the_tree(&edge("tree::make", "queue::claim")).len(), 1);
    assert_eq!(operations_named_by_the_tree(&edge("tree", "queue")).len(), 1);
    assert_eq!(operations_named_by_the_tree(&edge("queue::claim", "tree")), Vec::<String>::new());
    assert_eq!(commands_named_by_others(&edge("command::claim", "command::batch")).len(), 1);
    assert_eq!(commands_named_by_others(&edge("command::claim::text", "command::claim")), Vec::<String>::new());
    assert_eq!(commands_named_by_others(&edge("command::claim", "command::context")), Vec::<String>::new());
    assert_eq!(commands_named_by_others(&edge("command::claim", "command")), Vec::<String>::new());
    let there_and_back = [edge("queue", "store"), edge("store", "queue")].concat();
    assert_eq!(circles_told(&there_and_back).len(), 1);
    let part = [edge("queue", "queue::claim"), edge("queue::claim", "queue")].concat();
    assert_eq!(circles_told(&part), Vec::<String>::new());
}
