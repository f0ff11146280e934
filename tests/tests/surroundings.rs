//! What surrounds the command and must not change what it does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use coord_tests::Repo;

#[test]
fn no_variable_of_the_environment_reaches_the_engine() {
    let repo = Repo::new();
    for variable in ["WASMTIME_BACKTRACE_DETAILS", "WASMTIME_LOG", "RUST_BACKTRACE", "RUST_LOG"] {
        repo.coord_call("tasks").env(variable, "1").run().succeeded();
    }
}

#[test]
fn what_the_launcher_itself_reports_has_the_envelope_too() {
    let repo = Repo::new();
    std::fs::write(repo.path(".muse/coordination"), "a file where the directory belongs").unwrap();
    let answer = repo.coord("tasks --json").ended_with(1).json();
    assert_eq!(answer["status"], "io_error");
    assert_eq!(
        (&answer["exit_code"], &answer["schema"], &answer["warnings"]),
        (&1.into(), &1.into(), &[0; 0][..].into())
    );
    assert!(answer["timestamp"].as_str().unwrap().ends_with("+00:00"));
}
