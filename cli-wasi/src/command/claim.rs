//! `muse coord claim`: take a task, or several, waiting for one if asked to.

use std::rc::Rc;

use clap::Args;
use coord_core::Queue;
use coord_core::limits;
use coord_core::queue::{self, Claim, ClaimRequest, Finding, Step, Thoroughness};
use coord_core::request::{BadRequest, ClaimDraft, Field};
use coord_core::transition::Claimant;
use serde::Serialize;

use super::context::{Context, turn};
use super::flags::RunId;
use super::values::{self, words};
use crate::medium::{QueueStore, Sleep};
use crate::output::{Answered, Failure, List, Printer, Unwritten};

mod answer;
mod bounded;

pub(super) use answer::{ClaimAnswer, OneClaim, SeveralClaims};

use answer::{HeldLease, NothingToClaim, given_back};
use bounded::Bounded;

/// Claim the task with the highest priority, the oldest first; exactly one agent gets it
#[derive(Debug, Args)]
#[command(after_help = values::DURATION_HELP)]
pub struct Arguments {
    #[command(flatten)]
    pub run: RunId,
    /// Claim only from these queues; by default from any
    #[arg(long, value_name = "QUEUE1,QUEUE2", value_delimiter = ',')]
    pub queue: Vec<String>,
    /// Claim only a task with all these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Claim only a task with at least one of these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub any_tag: Vec<String>,
    /// Claim no task with any of these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub exclude_tags: Vec<String>,
    #[arg(
        long,
        help = values::help(
            "How long the lease lasts: then another agent can claim the task, unless a heartbeat extends it \
                (RANGE seconds)",
            Field::LeaseSeconds
        ),
        value_name = "DURATION",
        default_value_t = limits::CLAIM_TTL_SECONDS_DEFAULT,
        value_parser = values::seconds(Field::LeaseSeconds),
        allow_negative_numbers = true,
    )]
    pub claim_ttl: i64,
    #[arg(
        long,
        help = values::help(
            "How long to wait if there is nothing to claim (RANGE seconds)",
            Field::WaitSeconds
        ),
        value_name = "DURATION",
        default_value_t = 0,
        value_parser = values::seconds(Field::WaitSeconds),
        allow_negative_numbers = true,
    )]
    pub wait: i64,
    #[arg(
        long,
        help = values::help(
            "Claim up to N tasks (RANGE) and answer a list; --wait applies to the first task only",
            Field::Max
        ),
        value_name = "N",
        value_parser = values::whole(Field::Max),
        allow_negative_numbers = true,
    )]
    pub max: Option<i64>,
    /// Keep the JSON answer within N bytes by leaving fields out; the task is claimed anyway
    ///
    /// Late results are left out first, the payload last. `left_out` names the fields that are left out. Without the
    /// payload, `payload` is null, `payload_truncated` is true and `payload_bytes` is its length. `muse coord show ID`
    /// prints everything. The fields that a holder needs are always there, up to 2048 bytes. With --max each claim may
    /// have N bytes.
    #[arg(long, value_name = "N", value_parser = values::whole(Field::MaxBytes), allow_negative_numbers = true)]
    pub max_bytes: Option<i64>,
}

/// Claims one task, or with `--max` several, prints what came of it, and tells the exit code.
pub(super) fn run(args: &Arguments, context: &Context<'_>) -> u8 {
    if args.max.is_some() { run_several(args, context) } else { context.printer.finish(run_one(args, context)) }
}

fn run_one(args: &Arguments, context: &Context<'_>) -> Result<Answered<ClaimAnswer>, Failure> {
    let (claiming, first) = Claiming::begin(args, context)?;
    Ok(match first {
        First::Nothing(answered) => answered,
        First::Claimed(claimed, findings) => {
            let Bounded { one_claim, warnings } = claiming.one_claim(*claimed, &findings);
            Answered { answer: ClaimAnswer::One(Box::new(one_claim)), warnings }
        }
    })
}

/// Claims several tasks, and prints each before the next is claimed.
fn run_several(args: &Arguments, context: &Context<'_>) -> u8 {
    let printer = context.printer;
    let begun = args.max.map_or(Ok(1), max).map_err(Failure::from);
    let begun = begun.and_then(|max| Ok((max, Claiming::begin(args, context)?)));
    match begun {
        Ok((max, (claiming, First::Claimed(claimed, findings)))) => {
            let mut unprinted = Vec::new();
            claiming.print(max, *claimed, &findings, &mut unprinted, printer).unwrap_or_else(|unwritten| {
                unwritten.complain(
                    &given_back(&unprinted).unwrap_or_else(|| "the tasks that were printed are claimed".to_string()),
                )
            })
        }
        Ok((_, (_, First::Nothing(answered)))) => printer.finish(Ok(answered)),
        Err(failure) => printer.finish::<ClaimAnswer>(Err(failure)),
    }
}

/// An agent that claims one task after the other.
struct Claiming {
    queue: Rc<Queue<QueueStore>>,
    request: ClaimRequest,
    max_bytes: Option<usize>,
}

/// The outcome of the first claim, for which the agent may have waited.
enum First {
    Claimed(Box<queue::Claimed>, Vec<Finding>),
    Nothing(Answered<ClaimAnswer>),
}

impl Claiming {
    fn begin(args: &Arguments, context: &Context<'_>) -> Result<(Claiming, First), Failure> {
        let mut waiting = ClaimDraft::from(args).check()?;
        let several = args.max.map(max).transpose()?.is_some();
        let max_bytes = max_bytes(args.max_bytes)?;
        let queue = Rc::new(context.open()?.queue);
        let mut sleep = Sleep::default();
        let Claim { claimed, closed, findings } = loop {
            match waiting.step(&queue, context.elapsed(), &turn()?)? {
                Step::Done(claim) => break *claim,
                Step::Sleep(time) => {
                    sleep.watch(queue.store(), waiting.watched());
                    waiting.notice(sleep.sleep(time));
                }
            }
        };
        let request = waiting.request().clone();
        let first = match claimed {
            Some(claimed) => First::Claimed(Box::new(claimed), findings),
            None => {
                let waited = (args.wait > 0).then(|| context.elapsed());
                let nothing = NothingToClaim::new(&request, &closed, several.then(Vec::new), waited);
                let warnings = findings.iter().map(Finding::to_string).collect();
                First::Nothing(Answered { answer: ClaimAnswer::Nothing(nothing), warnings })
            }
        };
        Ok((Claiming { queue, request, max_bytes }, first))
    }

    fn one_claim(&self, claimed: queue::Claimed, findings: &[Finding]) -> Bounded {
        let (run_id, nonce) = (self.request.run_id.clone(), Some(claimed.record.claim_nonce));
        let lease =
            HeldLease { queue: self.queue.clone(), id: claimed.record.task_id, claimant: Claimant { run_id, nonce } };
        let one_claim = OneClaim::new(claimed, lease);
        let warnings = findings.iter().map(Finding::to_string).collect();
        match self.max_bytes {
            Some(max) => Bounded::new(one_claim, warnings, max),
            None => Bounded { one_claim, warnings },
        }
    }

    /// Prints the first claim, then claims and prints more tasks, up to `max`. An error of a
    /// later claim is a warning, because the tasks that were printed are claimed.
    fn print(
        &self,
        max: usize,
        first: queue::Claimed,
        findings: &[Finding],
        unprinted: &mut Vec<OneClaim>,
        printer: Printer<'_>,
    ) -> Result<u8, Unwritten> {
        let Bounded { one_claim, mut warnings } = self.one_claim(first, findings);
        unprinted.push(one_claim);
        let mut list = printer.list("claims", &NoMore {}, |_| {})?;
        let mut count = 0;
        loop {
            print_last(&mut list, count, unprinted)?;
            count += 1;
            if count == max {
                break;
            }
            if list.held_bytes() > limits::HELD_BYTES {
                warnings.push(format!(
                    "stopped after {count} task(s): the fields of --print are held in memory until the end, and have \
                     more than {} bytes: give --print one field, or print all",
                    limits::HELD_BYTES
                ));
                break;
            }
            match self.next() {
                Ok(Claim { claimed: Some(claimed), findings, .. }) => {
                    let bounded = self.one_claim(claimed, &findings);
                    unprinted.push(bounded.one_claim);
                    add_warnings(&mut warnings, bounded.warnings);
                }
                Ok(Claim { claimed: None, findings, .. }) => {
                    add_warnings(&mut warnings, findings.iter().map(Finding::to_string).collect());
                    break;
                }
                Err(failure) => {
                    warnings.push(format!("stopped after {count} task(s): {}", failure.error));
                    break;
                }
            }
        }
        list.end(&NoMore {}, &warnings, |_| {})?;
        Ok(0)
    }

    fn next(&self) -> Result<Claim, Failure> {
        Ok(self.queue.claim(&self.request, Thoroughness::Quick, &turn()?)?)
    }
}

/// No fields beside the claims.
#[derive(Serialize)]
struct NoMore {}

/// Prints the latest claim, and drops the claims that are printed.
fn print_last(list: &mut List<'_>, place: usize, unprinted: &mut Vec<OneClaim>) -> Result<(), Unwritten> {
    let Some(one_claim) = unprinted.last_mut() else { return Ok(()) };
    list.push(one_claim, |page| {
        if place > 0 {
            page.line("");
        }
        one_claim.text(page);
    })?;
    if list.is_printed() {
        list.flush()?;
        unprinted.clear();
    } else {
        // The list holds the fields that --print asks for.
        one_claim.forget();
    }
    Ok(())
}

/// Warnings of as many claims may be alike, and many.
fn add_warnings(warnings: &mut Vec<String>, new: Vec<String>) {
    for warning in new {
        if warnings.len() < limits::WARNINGS && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

fn max(given: i64) -> Result<usize, BadRequest> {
    Field::Max.check(given).map(|max| usize::try_from(max).unwrap_or(limits::BATCH))
}

fn max_bytes(given: Option<i64>) -> Result<Option<usize>, Failure> {
    let Some(given) = given else { return Ok(None) };
    match usize::try_from(given) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) if given < 0 => Err(Failure::bad_args(format!("--max-bytes must be 0 or more, got {given}"))),
        // More than there can be in memory is no bound.
        Err(_) => Ok(None),
    }
}

impl From<&Arguments> for ClaimDraft {
    fn from(args: &Arguments) -> ClaimDraft {
        ClaimDraft {
            run_id: Some(args.run.run_id.clone()),
            lease_seconds: Some(args.claim_ttl),
            wait_seconds: Some(args.wait),
            queues: args.queue.clone(),
            tags: words(&args.tags),
            any_tags: words(&args.any_tag),
            exclude_tags: words(&args.exclude_tags),
        }
    }
}
