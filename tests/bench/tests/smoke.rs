//! The benchmark works: on almost nothing, with the contenders that this workspace compiles.

use std::path::Path;
use std::process::Command;

/// Each batch is checked by the benchmark itself, which fails if a task did not end exactly once.
#[test]
fn a_quick_run_ends_every_task_once_and_writes_tables_and_chart() {
    let output = tempfile::tempdir().expect("a directory for the output");
    let mut command = Command::new(env!("CARGO_BIN_EXE_coord-bench"));
    // Without many processes, which take a while to start.
    let only = "one agent|^4 processes, 0 ms|^batch enqueue|, 4 processes, sync|^disk use";
    command.args(["run", "--quick", "--only", only, "--output"]).arg(output.path());
    // The build that it takes turns with may be any; this is the one that is there.
    command.arg("--against").arg(Path::new(env!("CARGO_BIN_EXE_coord-bench")).with_file_name(""));
    let ran = command.output().expect("the benchmark runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    let told = String::from_utf8(ran.stdout).expect("what it prints is text");
    for contender in ["coord-unsynced", "raw", "sqlite-normal", "sqlite-full-spin", "the other build"] {
        assert!(told.contains(&format!("| {contender} ")), "{contender} is missing: {told}");
    }
    assert!(told.contains("| claim+complete in process, one agent, sync off"), "no goals: {told}");
    let written = |name| std::fs::read_to_string(output.path().join(name)).expect("it was written");
    assert!(told.starts_with(&written("benchmarks.md")));
    assert!(written("chart.svg").starts_with("<svg"));
    for section in told.lines().filter_map(|line| line.strip_prefix("## ")) {
        let place = format!("<!-- bench: {section} -->\n");
        let page = include_str!("../../../docs/benchmarks.md");
        assert!(page.contains(&place), "{section} has no place in docs/benchmarks.md");
    }
}
