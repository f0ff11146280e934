//! `muse-agent` where the queue is on an engine. What its agents may do there is tested by the suite `agent`, which
//! also runs on a server.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use coord_tests::postgres::{Server, Setup, free_port};
use coord_tests::{Repo, report};

use super::{Engine, init};

#[test]
fn an_agent_works_on_the_engine_that_the_repository_leads_to() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare();
    init(&repo, &engine.address).run().succeeded();
    let id = task(&repo, "complete");
    repo.agent("--run-id agent-1").run().succeeded();
    let task = &repo.tasks()["items"][0];
    assert_eq!((task["task_id"].as_str(), task["status"].as_str()), (Some(id.as_str()), Some("completed")), "{task}");
    // Nor does it make a directory beside the file.
    assert!(repo.path(".muse/coordination").is_file());
}

#[test]
fn a_server_that_is_not_there_is_an_error_in_words() {
    let repo = Repo::new().on("postgres://muse@/work?host=/nowhere");
    let refused = repo.agent("--run-id agent-1").run().ended_with(1);
    assert!(refused.stderr.contains("no PostgreSQL server can be reached"), "{refused}");
    let refused = Repo::new().on("garbage").agent("--run-id agent-1").run().ended_with(2);
    assert!(refused.stderr.contains("MUSE_COORD_STORE: "), "{refused}");
}

/// The library is in the one linear memory, the agent in the other.
#[test]
fn the_password_is_in_no_components_memory() {
    const PASSWORD: &str = "correct-horse-battery-staple";
    const TITLE: &str = "a title that both components have";
    let port = free_port();
    let files = vec![("pg_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n".to_string())];
    let settings = vec!["listen_addresses=127.0.0.1".to_string()];
    let Some(server) = Server::with(&Setup { port: Some(port), settings, files, ..Setup::default() }) else { return };
    server.sql(&format!("alter user muse password '{PASSWORD}'"));
    let repo = Repo::new().on(format!("postgres://muse@127.0.0.1:{port}/postgres"));
    repo.coord_call("init").env("PGPASSWORD", PASSWORD).run().succeeded();
    let words = ["coord", "enqueue", TITLE, "--payload", r#"{"do":"sleep"}"#];
    repo.call(words).env("PGPASSWORD", PASSWORD).run().succeeded();

    let agent = repo.agent("--run-id agent-1").env("PGPASSWORD", PASSWORD).start();
    let claimed = || server.sql("select count(*) from coord.name where path like 'claimed/%'") == "1";
    let until = Instant::now() + Duration::from_secs(60);
    while !claimed() {
        assert!(Instant::now() < until, "the agent claims nothing");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    let memories = linear_memories(agent.id());
    let sizes: Vec<usize> = memories.iter().map(Vec::len).collect();
    report(format_args!("linear memories of {sizes:?} bytes"));
    let having = |text: &str| {
        let has = |memory: &&Vec<u8>| memory.windows(text.len()).any(|at| at == text.as_bytes());
        memories.iter().filter(has).count()
    };
    assert_eq!(having(TITLE), 2, "what is looked through is not what components have");
    assert_eq!(having(PASSWORD), 0);
    agent.kill();
}

/// Adds a task whose agent is to do this, and tells its id.
fn task(repo: &Repo, action: &str) -> String {
    let payload = format!("{{\"do\":\"{action}\"}}");
    repo.muse(["coord", "enqueue", action, "--payload", &payload, "--json"]).succeeded().text_of("task_id")
}

/// What can be written of the places in a process's memory that more than 2 GiB are kept free behind, as the runtime
/// keeps them behind each linear memory.
fn linear_memories(process: u32) -> Vec<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut areas: Vec<(u64, u64, bool)> = maps.lines().filter_map(area).collect();
    areas.dedup_by(|area, before| {
        let goes_on = area.0 == before.1 && area.2 == before.2;
        before.1 = if goes_on { area.1 } else { before.1 };
        goes_on
    });
    let before_a_gap = areas.windows(2).filter(|pair| {
        let [(_, end, is_writable), (begin, guarded, is_too)] = pair else { return false };
        *is_writable && end == begin && !is_too && guarded - begin > 2 << 30
    });
    let content = |(begin, end, _): &(u64, u64, bool)| {
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap()];
        memory.read_exact_at(&mut bytes, *begin).unwrap();
        bytes
    };
    before_a_gap.map(|pair| content(&pair[0])).collect()
}

/// Begin and end of an area, and whether it can be written: `7f12…-7f34… rw-p …`.
fn area(line: &str) -> Option<(u64, u64, bool)> {
    let (range, rest) = line.split_once(' ')?;
    let (begin, end) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(begin)?, number(end)?, rest.starts_with("rw")))
}
