//! A queue moves from a directory to an engine and back: `export` and `import`.

use coord_tests::Repo;
use serde_json::Value;

use crate::{Engine, init};

#[test]
fn a_queue_moves_to_an_engine_and_back_and_nothing_is_lost() {
    let Some(engine) = Engine::start() else { return };
    let directory = Repo::new();
    directory.given(["enqueue one --queue a --priority 7", "enqueue two --tags x", "enqueue three --delay 3600"]);
    let id = directory.claim("agent-1");
    directory.call(["coord", "complete", &id, "--run-id", "agent-1", "--result", "{\"n\":1}"]).run().succeeded();
    let there = directory.coord("export").succeeded().stdout;

    let far = Repo::bare();
    init(&far, &engine.address).run().succeeded();
    far.coord_call("import --json").input(&there).run().succeeded();
    let beyond = far.coord("export").succeeded().stdout;
    assert_eq!(tasks(&there), tasks(&beyond));

    let back = Repo::new();
    back.coord_call("import --json").input(&beyond).run().succeeded();
    assert_eq!(tasks(&back.coord("export").succeeded().stdout), tasks(&there));
    let of = |repo: &Repo| repo.coord("tasks --fields title,status,queue,priority,tags,result").succeeded().stdout;
    assert_eq!(rows(&of(&back)), rows(&of(&far)));
}

/// The tasks of an export: without their entries' names, since an import gives those that wait another time to expire.
fn tasks(lines: &str) -> Vec<Value> {
    let mut tasks: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    tasks.iter_mut().for_each(|task| drop(task.as_object_mut().unwrap().remove("entry")));
    tasks.sort_by_key(|task| task["task_id"].to_string());
    tasks
}

/// The rows of a table, without the time that it took.
fn rows(table: &str) -> Vec<&str> {
    table.lines().filter(|line| !line.trim_start().starts_with('(')).collect()
}
