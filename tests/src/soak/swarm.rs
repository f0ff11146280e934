//! The agents as a whole, and what is done to them.
//!
//! Each agent has a [`Slot`]. A thread fills it with one life after the other; chaos looks into it and kills or stops
//! what it finds there. A child is waited for under the lock that chaos takes, so no signal goes to a process that was
//! given the number of another.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};

use super::Options;
use super::agent::{Agent, Client};
use super::history::{Answer, History, Note, Said};
use super::hosts::{Host, Hosts};
use super::javascript::{Programs, Runtime};
use super::kind::{Face, Kind, Role, kinds};
use super::muse::{self, Muse};
use super::native::At;
use super::outage::Outages;
use super::vandal::vandalise;

/// About so many tasks are kept waiting or held, half of them by the dead.
const BACKLOG: usize = 120;

/// A stopped agent sleeps for longer than the longest lease, which is 3 s.
const STOPPED_MILLIS: std::ops::Range<u64> = 3_200..4_500;

/// So many times as long again they work on a slow machine, until each kind of workers has completed something.
const LONGER: u32 = 5;

/// One stop comes on so many kills.
const KILLS_PER_STOP: u32 = 25;

/// All agents, and what they did.
pub(super) struct Swarm {
    /// The `muse` under test.
    pub(super) muse: PathBuf,
    /// Where `muse` runs.
    pub(super) repository: PathBuf,
    /// Its coordination directory, or the engine that the queue is on instead.
    pub(super) at: At,
    /// `None` if no agent is one.
    javascript: Option<Programs>,
    /// True if somebody puts things in the way.
    vandal: bool,
    history: Mutex<History>,
    slots: Vec<Slot>,
}

/// What was done to the agents.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chaos {
    /// `muse` processes that were killed at work, and their agents with them.
    pub(super) commands_killed: u64,
    /// Agents that died while their `muse` process went on.
    pub(super) commands_orphaned: u64,
    /// Agents that died between two commands.
    pub(super) idle_killed: u64,
    /// Native processes that were killed.
    pub(super) natives_killed: u64,
    /// Processes of Node that were killed.
    pub(super) nodes_killed: u64,
    /// Processes of Deno that were killed.
    pub(super) denos_killed: u64,
    /// Processes that were stopped for longer than any lease, and went on then.
    pub(super) stops: u64,
    /// Things that were put in the way.
    pub(super) planted: u64,
    /// What was done to the server, if the queue is on one.
    pub(super) outages: Option<Outages>,
    /// How often the link of a host was cut, if the agents are on hosts.
    pub(super) links_cut: Option<u64>,
}

/// The place of one agent, or of the two in one native process.
pub(super) struct Slot {
    kind: Kind,
    host: Host,
    life: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    child: Option<Child>,
    /// The agent is dead, whatever its child still does.
    over: bool,
    /// Its child takes long to start, and has done nothing yet that it could be killed at.
    starting: bool,
    stopped_until: Option<Instant>,
    /// Nobody comes after this one.
    closed: bool,
}

impl Swarm {
    /// The agents that are asked for, in that repository.
    pub(super) fn new(options: &Options, repository: PathBuf, engine: Option<String>, hosts: Option<&Hosts>) -> Swarm {
        let javascript = (options.javascript > 0).then(Programs::named);
        let host = |number| hosts.map_or_else(Host::default, |hosts| hosts.of(number));
        let slot = |(number, kind)| Slot { kind, host: host(number), life: Mutex::default() };
        let slots = kinds(options).into_iter().enumerate().map(slot).collect();
        let (muse, at) = (muse::program(), At { directory: repository.join(".muse/coordination"), engine });
        let (vandal, history) = (options.vandal, Mutex::default());
        Swarm { muse, repository, at, javascript, vandal, history, slots }
    }

    /// Lets them work for that long, and until each kind of workers has completed something, and kills one every
    /// `kill_every`.
    pub(super) fn run(&self, time: Duration, kill_every: Duration, rng: &mut SmallRng) -> Chaos {
        let end = Instant::now() + time;
        thread::scope(|scope| {
            for (number, slot) in self.slots.iter().enumerate() {
                let seeds = SmallRng::seed_from_u64(rng.next_u64());
                scope.spawn(move || self.fill(slot, number, seeds));
            }
            let mut seeds = SmallRng::seed_from_u64(rng.next_u64());
            let vandal = self.vandal.then(|| scope.spawn(move || vandalise(&self.at.directory, end, &mut seeds)));
            let mut chaos = self.torment(end, kill_every, rng);
            self.slots.iter().for_each(Slot::close);
            chaos.planted = vandal.map_or(0, |vandal| vandal.join().expect("the vandal ends"));
            chaos
        })
    }

    /// What the agents did so far, to read or to add to.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the agents did, when all is over.
    pub(super) fn into_history(self) -> History {
        self.history.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tasks were completed by each face that there are workers by.
    pub(super) fn completed(&self) -> Vec<(Face, usize)> {
        let history = self.history();
        let workers = self.slots.iter().filter(|slot| slot.kind.role == Role::Worker);
        let mut faces: Vec<Face> = workers.map(|slot| slot.kind.face).collect();
        faces.dedup();
        let count = |face: Face| history.actions.iter().filter(|action| face.completed(action)).count();
        faces.into_iter().map(|face| (face, count(face))).collect()
    }

    fn torment(&self, end: Instant, kill_every: Duration, rng: &mut SmallRng) -> Chaos {
        let mut chaos = Chaos::default();
        let mut next = Instant::now() + kill_every;
        let at_most = end + LONGER * end.saturating_duration_since(Instant::now());
        // Where the machine was too slow for one, the next comes the sooner.
        while next < end || next < at_most && self.completed().iter().any(|(_, count)| *count == 0) {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            next += kill_every;
            self.slots.iter().for_each(Slot::resume_if_due);
            self.some(rng, |slot, rng| slot.kill(&mut chaos, rng));
            if rng.random_ratio(1, KILLS_PER_STOP) {
                let until = Instant::now() + Duration::from_millis(rng.random_range(STOPPED_MILLIS));
                self.some(rng, |slot, _| slot.stop(&mut chaos, until));
            }
        }
        chaos
    }

    /// Tries one slot after the other, from any, until something could be done to one.
    fn some(&self, rng: &mut SmallRng, mut deed: impl FnMut(&Slot, &mut SmallRng) -> bool) {
        let first = rng.random_range(0..self.slots.len());
        let (before, from) = self.slots.split_at(first);
        from.iter().chain(before).any(|slot| deed(slot, rng));
    }

    /// One life after the other, until the slot is closed.
    fn fill(&self, slot: &Slot, number: usize, mut seeds: SmallRng) {
        for life in 0.. {
            if !slot.begin() {
                return;
            }
            // Some run ids are too long for a name in the queue, which then keeps their text in a file.
            let tail = if life % 8 == 7 { "-with-a-run-id-that-is-too-long-for-a-name" } else { "" };
            let (name, seed) = (format!("{}-{number}-{life}{tail}", slot.kind.name()), seeds.next_u64());
            match slot.kind.face {
                Face::Muse => {
                    self.live(
                        slot,
                        name,
                        seed,
                        Muse { muse: &self.muse, at: &self.at, repository: &self.repository, slot },
                    );
                }
                Face::Native => self.host(slot, &name, seed),
                Face::JavaScript(runtime) => {
                    let (programs, engine) = (self.javascript.as_ref(), self.at.engine.as_deref());
                    let start = |programs: &Programs| programs.start(runtime, &self.repository, engine, slot);
                    if let Some(client) = programs.and_then(start) {
                        self.live(slot, name, seed, client);
                    }
                }
            }
        }
    }

    /// One life of an agent in this process.
    fn live(&self, slot: &Slot, name: String, seed: u64, client: impl Client) {
        let mut agent = Agent::new(name, seed, client, |note| self.history().note(note));
        match slot.kind.role {
            Role::Worker => match agent.work() {
                None => {}
            },
            Role::Orchestrator => agent.orchestrate(|| self.wants_more(slot)).unwrap_or_default(),
        }
    }

    /// Starts a native process and takes down what it says, until it ends. An orchestrator gets a line for each task
    /// that it is to enqueue.
    fn host(&self, slot: &Slot, name: &str, seed: u64) {
        let (log, stdout) = io::pipe().expect("make a pipe");
        let (stdin, orders) = io::pipe().expect("make a pipe");
        let mut command = slot.command(&std::env::current_exe().expect("this program has a path"));
        command.args(["agent", "--name", name, "--seed", &seed.to_string()]);
        command.arg("--directory").arg(&self.at.directory).stdout(stdout).stdin(stdin);
        command.args(self.at.engine.iter().flat_map(|engine| ["--engine", engine.as_str()]));
        let is_orchestrator = slot.kind.role == Role::Orchestrator;
        if is_orchestrator {
            command.arg("--orchestrator");
        }
        if slot.lend(&mut command).is_none() {
            return;
        }
        drop(command);
        let mut orders = is_orchestrator.then_some(orders);
        self.order(slot, &mut orders);
        for line in BufReader::new(log).lines() {
            let note: Note = serde_json::from_str(&line.expect("a log is text")).expect("a log is notes");
            let done = matches!(note.said, Said::Got(Answer::Enqueued { .. } | Answer::Deduplicated { .. }));
            self.history().note(note);
            if done {
                self.order(slot, &mut orders);
            }
        }
        slot.take_back();
    }

    /// Has one more task enqueued, as soon as it is wanted.
    fn order(&self, slot: &Slot, orders: &mut Option<io::PipeWriter>) {
        let Some(pipe) = orders else { return };
        // A process that was killed takes no orders: its log is at its end, too.
        if !self.wants_more(slot) || pipe.write_all(b"\n").is_err() {
            *orders = None;
        }
    }

    /// Waits until another task is wanted. False: from this orchestrator not any more.
    fn wants_more(&self, slot: &Slot) -> bool {
        while !slot.is_over() {
            if self.history().backlog() < BACKLOG {
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

impl Slot {
    /// A program where the agent lives.
    pub(super) fn command(&self, program: &Path) -> Command {
        self.host.command(program)
    }

    /// Lends it a child to be killed or stopped; `None` if the agent is dead already.
    pub(super) fn lend(&self, command: &mut Command) -> Option<()> {
        let mut life = self.life();
        if life.over {
            return None;
        }
        // A group of its own: an interrupt from the keyboard goes to the soak, not to each agent.
        command.envs(self.host.variables());
        life.child = Some(command.process_group(0).spawn().expect("the process starts"));
        Some(())
    }

    /// Says whether the child is starting still, and so is not killed.
    pub(super) fn set_starting(&self, starting: bool) {
        self.life().starting = starting;
    }

    /// Takes the child back that has closed its output, and so is about to end. True if the agent died meanwhile.
    pub(super) fn take_back(&self) -> bool {
        let mut life = self.life();
        let child = life.child.take();
        child.map(|mut child| child.wait().expect("a child can be waited for"));
        life.stopped_until = None;
        life.over
    }

    /// Whether the agent is dead.
    pub(super) fn is_over(&self) -> bool {
        self.life().over
    }

    /// A new life; false if there is to be none.
    fn begin(&self) -> bool {
        let mut life = self.life();
        life.over = life.closed;
        !life.closed
    }

    /// Kills the agent: with its child, or three times in ten without. A stopped one is spared, to go on later, and so
    /// is mostly one that does nothing with the queue right now.
    fn kill(&self, chaos: &mut Chaos, rng: &mut SmallRng) -> bool {
        let mut life = self.life();
        let by_muse = self.kind.face == Face::Muse;
        let with_child = !by_muse || rng.random_ratio(7, 10);
        if life.over || life.starting || life.stopped_until.is_some() {
            return false;
        }
        let counter = match &mut life.child {
            None if !by_muse || rng.random_ratio(3, 4) => return false,
            None => &mut chaos.idle_killed,
            Some(_) if !with_child => &mut chaos.commands_orphaned,
            Some(child) => {
                child.kill().expect("a child can be killed");
                chaos.processes_killed(self.kind.face)
            }
        };
        *counter += 1;
        life.over = true;
        true
    }

    fn stop(&self, chaos: &mut Chaos, until: Instant) -> bool {
        let mut life = self.life();
        if life.over || life.stopped_until.is_some() || !signal(&mut life, Signal::STOP) {
            return false;
        }
        life.stopped_until = Some(until);
        chaos.stops += 1;
        true
    }

    fn resume_if_due(&self) {
        let mut life = self.life();
        if life.stopped_until.is_some_and(|until| until <= Instant::now()) {
            signal(&mut life, Signal::CONT);
            life.stopped_until = None;
        }
    }

    /// Ends it for good. A `muse` process goes on to its end, and so does an orchestrator; other workers are killed.
    fn close(&self) {
        let mut life = self.life();
        (life.closed, life.over) = (true, true);
        signal(&mut life, Signal::CONT);
        if self.kind.face != Face::Muse && self.kind.role == Role::Worker {
            signal(&mut life, Signal::KILL);
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chaos {
    /// How many agents died.
    pub(super) fn kills(&self) -> u64 {
        let commands = self.commands_killed + self.commands_orphaned + self.idle_killed;
        commands + self.natives_killed + self.nodes_killed + self.denos_killed
    }

    fn processes_killed(&mut self, face: Face) -> &mut u64 {
        match face {
            Face::Muse => &mut self.commands_killed,
            Face::Native => &mut self.natives_killed,
            Face::JavaScript(Runtime::Node) => &mut self.nodes_killed,
            Face::JavaScript(Runtime::Deno) => &mut self.denos_killed,
        }
    }
}

/// False if there is no child, or none any more.
fn signal(life: &mut Life, signal: Signal) -> bool {
    let Some(child) = &mut life.child else { return false };
    let alive = matches!(child.try_wait(), Ok(None));
    alive && kill_process(Pid::from_child(child), signal).is_ok()
}
