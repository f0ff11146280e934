//! The soak: real agents on one real directory, or on a real server, killed and stopped at random, and every answer
//! held against the others.
//!
//! Some workers run `muse` for each step, as many are native processes with two threads, and some are processes of Node
//! and Deno; orchestrators of each kind keep some dozens of tasks waiting. Every few milliseconds one of them is
//! killed, and comes back under a new run id; now and then one is stopped for longer than its lease. What each asked
//! and was answered is the [`history`]; when the storm is over and the queue is drained, [`check`] judges it.
//!
//! Every choice follows from one seed, which is printed. What the processes make of it does not: the same seed is the
//! same storm, not the same run.
//!
//! On a server, connections are cut, it is stopped and started again, and a standby takes its place if that is asked
//! for. Who was told that the server is gone does not know what came of its call: it goes on under another run id, as
//! if it had been killed.
//!
//! If that is asked for, the agents are on three hosts (`hosts.rs`), which stand in networks of their own and have
//! clocks of their own.
//!
//! Not covered: a power cut, or a crash of the server, which takes back what was not synced.

mod agent;
mod check;
mod drain;
mod history;
mod hosts;
mod javascript;
mod kind;
mod muse;
mod native;
mod outage;
mod place;
mod report;
mod swarm;
mod vandal;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use coord_core::limits;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use drain::Defect;
use history::{History, Moment, Task};
use hosts::Hosts;
use outage::Pace;
use place::Place;
use report::Storm;
use swarm::{Chaos, Swarm};

use crate::postgres::Server;

pub use native::{AgentOptions, agent};
pub use report::Report;

/// How long and how hard.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How long the agents work; longer, if workers of one kind have completed nothing by then
    #[arg(long)]
    pub minutes: f64,
    /// How many workers there are: half run `muse`, half are native threads
    #[arg(long)]
    pub agents: usize,
    /// How many JavaScript workers there are beside them: half in Node, half in Deno
    #[arg(long)]
    pub javascript: usize,
    /// How often one of them is killed
    #[arg(long)]
    pub kill_every_ms: u64,
    /// Something is put in the way of the queue every second
    #[arg(long)]
    pub vandal: bool,
    /// Where the queue is
    #[arg(long, value_enum, default_value_t = Store::Directory)]
    pub store: Store,
    /// How often the server is stopped and started again, if the queue is on one
    #[arg(long, default_value_t = 5_000)]
    pub restart_every_ms: u64,
    /// How often one of two standbys takes its place, of which one has each change that is durable; never, if not given
    #[arg(long)]
    pub promote_every_ms: Option<u64>,
    /// The agents are on three hosts, two of which have clocks that are an hour off; where root allows it, the link of
    /// one of them is cut now and then. On a server without standbys. `LIBFAKETIME` names libfaketime.so.1
    #[arg(long, conflicts_with = "promote_every_ms")]
    pub hosts: bool,
    /// What all choices follow from [default: another each time]
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Where the queue of a soak is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Store {
    /// In a directory.
    Directory,
    /// On a PostgreSQL server of the soak's own, which `POSTGRES` names the programs of. Its connections are cut, it is
    /// stopped and started again, and a standby takes its place if that is asked for.
    Postgres,
}

/// Runs the soak with the programs that `MUSE_BIN`, `NODE` and `DENO` name. Where something was wrong the directory is
/// kept.
pub fn run(options: &Options) -> Report {
    let seed = options.seed.unwrap_or_else(|| Moment::now().nanos);
    let place = Place::new();
    let is_on_server = options.store == Store::Postgres;
    assert!(is_on_server || !options.hosts, "--hosts needs --store postgres: a directory is on one host");
    let hosts = (options.hosts && is_on_server).then(Hosts::new);
    let start =
        || hosts.as_ref().map_or_else(Server::start, Hosts::server).expect("POSTGRES names a server's programs");
    let server = is_on_server.then(start);
    let has_standbys = options.promote_every_ms.is_some();
    let server = server.map(|server| if has_standbys { server.with_two_standbys() } else { server });
    let engine = |server: &Server| hosts.as_ref().map_or_else(|| server.made("soak"), |it| it.engine(server, "soak"));
    let engine = server.as_ref().map(engine);
    let swarm = Swarm::new(options, place.path().to_owned(), engine, hosts.as_ref());
    std::fs::create_dir_all(&swarm.at.directory).expect("make the coordination directory");

    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let kill_every = Duration::from_millis(options.kill_every_ms.max(1));
    let restart_every = Duration::from_millis(options.restart_every_ms.max(1));
    let promote_every = options.promote_every_ms.map(|millis| Duration::from_millis(millis.max(1)));
    let pace = Pace { restart_every, promote_every };
    let (began, is_over) = (Instant::now(), AtomicBool::new(false));
    let (chaos, time) = thread::scope(|scope| {
        let (server, hosts, is_over) = (server.as_ref(), hosts.as_ref(), &is_over);
        let of_hosts = hosts.map(|hosts| scope.spawn(move || hosts.torment(is_over)));
        let of_server = server.map(|server| scope.spawn(move || outage::torment(server, is_over, pace)));
        let ends = Ends(is_over);
        let chaos = swarm.run(time, kill_every, &mut SmallRng::seed_from_u64(seed));
        let time = began.elapsed();
        drop(ends);
        let outages = of_server.map(|it| it.join().expect("the server comes back"));
        let links_cut = of_hosts.map(|it| it.join().expect("the links come back"));
        (Chaos { outages, links_cut, ..chaos }, time)
    });
    drain::drain(&swarm, "drain");
    let complaints = heal(&swarm, options.vandal);

    let (listing, findings) = drain::listing(&swarm);
    let completed = swarm.completed();
    let history = swarm.into_history();
    let mut found = check::check(&history.actions, &listing);
    complaints.into_iter().chain(findings).for_each(|what| found.report(None, what));
    for (face, _) in completed.iter().filter(|(_, count)| *count == 0) {
        found.report(None, format!("nothing was completed by {}, so that it was not put to the test", face.name()));
    }
    Report::new(Storm { seed, time, chaos, completed }, found, &history, &listing, place)
}

/// Says that it is over, also where a panic ends it.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The doctor repairs what killed enqueuers left, and it is worked off. Its other findings are told.
fn heal(swarm: &Swarm, was_vandalised: bool) -> Vec<String> {
    // Until then a doctor takes an enqueuer that was killed for one at work.
    thread::sleep(Duration::from_micros(limits::ENQUEUE_MICROS));
    let diagnosis = drain::doctor(swarm, &[]);
    let of_agents = diagnosis.defects.into_iter().filter(|defect| !was_vandalised || defect.code != "in_the_way");
    let mut complaints = unexplained(of_agents.collect(), &swarm.history());
    if !diagnosis.healthy {
        drain::doctor(swarm, &["--repair"]);
        let left = drain::doctor(swarm, &[]);
        if !left.healthy {
            complaints.push(format!("doctor: not healthy after the repair: {:?}", left.defects));
        }
        drain::drain(swarm, "drain-again");
    }
    complaints
}

/// A record without an entry is what a killed `enqueue` leaves, CM-1: no defect, unless the task was acknowledged.
fn unexplained(defects: Vec<Defect>, history: &History) -> Vec<String> {
    let acknowledged: HashSet<&Task> = history.acknowledged().collect();
    let is_explained = |defect: &Defect| {
        defect.code == "no_entry" && defect.task_id.as_ref().is_some_and(|task| !acknowledged.contains(task))
    };
    let unexplained = defects.into_iter().filter(|defect| !is_explained(defect));
    unexplained.map(|Defect { code, task_id, problem }| format!("doctor: {code} {task_id:?} {problem}")).collect()
}

#[cfg(test)]
mod tests {
    use super::history::{Answer, Label, Note, Op, Said};
    use super::*;

    /// A history in which the task `there` was acknowledged.
    fn history() -> History {
        let mut history = History::default();
        let label = Label { by: "orchestrator".into(), number: 1 };
        let op = Op::Enqueue { label, queue: "red".into(), priority: 0, key: None };
        for said in [Said::Began(op), Said::Got(Answer::Enqueued { task: "there".into() })] {
            history.note(Note { run_id: "orchestrator".into(), at: Moment::default(), said });
        }
        history
    }

    #[test]
    fn a_doctor_may_find_only_records_of_tasks_that_were_never_acknowledged() {
        let told = r#"{"schema":1,"healthy":false,"defects":[
            {"code":"no_entry","task_id":"killed","path":"tasks/k","problem":"no entry","became":null},
            {"code":"no_entry","task_id":"there","path":"tasks/t","problem":"no entry","became":null},
            {"code":"two_entries","task_id":"killed","path":"ready/k","problem":"two","became":null},
            {"code":"no_entry","task_id":null,"path":"tasks/x","problem":"foreign","became":null}]}"#;
        let diagnosis: drain::Diagnosis = serde_json::from_str(told).unwrap();
        assert!(!diagnosis.healthy);
        let complaints = unexplained(diagnosis.defects, &history());
        let begins =
            ["doctor: no_entry Some(\"there\")", "doctor: two_entries Some(\"killed\")", "doctor: no_entry None"];
        assert_eq!(complaints.len(), begins.len());
        assert!(complaints.iter().zip(begins).all(|(complaint, begin)| complaint.starts_with(begin)), "{complaints:?}");
    }
}
