//! Whose queue it is: what was found by searching is worked in only if it may be trusted. Real processes, of several
//! users where the tests run as root.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use coord_tests::{Outcome, Repo, report};

/// Two users, who share no group unless the test says so.
const ANNE: u32 = 4_201;
const BOB: u32 = 4_202;

#[test]
fn the_queue_of_another_user_is_refused_with_the_way_out() {
    let Some(repo) = shared_place() else { return };
    fs::remove_dir(repo.path(".muse")).unwrap();
    chmod(&repo.path(""), 0o1777);
    by(ANNE, &repo, "mkdir .muse && \"$COORD\" init").succeeded();
    by(BOB, &repo, "mkdir below").succeeded();
    let enqueue = r#"cd below && "$COORD" enqueue deploy --payload '{"token":1}'"#;
    let refused = by(BOB, &repo, enqueue).ended_with(1);
    let muse = repo.path(".muse");
    let root = muse.parent().unwrap();
    let said = format!(
        "❌ cannot trust {muse:?}: it belongs to user {ANNE}, and this is user {BOB}, whom no group shares it with; if you trust \
         it, name it: MUSE_REPO_ROOT={root:?}; if not, name the directory that is to have a queue of its own\n"
    );
    assert_eq!(refused.stderr, said);
    let json = by(BOB, &repo, &format!("{enqueue} --json")).ended_with(1);
    assert!(json.stdout.contains("\"status\":\"io_error\"") && json.stdout.contains("cannot trust"), "{json}");
    for line in ["tasks", "claim --run-id bob", "init", "doctor"] {
        let refused = by(BOB, &repo, &format!("cd below && \"$COORD\" {line}")).ended_with(1);
        assert_eq!(refused.stderr, said, "{line}");
    }
    by(BOB, &repo, "cd below && \"$COORD\" tasks --help").succeeded();
    // Its owner is not held up, and nothing was put there.
    let tasks = by(ANNE, &repo, "\"$COORD\" tasks --json").succeeded();
    assert!(tasks.stdout.contains("\"total\":0"), "{tasks}");
}

#[test]
fn root_trusts_its_own_and_whoever_called_sudo() {
    let Some(repo) = shared_place() else { return };
    fs::remove_dir(repo.path(".muse")).unwrap();
    chown(&repo.path(""), ANNE, ANNE);
    by(ANNE, &repo, "mkdir .muse && \"$COORD\" enqueue t").succeeded();
    let refused = repo.coord("tasks").ended_with(1).stderr;
    assert!(refused.contains(&format!("it belongs to user {ANNE}, and this is user 0")), "{refused}");
    repo.coord_call("tasks").env("MUSE_REPO_ROOT", repo.path("")).run().succeeded();
    repo.coord_call("tasks").env("SUDO_UID", ANNE.to_string()).run().succeeded();
    repo.coord_call("tasks").env("SUDO_UID", BOB.to_string()).run().ended_with(1);
    // What root has made, others trust, as far as they may read it.
    let made_by_root = Repo::new();
    chmod(&made_by_root.path(""), 0o755);
    made_by_root.enqueue("t");
    chmod(&made_by_root.coordination(""), 0o755);
    fs::copy(std::env::var_os("MUSE_BIN").unwrap(), made_by_root.path("muse")).unwrap();
    let denied = by(BOB, &made_by_root, "\"$COORD\" enqueue u").ended_with(1);
    assert!(!denied.stderr.contains("cannot trust"), "{denied}");
}

#[test]
fn a_group_shares_a_queue_by_letting_it_write_and_not_by_letting_it_read() {
    let Some(repo) = shared_place() else { return };
    let member = |user: u32, script: &str| as_user(user, "--groups 4242", &repo, script);
    chmod(&repo.path(""), 0o755);
    chown(&repo.path(".muse"), ANNE, 4_242);
    chmod(&repo.path(".muse"), 0o2775);
    member(ANNE, "\"$COORD\" enqueue shared").succeeded();
    member(BOB, "\"$COORD\" claim --run-id bob").succeeded();
    let stranger = by(BOB, &repo, "\"$COORD\" tasks").ended_with(1);
    assert!(stranger.stderr.contains("whom no group shares it with"), "{stranger}");
    chmod(&repo.coordination(""), 0o2750);
    let reader = member(BOB, "\"$COORD\" tasks").ended_with(1);
    assert!(reader.stderr.contains("coordination\": it belongs to user 4201"), "{reader}");
}

#[test]
fn a_queue_behind_a_link_is_refused_unless_it_is_named() {
    let secret = Repo::new();
    let id = secret.enqueue("secret");
    for place in [".muse", ".muse/coordination"] {
        let repo = Repo::bare();
        let link = repo.path(place);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(secret.path(place), &link).unwrap();
        for line in ["tasks", "claim --run-id a", "enqueue t", "init", "doctor"] {
            let refused = repo.coord(line).ended_with(1);
            let said = format!(
                "❌ cannot trust {link:?}: it is a link to {:?}, which may be another project's; ",
                secret.path(place)
            );
            assert!(refused.stderr.starts_with(&said), "{refused}");
        }
        let agent = repo.agent("--run-id a").run().ended_with(1);
        assert!(agent.stderr.contains("it is a link to "), "{agent}");
        let named = repo.coord_call("tasks --json").env("MUSE_REPO_ROOT", repo.path("")).run().succeeded();
        assert_eq!(named.json()["items"][0]["task_id"], id.as_str());
    }
    assert_eq!(secret.tasks()["pending"], 1);
}

#[test]
fn what_everybody_may_exchange_is_refused_unless_it_is_sticky_or_named() {
    let repo = Repo::new();
    repo.enqueue("t");
    for place in ["", ".muse", ".muse/coordination"] {
        let path = repo.path(place);
        let before = fs::metadata(&path).unwrap().permissions();
        chmod(&path, 0o777);
        let refused = repo.coord("tasks").ended_with(1);
        assert!(
            refused.stderr.contains("everybody on this machine may exchange what is in it; if you trust it"),
            "{refused}"
        );
        repo.coord_call("tasks").env("MUSE_REPO_ROOT", repo.path("")).run().succeeded();
        chmod(&path, 0o1777);
        repo.coord("tasks").succeeded();
        fs::set_permissions(&path, before).unwrap();
    }
}

#[test]
fn a_queue_that_came_with_a_clone_is_told_and_not_worked_on_until_it_is_taken_over() {
    let author = Repo::new();
    author.enqueue("theirs");
    let clone = Repo::bare();
    let commit = "git init -q && git add -f .muse && git -c user.name=a -c user.email=a@b commit -qm queue";
    author.shell(&format!("export HOME=/nowhere; {commit}")).succeeded();
    clone.shell(&format!("HOME=/nowhere git clone -q {:?} copy", author.path(""))).succeeded();
    refused_until_taken_over(&clone);
}

#[test]
fn a_queue_that_was_copied_is_told_and_not_worked_on_until_it_is_taken_over() {
    let author = Repo::new();
    author.enqueue("theirs");
    let copy = Repo::bare();
    copy.shell(&format!("cp -r {:?} copy", author.path(""))).succeeded();
    refused_until_taken_over(&copy);
    // The author's own goes on, and so does a backup that keeps names of one file together.
    author.shell("cp -a . ../backup-$$ && cd ../backup-$$ && \"$MUSE\" coord tasks && rm -r \"$PWD\"").succeeded();
    assert_eq!(author.tasks()["pending"], 1);
}

/// The queue is in `copy`, and holds one task.
fn refused_until_taken_over(repo: &Repo) {
    let there = |line: &str| repo.coord_call(line).dir(repo.path("copy")).run();
    for line in ["tasks", "claim --run-id a", "enqueue t", "export"] {
        let refused = there(line).ended_with(1).stderr;
        assert!(
            refused.contains(
                "it came with a copy of the repository, as did its tasks, or its anchor.json was removed: look at it by"
            ),
            "{refused}"
        );
    }
    let agent = repo.agent("--run-id a").dir(repo.path("copy")).run().ended_with(1);
    assert!(agent.stderr.contains("it came with a copy of the repository"), "{agent}");
    let named = repo.coord_call("tasks --json").env("MUSE_REPO_ROOT", repo.path("copy")).run().succeeded();
    assert_eq!(named.json()["pending"], 1);
    let defects = there("doctor --json").json()["defects"].to_string();
    assert!(defects.contains("`muse coord init` takes it over"), "{defects}");
    let taken = there("init --json").succeeded().json();
    assert_eq!([&taken["created"], &taken["adopted"]], [false, true]);
    assert_eq!(there("init --json").succeeded().json()["adopted"], false);
    assert!(!there("doctor --json").succeeded().stdout.contains("came with a copy"));
    there("claim --run-id a").succeeded();
}

#[test]
fn tasks_without_a_format_are_not_worked_on_either() {
    let author = Repo::new();
    author.enqueue("theirs");
    for name in ["format.json", "anchor.json"] {
        fs::remove_file(author.coordination(name)).unwrap();
    }
    for line in ["tasks", "claim --run-id a", "enqueue mine"] {
        let refused = author.coord(line).ended_with(1).stderr;
        assert!(refused.contains("it holds tasks, but no format.json: look at it by `muse coord doctor`"), "{refused}");
    }
    author.coord("doctor").ended_with(1);
    author.coord("init").succeeded();
    author.coord("claim --run-id a").succeeded();
}

#[test]
fn a_repository_is_not_made_where_it_would_not_be_trusted() {
    let Some(repo) = shared_place() else { return };
    fs::remove_dir(repo.path(".muse")).unwrap();
    chown(&repo.path(""), ANNE, 4_242);
    chmod(&repo.path(""), 0o755);
    let refused = repo.coord("init").ended_with(1);
    assert!(refused.stderr.contains("if you trust it, name it: MUSE_REPO_ROOT="), "{refused}");
    assert!(!repo.path(".muse").exists());
}

#[test]
fn a_queue_is_its_owners_alone_and_the_doctor_tells_who_else_may_look() {
    let repo = Repo::new();
    repo.shell("umask 0; \"$MUSE\" coord enqueue t").succeeded();
    let note = || repo.coord("doctor --json").succeeded().json()["notes"].to_string();
    assert_eq!(mode(&repo.coordination("")), 0o700);
    assert_eq!(note(), "[]");
    for (open, said) in [
        (0o755, "everybody on this machine may look into it: `chmod -R o= .muse` changes that"),
        (0o1777, "everybody on this machine may write in it: `chmod -R o= .muse` changes that"),
        (0o750, "its group may look into it: `chmod -R g= .muse` changes that"),
    ] {
        chmod(&repo.coordination(""), open);
        assert!(note().contains(said), "{open:o}: {}", note());
    }
    chmod(&repo.coordination(""), 0o770);
    assert_eq!(note(), "[]");
    chmod(&repo.coordination(""), 0o755);
    chmod(&repo.path(".muse"), 0o700);
    assert_eq!(note(), "[]");
}

/// A repository that others can come to, with a `muse` that they may run; none, and a word about it, unless this is
/// root.
fn shared_place() -> Option<Repo> {
    if !rustix::process::geteuid().is_root() {
        report("NOT RUN: several users, for which one must be root");
        return None;
    }
    let repo = Repo::new();
    chmod(&repo.path(""), 0o755);
    fs::copy(std::env::var_os("MUSE_BIN").unwrap(), repo.path("muse")).unwrap();
    Some(repo)
}

fn by(user: u32, repo: &Repo, script: &str) -> Outcome {
    as_user(user, "--clear-groups", repo, script)
}

/// Runs a script as another user. `"$COORD"` is `muse coord` without the space.
fn as_user(user: u32, groups: &str, repo: &Repo, script: &str) -> Outcome {
    let script = script.replace("\"$COORD\"", &format!("{:?} coord", repo.path("muse")));
    repo.shell(&format!(
        "exec setpriv --reuid {user} --regid {user} {groups} sh -c '{}'",
        script.replace('\'', r"'\''")
    ))
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn chown(path: &Path, user: u32, group: u32) {
    std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
