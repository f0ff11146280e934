//! What the system does not give: devices, standard streams, open files, memory. `muse-agent` does without, or says so.

use std::path::Path;

use coord_tests::{Repo, required};

use super::{item, task};

fn command() -> String {
    let quoted = |path: &Path| format!("'{}'", path.display());
    format!("{} {} --run-id agent-1", quoted(&required("MUSE_AGENT")), quoted(&required("MUSE_GUEST_AGENT")))
}

#[test]
fn an_agent_needs_no_device_and_no_standard_stream() {
    let repo = Repo::new();
    repo.given(["init"]);
    let Some(there) = repo.mounted("muse-agent without /dev", "mount -t tmpfs tmpfs /dev") else { return };
    for closed in ["", "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let id = task(&repo, "complete");
        there.shell(&format!("exec {} {closed}", command())).succeeded();
        assert_eq!(item(&repo, &id)["status"], "completed", "{closed}");
    }
}

#[test]
fn an_agent_that_can_have_too_few_files_or_too_little_memory_is_not_started_and_this_is_said() {
    let repo = Repo::new();
    let id = task(&repo, "complete");
    let limits = (5..=14).step_by(3).map(|files| format!("ulimit -n {files}"));
    let limits = limits.chain((60_000..=8_000_000).step_by(794_000).map(|kilobytes| format!("ulimit -v {kilobytes}")));
    for limit in limits {
        let ended = repo.shell(&format!("{limit}; exec {}", command()));
        assert_eq!((ended.code, ended.stderr.contains("panicked")), (Some(1), false), "{limit}: {ended}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains("ulimit -"), "{limit}: {ended}");
        assert_eq!(item(&repo, &id)["status"], "pending", "{limit}");
    }
}
