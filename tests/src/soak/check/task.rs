//! One task as if everything happened to it one after the other; and whether a history is explained by some such order.
//!
//! An operation without an answer may take its place anywhere after it began, or nowhere. Heartbeats without one are
//! left out: at most they make a lease longer, which nothing here relies on. A claim without one is not known to be of
//! this task; but each generation that nobody was told of was claimed, so for each there is one claim by somebody.

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use crate::soak::history::{Action, Answer, Lease, Listed, Moment, Op, Verdict};

/// Longer histories are left to the plain checks: the search takes exponential time in bad cases.
const LONGEST: usize = 40;

/// The same for operations without an answer, which may be anywhere.
const MOST_OPEN: usize = 8;

/// Whether some order explains all answers and what is listed at the end; `None` if that would take too long to find.
pub(super) fn is_linearizable(enqueue: &Action, actions: &[&Action], listed: &Listed) -> Option<bool> {
    let mut steps: Vec<Step> = actions
        .iter()
        .filter(|action| !matches!(action.op, Op::Enqueue { .. }))
        .filter_map(|action| Step::of(action))
        .collect();
    let start = steps.iter().map(|step| step.began).chain([enqueue.began.nanos]).min()?;
    steps.extend(Step::of(enqueue));
    let claimed: Vec<u32> = steps.iter().filter_map(Step::claimed).collect();
    let silent = (1..=listed.generation).filter(|generation| !claimed.contains(generation));
    steps.extend(silent.map(|generation| Step { began: start, asked: Asked::SilentClaim(generation), answer: None }));
    steps.push(Step::looking(listed));
    let open = steps.iter().filter(|step| step.answer.is_none()).count();
    (steps.len() <= LONGEST && open <= MOST_OPEN).then(|| some_order_explains(&steps))
}

/// An operation on this task.
struct Step {
    began: u64,
    asked: Asked,
    /// When it was answered what; `None`: nobody knows.
    answer: Option<(u64, Told)>,
}

#[derive(Clone, Debug)]
enum Asked {
    Op {
        run_id: String,
        op: Op,
    },
    /// The claim of this generation by an agent that died before it was told.
    SilentClaim(u32),
    Look,
}

#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// By the wall clock, so late.
    Answer(Answer, u64),
    Listed(Listed),
    Unknown,
}

impl Step {
    fn of(action: &Action) -> Option<Step> {
        if action.answer().is_none() && matches!(action.op, Op::Heartbeat { .. }) {
            return None;
        }
        let asked = Asked::Op { run_id: action.run_id.clone(), op: action.op.clone() };
        let told = |(at, answer): (Moment, &Answer)| (at.nanos, Told::Answer(answer.clone(), at.wall_micros));
        Some(Step { began: action.began.nanos, asked, answer: action.ended_at().zip(action.answer()).map(told) })
    }

    /// The look at the very end.
    fn looking(listed: &Listed) -> Step {
        Step { began: u64::MAX - 1, asked: Asked::Look, answer: Some((u64::MAX, Told::Listed(listed.clone()))) }
    }

    fn claimed(&self) -> Option<u32> {
        match &self.answer {
            Some((_, Told::Answer(Answer::Claimed { lease, .. }, _))) => Some(lease.generation),
            _ => None,
        }
    }
}

/// Every operation is a thread of its own: what was answered before another began comes before it, that is all.
fn some_order_explains(steps: &[Step]) -> bool {
    let begins = steps.iter().enumerate().map(|(index, step)| (step.began, false, index));
    let ends = steps.iter().enumerate().filter_map(|(index, step)| Some((step.answer.as_ref()?.0, true, index)));
    let mut events: Vec<(u64, bool, usize)> = begins.chain(ends).collect();
    events.sort_unstable();
    let mut tester = LinearizabilityTester::new(OneTask::default());
    for (_, is_end, index) in events {
        let Some(step) = steps.get(index) else { continue };
        let noted = match &step.answer {
            Some((_, told)) if is_end => tester.on_return(index, told.clone()),
            _ => tester.on_invoke(index, step.asked.clone()),
        };
        noted.expect("a thread's one operation begins, then ends");
    }
    tester.is_consistent()
}

/// A task, as the contract has it.
#[derive(Clone, Debug, Default)]
struct OneTask {
    state: State,
    generation: u32,
    attempt: u32,
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Absent,
    Ready,
    Held {
        /// `None`: by an agent that died before it was told.
        holder: Option<(String, Lease)>,
    },
    Ended {
        status: &'static str,
        by: String,
        report: Option<String>,
    },
}

impl SequentialSpec for OneTask {
    type Op = Asked;
    type Ret = Told;

    /// What an operation without an answer does if it comes here.
    fn invoke(&mut self, asked: &Asked) -> Told {
        match asked {
            Asked::Op { run_id, op } => match op {
                Op::Enqueue { .. } => self.enqueue(),
                Op::Settle { verdict, report, .. } => self.settle(run_id, *verdict, report),
                Op::Release { nonce, .. } => self.release(run_id, nonce),
                Op::Cancel { .. } => self.cancel(run_id),
                Op::Retry { .. } => self.put_back(),
                Op::Claim { .. } | Op::Heartbeat { .. } | Op::Gc { .. } | Op::Limit { .. } => false,
            },
            Asked::SilentClaim(generation) => self.claim(*generation, None),
            Asked::Look => false,
        };
        Told::Unknown
    }

    /// Whether an operation can come here, with this answer; and what the task then is.
    fn is_valid_step(&mut self, asked: &Asked, told: &Told) -> bool {
        match (asked, told) {
            (Asked::Op { run_id, op }, Told::Answer(answer, at)) => self.accepts(run_id, op, answer, *at),
            (Asked::Look, Told::Listed(listed)) => self.is_listed_as(listed),
            _ => false,
        }
    }
}

impl OneTask {
    fn accepts(&mut self, run_id: &str, op: &Op, answer: &Answer, at: u64) -> bool {
        match (op, answer) {
            (Op::Enqueue { .. }, Answer::Enqueued { .. }) => self.enqueue(),
            (Op::Claim { .. }, Answer::Claimed { lease, .. }) => {
                self.is_free_at(lease.claimed_micros) && self.claim(lease.generation, Some((run_id, lease)))
            }
            (Op::Heartbeat { nonce, .. }, Answer::Kept(kept)) => self.keep(run_id, nonce, kept),
            (Op::Settle { verdict, report, nonce, .. }, Answer::Ended { generation }) => {
                *generation == self.generation
                    && self.is_lease_of(run_id, nonce)
                    && self.settle(run_id, *verdict, report)
            }
            (Op::Release { nonce, .. }, Answer::Released { generation }) => {
                *generation == self.generation && self.release(run_id, nonce)
            }
            (Op::Cancel { force, .. }, Answer::Ended { generation }) => {
                *generation == self.generation
                    && (*force || self.is_lease_of(run_id, &None) || self.is_free_at(at))
                    && self.cancel(run_id)
            }
            (Op::Retry { .. }, Answer::PutBack) => self.put_back(),
            (op, Answer::Refused { status, .. }) => self.refuses(run_id, op, status),
            _ => false,
        }
    }

    fn enqueue(&mut self) -> bool {
        let absent = matches!(self.state, State::Absent);
        if absent {
            self.state = State::Ready;
        }
        absent
    }

    fn claim(&mut self, generation: u32, holder: Option<(&str, &Lease)>) -> bool {
        let next = matches!(self.state, State::Ready | State::Held { .. }) && generation == self.generation + 1;
        if next {
            let holder = holder.map(|(run_id, lease)| (run_id.to_string(), lease.clone()));
            (self.state, self.generation, self.attempt) = (State::Held { holder }, generation, self.attempt + 1);
        }
        next
    }

    fn keep(&mut self, run_id: &str, nonce: &Option<String>, kept: &Lease) -> bool {
        let right = kept.generation == self.generation && self.is_lease_of(run_id, nonce);
        let State::Held { holder: Some((_, lease)) } = &mut self.state else { return false };
        if right && lease.nonce == kept.nonce {
            *lease = kept.clone();
            return true;
        }
        false
    }

    fn settle(&mut self, run_id: &str, verdict: Verdict, report: &str) -> bool {
        let own = self.is_lease_of(run_id, &None);
        if own {
            let (status, report) = (verdict.status(), Some(report.to_string()));
            self.state = State::Ended { status, by: run_id.to_string(), report };
        }
        own
    }

    /// The next holder's generation is another all the same, but this was no attempt.
    fn release(&mut self, run_id: &str, nonce: &Option<String>) -> bool {
        let own = self.is_lease_of(run_id, nonce);
        if own {
            (self.state, self.attempt) = (State::Ready, self.attempt - 1);
        }
        own
    }

    fn cancel(&mut self, run_id: &str) -> bool {
        let there = matches!(self.state, State::Ready | State::Held { .. });
        if there {
            self.state = State::Ended { status: "cancelled", by: run_id.to_string(), report: None };
        }
        there
    }

    /// With all attempts before it. What was completed stays so.
    fn put_back(&mut self) -> bool {
        let may = matches!(&self.state, State::Ended { status, .. } if *status != "completed");
        if may {
            (self.state, self.attempt) = (State::Ready, 0);
        }
        may
    }

    /// Whether `run_id` has the lease, and means this one.
    fn is_lease_of(&self, run_id: &str, nonce: &Option<String>) -> bool {
        let State::Held { holder: Some((holder, lease)) } = &self.state else { return false };
        holder == run_id && nonce.as_ref().is_none_or(|nonce| *nonce == lease.nonce)
    }

    /// Whether no lease keeps others from it. Nobody knows how long that of an agent runs which was not told.
    fn is_free_at(&self, wall_micros: u64) -> bool {
        match &self.state {
            State::Ready | State::Held { holder: None } => true,
            State::Held { holder: Some((_, lease)) } => lease.expires_micros <= wall_micros,
            State::Absent | State::Ended { .. } => false,
        }
    }

    fn refuses(&self, run_id: &str, op: &Op, status: &str) -> bool {
        let (nonce, cancels) = match op {
            Op::Heartbeat { nonce, .. } | Op::Settle { nonce, .. } | Op::Release { nonce, .. } => (nonce, None),
            Op::Cancel { force, .. } => (&None, Some(*force)),
            Op::Retry { .. } => return self.refuses_to_put_back(status),
            Op::Enqueue { .. } | Op::Claim { .. } | Op::Gc { .. } | Op::Limit { .. } => return false,
        };
        let held = matches!(self.state, State::Held { .. });
        // Under this lease, or under any.
        let (own, same_agent) = (self.is_lease_of(run_id, nonce), self.is_lease_of(run_id, &None));
        match status {
            "not_claimed" => matches!(self.state, State::Ready) && cancels.is_none(),
            "wrong_owner" => held && !same_agent && cancels.map_or(self.generation == 1, |forced| !forced),
            "lease_lost" => held && !own && (same_agent || self.generation > 1) && cancels.is_none(),
            "already_terminal" => matches!(self.state, State::Ended { .. }),
            _ => false,
        }
    }

    /// Whether another task has its key this one does not know.
    fn refuses_to_put_back(&self, status: &str) -> bool {
        match &self.state {
            State::Ended { status: "completed", .. } => status == "already_terminal",
            State::Ended { .. } => status == "key_taken",
            State::Absent => false,
            State::Ready | State::Held { .. } => status == "not_terminal",
        }
    }

    fn is_listed_as(&self, listed: &Listed) -> bool {
        let State::Ended { status, by, report } = &self.state else { return false };
        listed.status == *status
            && listed.by.as_ref() == Some(by)
            && listed.report == *report
            && (listed.generation, listed.attempt) == (self.generation, self.attempt)
    }
}
