//! Bad input of every kind: a clear error each time, and nothing lost. What is bad comes as a value (`values.rs`), lies
//! in the directory (`directory.rs`), is the disk and the terminal (`medium.rs`), or the system (`system.rs`).
//!
//! Each test has tasks that have nothing to do with what is bad; in the end they are still listed and claimable.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "as in tests: what a helper cannot do ends the test"
)]

mod directory;
mod medium;
mod system;
mod values;

use coord_tests::Repo;

/// An id that no task has.
const NO_TASK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Two tasks that wait and one that is held, in a queue of their own.
struct Bystanders {
    waiting: [String; 2],
    held: String,
}

impl Bystanders {
    fn of(repo: &Repo) -> Bystanders {
        let enqueue = |title: &str| {
            repo.coord(&format!("enqueue {title} --queue bystanders --json")).succeeded().text_of("task_id")
        };
        let held = enqueue("held");
        repo.given(["claim --run-id bystander --queue bystanders"]);
        Bystanders { waiting: [enqueue("waiting-1"), enqueue("waiting-2")], held }
    }

    /// They are listed, the held one can be completed, and the others can be claimed in their order.
    fn are_unharmed(&self, repo: &Repo) {
        let listed = repo.coord("tasks --queue bystanders --json").succeeded().json();
        let ids: Vec<_> =
            listed["items"].as_array().into_iter().flatten().map(|item| item["task_id"].clone()).collect();
        assert_eq!(ids, [&self.held, &self.waiting[0], &self.waiting[1]].map(|id| id.as_str()));
        repo.given([format!("complete {} --run-id bystander", self.held)]);
        for id in &self.waiting {
            let claimed = repo.coord("claim --run-id next --queue bystanders --json").succeeded();
            assert_eq!(claimed.text_of("task_id"), *id);
        }
    }
}
