//! `muse coord heartbeat`: keep a claimed task, and learn whether somebody asks to stop.

use clap::Args;
use coord_core::queue::Renewing;
use coord_core::request::{self, Field};
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use super::flags::Lease;
use super::values;
use crate::answer::cancel_request;
use crate::answer::changed::ChangedClaim;
use crate::output::{Answer, Answered, Failure, Page};

/// Extend the lease of a claimed task, and learn whether another agent asks to stop
#[derive(Debug, Args)]
#[command(after_help = values::DURATION_HELP)]
pub struct Arguments {
    #[command(flatten)]
    pub lease: Lease,
    #[arg(
        long,
        help = values::help(
            "How long the lease lasts from now (RANGE seconds); by default its previous length",
            Field::LeaseSeconds
        ),
        value_name = "DURATION",
        value_parser = values::seconds(Field::LeaseSeconds),
        allow_negative_numbers = true,
    )]
    pub claim_ttl: Option<i64>,
    /// How much of the task is done, from 0 to 1
    #[arg(long, value_name = "FRACTION", value_parser = fraction, allow_negative_numbers = true)]
    pub progress: Option<f64>,
    /// The progress in words, in at most 4096 characters
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub note: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct HeartbeatAnswer(ChangedClaim);

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<HeartbeatAnswer>, Failure> {
    let (id, claimant, (seconds, progress)) = args.lease.check(|| {
        let seconds = request::lease_seconds(args.claim_ttl)?;
        Ok((seconds, request::progress(args.progress, args.note.as_deref())?))
    })?;
    let OpenQueue { queue, .. } = context.open()?;
    let record = queue.heartbeat(id, claimant, Renewing { lease_seconds: seconds, progress }, &turn()?)?;
    Ok(Answered { answer: HeartbeatAnswer(ChangedClaim::new(record, &queue)), warnings: Vec::new() })
}

impl Answer for HeartbeatAnswer {
    fn text(&self, page: &mut Page) {
        let record = &self.0.record;
        cancel_request::text(&record.cancel, page);
        self.0.text("💓 Lease renewed", page);
        let seconds = record.expires_at.micros_since(record.heartbeat_at) / 1_000_000;
        page.field("Expires in", format_args!("{seconds}s ({})", record.expires_at));
    }
}

fn fraction(text: &str) -> Result<f64, &'static str> {
    text.parse().map_err(|_| "give a number from 0 to 1, like 0.4")
}
