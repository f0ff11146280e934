//! `completions`: scripts by which shells complete what is typed.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::process::Command;

use coord_tests::Repo;
use insta::assert_snapshot;

use crate::schema::commands;

#[test]
fn every_shell_gets_a_script_that_knows_every_command_without_a_repository() {
    let (bare, repo) = (Repo::bare(), Repo::new());
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = bare.coord(&format!("completions {shell}")).succeeded().stdout;
        for command in commands(&bare) {
            assert!(script.contains(&command), "{shell} completes {command}");
        }
        let answer = repo.coord(&format!("completions {shell} --json")).succeeded().json();
        assert_eq!((&answer["shell"], &answer["script"]), (&shell.into(), &script.into()));
    }
    assert!(!bare.path(".muse").exists());
    assert_eq!(fs::read_dir(repo.path(".muse")).unwrap().count(), 0, "no coordination directory was made");
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let repo = Repo::bare();
    assert_eq!(completed_by_bash(&repo, "muse coord comp"), "complete completions");
    assert_eq!(completed_by_bash(&repo, "muse coord claim --max-"), "--max-bytes");
    assert_eq!(completed_by_bash(&repo, "muse coord tasks --status t"), "timed_out");
    assert_eq!(completed_by_bash(&repo, "muse coord completions z"), "zsh");
    assert_eq!(completed_by_bash(&repo, "muse coord --schema h"), "heartbeat");
}

/// What bash offers for the last word of a line.
fn completed_by_bash(repo: &Repo, line: &str) -> String {
    let script = repo.coord("completions bash").succeeded().stdout;
    fs::write(repo.path("completions.bash"), script).expect("the directory can be written to");
    let words: Vec<&str> = line.split(' ').collect();
    let offer = "source completions.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                 _muse muse \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[@]}\"";
    let bash = Command::new("bash").args(["-c", offer, "bash"]).args(words).current_dir(repo.path("")).output();
    let bash = bash.expect("bash is there");
    assert!(bash.status.success(), "{bash:?}");
    String::from_utf8_lossy(&bash.stdout).trim_end().to_string()
}

#[test]
fn a_shell_that_has_no_script_is_refused_with_those_that_do() {
    assert_snapshot!(Repo::bare().coord("completions tcsh"), @r#"
    $ muse coord completions tcsh
    2> error: invalid value 'tcsh' for '<SHELL>'
    2>   [possible values: bash, zsh, fish, powershell]
    2> 
    2>   tip: a similar value exists: 'zsh'
    2> 
    2> For more information, try '--help'.
    exit 2
    "#);
}
