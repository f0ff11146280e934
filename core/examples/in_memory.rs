//! The queue in thirty lines: an orchestrator enqueues, an agent claims and completes. In memory; the same calls work
//! on any `Store`, such as the directory store of the crate `coord-store`.

use coord_core::name::{Nonce, QueueName};
use coord_core::queue::{ClaimRequest, NewTask, Plan, Thoroughness};
use coord_core::store::mem::MemStore;
use coord_core::transition::Claimant;
use coord_core::{JsonObject, Queue, Timestamp, Turn};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let queue = Queue::open(MemStore::new())?;
    // The caller brings the clock and a random number; here they are fixed.
    let clock = || Timestamp::from_micros(1_795_336_200_000_000);
    let turn = Turn::new(&clock, Nonce::from_bits(1));
    let new = NewTask {
        title: "Count the lines".parse()?,
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 3_600,
        created_by: "orchestrator".parse()?,
        tags: Vec::new(),
        plan: Plan::default(),
        payload: JsonObject::parse(r#"{"file":"src/lib.rs"}"#)?,
    };
    queue.enqueue(new, &turn)?;

    let run_id: coord_core::name::RunId = "agent-1".parse()?;
    let request = ClaimRequest::any(run_id.clone(), 60);
    let claim = queue.claim(&request, Thoroughness::Full, &turn)?;
    let claimed = claim.claimed.ok_or("nothing to claim")?;
    assert_eq!(claimed.task.record.payload.text(), r#"{"file":"src/lib.rs"}"#);

    let claimant = Claimant { run_id, nonce: Some(claimed.record.claim_nonce) };
    let result = JsonObject::parse(r#"{"lines":42}"#)?;
    let done = queue.complete(claimed.task.id, claimant, Some(result), &turn)?;
    assert_eq!(done.status.as_str(), "completed");
    Ok(())
}
