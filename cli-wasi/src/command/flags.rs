//! Flags that several commands take, and the names that errors use for flags.

use clap::Args;
use coord_core::TaskId;
use coord_core::request::{self, BadRequest, Field};
use coord_core::transition::Claimant;

use crate::output::Failure;

/// The agent that acts.
#[derive(Debug, Args)]
pub struct RunId {
    /// The name of the agent that acts, in 1 to 256 characters; every agent needs a name of its own
    #[arg(long, value_name = "RUNID", env = "MUSE_RUN_ID", hide_env_values = true)]
    pub run_id: String,
}

/// A claimed task, and the agent that says it holds it.
#[derive(Debug, Args)]
pub struct Lease {
    /// The task's id, as `claim` printed it
    pub task_id: String,
    #[command(flatten)]
    pub run: RunId,
    /// The claim_nonce that `claim` printed: act only if the task is still under that lease
    #[arg(long, value_name = "NONCE")]
    pub claim_nonce: Option<String>,
}

impl Lease {
    /// Checks the run id; then `between`, which the contract puts before the task id; then the task id and the nonce.
    pub(super) fn check<T>(
        &self,
        between: impl FnOnce() -> Result<T, BadRequest>,
    ) -> Result<(TaskId, Claimant, T), BadRequest> {
        let run_id = request::run_id(Some(&self.run.run_id))?;
        let between = between()?;
        let id = request::task_id(&self.task_id)?;
        let nonce = request::claim_nonce(self.claim_nonce.as_deref())?;
        Ok((id, Claimant { run_id, nonce }, between))
    }
}

/// The flag of a field is its name without its unit. `--claim-ttl` alone has a name of its own.
fn flag(field: Field) -> String {
    match field {
        Field::LeaseSeconds => "--claim-ttl".to_string(),
        field => format!("--{}", field.name().trim_end_matches("_seconds").replace('_', "-")),
    }
}

impl From<BadRequest> for Failure {
    fn from(bad: BadRequest) -> Failure {
        Failure::new(bad.code(), bad.message(flag))
    }
}
