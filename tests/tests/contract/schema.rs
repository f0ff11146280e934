//! `--schema`: what a command answers. That the answers are as it says is asserted by `coord_tests::Outcome::json`, so
//! for every answer that any of these tests reads.

use std::fs;

use coord_core::error::CODES;
use coord_tests::Repo;
use insta::assert_snapshot;
use regex_lite::Regex;
use serde_json::Value;

#[test]
fn every_command_in_the_help_has_a_schema_which_needs_no_repository_and_makes_nothing() {
    let (bare, repo) = (Repo::bare(), Repo::new());
    let commands = commands(&bare);
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let told = bare.coord(&format!("--schema {command}")).succeeded();
        let schema: Value = serde_json::from_str(&told.stdout).expect("it is JSON");
        assert_eq!(schema["title"], format!("muse coord {command} --json"));
        let inline = repo.coord(&format!("--schema={command} --json")).succeeded();
        assert_eq!(inline.stdout.lines().count(), 1, "{inline}");
        assert_eq!(serde_json::from_str::<Value>(&inline.stdout).expect("it is JSON"), schema);
    }
    assert!(!bare.path(".muse").exists());
    assert_eq!(fs::read_dir(repo.path(".muse")).unwrap().count(), 0, "no coordination directory was made");
}

/// The commands that `muse coord` lists, but for `help`.
pub(super) fn commands(repo: &Repo) -> Vec<String> {
    let help = repo.muse(["coord", "--help"]).succeeded().stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What is told of one may take several lines.
    let listed = listed.filter(|line| !line.starts_with("   "));
    let names = listed.filter_map(|line| line.split_whitespace().next()).map(String::from);
    names.filter(|name| name != "help").collect()
}

#[test]
fn a_schema_tells_the_envelope_with_the_answer_or_an_error_in_it() {
    assert_snapshot!(Repo::bare().coord("--schema init").succeeded().stdout);
}

#[test]
fn every_face_has_the_same_list_of_what_can_go_wrong() {
    let told = Repo::bare().coord("--schema init").succeeded();
    let schema: Value = serde_json::from_str(&told.stdout).expect("it is JSON");
    let published = schema["oneOf"][1]["properties"]["status"]["enum"].as_array().expect("a closed list");
    assert_eq!(published.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>(), CODES);

    let words = |file: &str, from: &str, to: &str, word: &str| -> Vec<String> {
        let text = fs::read_to_string(format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let list = text.split_once(from).unwrap().1.split_once(to).unwrap().0;
        let words = Regex::new(word).unwrap();
        words.captures_iter(list).map(|found| found[1].replace('-', "_")).collect()
    };
    let lists = [
        words("docs/reference.md", "\n## Errors\n", "\n## ", r"(?m)^\| `([a-z_]+)` \|"),
        words("wit/types.wit", "variant error {", "\n  }\n", r"(?m)^    ([a-z-]+)\("),
        words("js/src/errors.ts", "const CLASSES", "};", r"(?m)^  ([a-z_]+):"),
    ];
    for list in lists {
        assert_eq!(list, CODES);
    }
    // A table tells of each what to do, in an order of its own.
    for (file, word) in [("docs/embedding.md", r"`([a-z-]+)`"), ("js/README.md", r"\| `([a-z_]+)` \|")] {
        let told = words(file, "## Errors", "\n## ", word);
        CODES.iter().for_each(|code| assert!(told.iter().any(|word| word == code), "{file}: {code}"));
    }
}

#[test]
fn what_came_from_other_agents_is_said_to_be_untrusted() {
    let told = Repo::bare().coord("--schema tasks").succeeded();
    let schema: Value = serde_json::from_str(&told.stdout).expect("it is JSON");
    let fields = &schema["oneOf"][0]["properties"]["items"]["items"]["properties"];
    for field in ["title", "tags", "payload", "result", "error"] {
        let description = fields[field]["description"].as_str().unwrap_or_default();
        assert!(description.starts_with("Untrusted"), "{field}: {description}");
    }
}

#[test]
fn a_schema_is_told_instead_of_running_a_command() {
    let repo = Repo::bare();
    let unknown = repo.coord("--schema nope --json").ended_with(2);
    assert!(unknown.text_of("error").contains("[possible values: init, enqueue, claim, "), "{unknown}");
    assert_snapshot!(repo.session(["--schema claim tasks", "--schema claim tasks --json", "--json"]), @r#"
    $ muse coord --schema claim tasks
    2> error: --schema COMMAND takes the place of a command: leave one of them out
    2> 
    2> Usage: muse coord [OPTIONS] <COMMAND>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord --schema claim tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"--schema COMMAND takes the place of a command: leave one of them out\n\nUsage: muse coord [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.",
     "status":"bad_args","warnings":[]}
    exit 2

    $ muse coord --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"a command is missing\n\nUsage: muse coord [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.",
     "status":"bad_args","warnings":[]}
    exit 2
    "#);
}
