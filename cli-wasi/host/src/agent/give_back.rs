//! What the agent holds when it ends, in whichever way, is given back.
//!
//! The queue tells what that is, so a lease is also found if the call that claimed it failed afterwards, or was cut
//! off. Leases under the same run id that were there before the start are another process's: they are left alone,
//! unless this agent took them up again by `resume`. Two agents that run must not share a run id: what another process
//! claims under it while this agent runs counts as this agent's.
//!
//! Guaranteed: a line for each task that is given back, and for each that is not, within [`TIME`]. A thread of its own
//! does the work, since nothing can interrupt a call of the system that does not return.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use coord_core::Error;
use coord_core::name::{Nonce, RunId};
use coord_core::queue::{Holding, Status};
use coord_core::transition::Refusal;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;

use crate::agent::held::Named;
use crate::agent::medium::{Medium, View};
use crate::agent::report::Failure;

/// How long all of it may take.
const TIME: Duration = Duration::from_secs(10);

/// An agent, and what its run id held before it began.
pub(crate) struct Holder {
    medium: Medium,
    run_id: RunId,
    before: BTreeSet<Nonce>,
}

/// Giving back, while it is done and afterwards.
pub(crate) struct GiveBack {
    run_id: RunId,
    /// What is known to be held, and not given back yet.
    open: BTreeMap<Holding, Option<Named>>,
    steps: UnboundedReceiver<Step>,
    /// False until the queue was read.
    looked: bool,
    lines: Vec<String>,
}

/// What the thread tells of its work.
enum Step {
    /// The queue was read, and these are held.
    Found(Vec<Holding>),
    /// Something could not be read.
    Warning(String),
    /// This became of a task.
    Outcome(Holding, Option<Named>, Result<Status, Error>),
}

impl Holder {
    /// An agent that has not begun.
    pub(crate) fn before_the_start(medium: &Medium, run_id: &RunId) -> Result<Holder, Failure> {
        let held = medium.open().and_then(|view| view.held_by(run_id));
        let (held, _) = held.map_err(Failure::Queue)?;
        let before = held.iter().map(|holding| holding.nonce).collect();
        Ok(Holder { medium: medium.clone(), run_id: run_id.clone(), before })
    }

    /// Begins to give back what the agent holds: what the queue tells, and what is `known`.
    pub(crate) fn give_back(self, known: BTreeMap<Holding, Named>) -> GiveBack {
        let (tell, steps) = mpsc::unbounded_channel();
        let run_id = self.run_id.clone();
        let open = known.iter().map(|(holding, named)| (*holding, Some(named.clone()))).collect();
        let mut lines = Vec::new();
        // If nobody listens any more the process is about to end.
        let started: io::Result<_> = thread::Builder::new().spawn(move || _ = self.work(known, &tell));
        lines.extend(started.err().map(|error| format!("nothing could be given back: {error}")));
        GiveBack { run_id, open, steps, looked: false, lines }
    }

    fn work(&self, known: BTreeMap<Holding, Named>, tell: &UnboundedSender<Step>) -> Result<(), GoneAway> {
        let view = match self.medium.open() {
            Ok(view) => view,
            Err(error) => {
                for (holding, named) in known {
                    tell.send(Step::Outcome(holding, Some(named), Err(error.clone())))?;
                }
                return Ok(tell.send(Step::Warning(self.not_looked_up(&error)))?);
            }
        };
        let mut open: BTreeMap<Holding, Option<Named>> =
            known.into_iter().map(|(of, named)| (of, Some(named))).collect();
        for holding in self.look(&view, tell)? {
            open.entry(holding).or_insert(None);
        }
        for (holding, named) in open {
            // The name is for people: a record that cannot be read is told by what becomes of the task.
            let named = named.or_else(|| view.task(&holding).ok().map(Named::of));
            tell.send(Step::Outcome(holding, named, view.release(&holding, &self.run_id)))?;
        }
        Ok(())
    }

    /// What the queue tells that the agent has taken since it began.
    fn look(&self, view: &View, tell: &UnboundedSender<Step>) -> Result<Vec<Holding>, GoneAway> {
        match view.held_by(&self.run_id) {
            Ok((mut held, findings)) => {
                held.retain(|holding| !self.before.contains(&holding.nonce));
                for finding in findings {
                    tell.send(Step::Warning(finding.to_string()))?;
                }
                tell.send(Step::Found(held.clone()))?;
                Ok(held)
            }
            Err(error) => {
                tell.send(Step::Warning(self.not_looked_up(&error)))?;
                Ok(Vec::new())
            }
        }
    }

    fn not_looked_up(&self, error: &Error) -> String {
        format!(
            "it could not be looked up which tasks {:?} holds: {error}; {}",
            self.run_id.as_str(),
            look_by(&self.run_id)
        )
    }
}

impl GiveBack {
    /// Waits until all is given back, or for as long as that may take.
    pub(crate) async fn finish(&mut self) {
        let all = async {
            while let Some(step) = self.steps.recv().await {
                self.take(step);
            }
        };
        if timeout(TIME, all).await.is_ok() {
            self.looked = true;
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Found(held) => {
                self.looked = true;
                held.into_iter().for_each(|holding| _ = self.open.entry(holding).or_insert(None));
            }
            Step::Warning(line) => self.lines.push(line),
            Step::Outcome(holding, named, outcome) => {
                self.open.remove(&holding);
                let run_id = self.run_id.clone();
                self.lines.push(GivenBack { run_id, holding, named, outcome }.to_string());
            }
        }
    }

    /// What became of each task so far, and which may be held still because of `reason`.
    pub(crate) fn into_lines(mut self, reason: &str) -> Vec<String> {
        for (holding, named) in &self.open {
            let left = Left { run_id: &self.run_id, holding, named: named.as_ref() };
            self.lines.push(format!("{left}; it may be held still, as {reason}; {}", way_out(holding)));
        }
        if !self.looked {
            let who = self.run_id.as_str();
            let line =
                format!("it was not looked up which tasks {who:?} holds, as {reason}; {}", look_by(&self.run_id));
            self.lines.push(line);
        }
        self.lines
    }

    /// Why something may be left after [`GiveBack::finish`].
    pub(crate) fn out_of_time() -> String {
        format!("giving back took longer than {}", humantime::format_duration(TIME))
    }
}

/// Nobody listens any more.
struct GoneAway;

impl From<mpsc::error::SendError<Step>> for GoneAway {
    fn from(_: mpsc::error::SendError<Step>) -> GoneAway {
        GoneAway
    }
}

/// What became of a task that the agent held at its end.
struct GivenBack {
    run_id: RunId,
    holding: Holding,
    named: Option<Named>,
    outcome: Result<Status, Error>,
}

/// A task that the agent left.
struct Left<'a> {
    run_id: &'a RunId,
    holding: &'a Holding,
    named: Option<&'a Named>,
}

/// Who left which task. Titles and run ids are escaped, in quotes.
impl fmt::Display for Left<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} left the task {} ", self.run_id.as_str(), self.holding.task_id)?;
        if let Some(Named { title, queue }) = self.named {
            write!(f, "({title:?}, queue {queue}) ")?;
        }
        f.write_str("unfinished")
    }
}

/// Which task, what happened to it, who had it, and what to do.
impl fmt::Display for GivenBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GivenBack { run_id, holding, named, outcome } = self;
        write!(f, "{}; ", Left { run_id, holding, named: named.as_ref() })?;
        match outcome {
            Ok(Status::Cancelled) => {
                f.write_str("it was given back, and so called off, as its holder had been asked to stop")
            }
            Ok(_) => f.write_str("it was given back, and waits to be claimed"),
            Err(Error::Refused { refusal: Refusal::LeaseLost(_) | Refusal::WrongOwner(_), who, .. }) => {
                let who = who.as_deref().unwrap_or("another agent");
                write!(f, "its lease had run out, and {who:?} has it now: nothing is to be done")
            }
            Err(Error::Refused { refusal: Refusal::AlreadyEnded { .. } | Refusal::NotClaimed(_), .. }) => {
                f.write_str("it was settled by another hand meanwhile: nothing is to be done")
            }
            Err(error) => write!(f, "it could not be given back: {error}; {}", way_out(holding)),
        }
    }
}

/// What to do about a task that is held still.
fn way_out(holding: &Holding) -> String {
    format!(
        "it can be claimed when its lease has run out, or called off by `muse coord cancel-task {} --force`",
        holding.task_id
    )
}

/// How a person finds out what an agent holds.
fn look_by(run_id: &RunId) -> String {
    format!("`muse coord tasks --status claimed --run-id {:?}` tells", run_id.as_str())
}
