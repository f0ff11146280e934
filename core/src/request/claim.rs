//! A claim as somebody asks for it.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Deserialize;

use super::bad_request::BadRequest;
use super::field::Field;
use super::{lease_seconds, null_as_left_out, run_id};
use crate::limits;
use crate::name::BadName;
use crate::queue::{ClaimRequest, WaitingClaim};
use crate::tags::Choice;

/// A claim as somebody asks for it. Checked in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimDraft {
    /// The claiming agent.
    pub run_id: Option<String>,
    /// How long the lease lasts; left out: [`limits::CLAIM_TTL_SECONDS_DEFAULT`].
    pub lease_seconds: Option<i64>,
    /// How long to wait for a task; left out: not at all.
    pub wait_seconds: Option<i64>,
    /// From which queues; none: from any.
    #[serde(deserialize_with = "null_as_left_out")]
    pub queues: Vec<String>,
    /// Only a task that has all these tags.
    #[serde(deserialize_with = "null_as_left_out")]
    pub tags: Vec<String>,
    /// Only a task that has one of these tags, if there are any.
    #[serde(deserialize_with = "null_as_left_out")]
    pub any_tags: Vec<String>,
    /// Only a task that has none of these tags.
    #[serde(deserialize_with = "null_as_left_out")]
    pub exclude_tags: Vec<String>,
}

impl ClaimDraft {
    /// The claim, which has not begun.
    pub fn check(&self) -> Result<WaitingClaim, BadRequest> {
        let run_id = run_id(self.run_id.as_deref())?;
        let lease_seconds = lease_seconds(self.lease_seconds)?.unwrap_or(limits::CLAIM_TTL_SECONDS_DEFAULT);
        let wait = Field::WaitSeconds.check(self.wait_seconds.unwrap_or(0))?;
        let queues = self.queues.iter().map(|queue| queue.parse()).collect::<Result<_, BadName>>()?;
        let words = |words: &[String]| words.iter().map(|word| word.parse()).collect::<Result<_, BadName>>();
        let choice = Choice { all: words(&self.tags)?, any: words(&self.any_tags)?, none: words(&self.exclude_tags)? };
        let request = ClaimRequest { run_id, queues, choice, lease_seconds };
        Ok(WaitingClaim::new(request, Duration::from_secs(wait.unsigned_abs())))
    }
}
