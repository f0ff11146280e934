//! The past, made without waiting: what a test needs to have happened long ago the core does by a clock that is behind.

use coord_core::queue::Thoroughness;
use coord_core::request::{ClaimDraft, Draft};
use coord_core::time::Clock;
use coord_core::{Queue, Timestamp, Turn};
use coord_store::{DirStore, Handle, Sync};
use muse_cli::host;

use crate::Repo;

/// A repository as it was so many seconds ago.
#[derive(Debug)]
pub struct Past<'a> {
    repo: &'a Repo,
    seconds: i64,
}

impl Repo {
    /// The repository as it was `seconds` ago, for things to happen then. Of one task they must happen in their order:
    /// no entry goes back in time.
    pub fn ago(&self, seconds: i64) -> Past<'_> {
        Past { repo: self, seconds }
    }
}

impl Past<'_> {
    /// Enqueues the task of a draft, in the JSON of `enqueue --batch`, and tells its id.
    pub fn enqueue(&self, draft: &str) -> String {
        let (new, _) = Draft::from_json(draft).and_then(|draft| draft.check()).expect("a task that can be");
        self.queue().enqueue(new, &self.turn()).expect("it is enqueued").task.id.to_string()
    }

    /// Claims a task of `queue` for `run_id` under a lease of a minute, and tells its nonce.
    pub fn claim(&self, run_id: &str, queue: &str) -> String {
        let draft = ClaimDraft {
            run_id: Some(run_id.to_string()),
            lease_seconds: Some(60),
            queues: vec![queue.to_string()],
            ..ClaimDraft::default()
        };
        let waiting = draft.check().expect("a claim that can be");
        let claim = self.queue().claim(waiting.request(), Thoroughness::Full, &self.turn());
        claim.expect("it is claimed").claimed.expect("there is a task").record.claim_nonce.to_string()
    }

    fn queue(&self) -> Queue<DirStore> {
        let directory = self.repo.path(".muse/coordination");
        std::fs::create_dir_all(&directory).expect("make the coordination directory");
        let handle = Handle::open(&directory).expect("the coordination directory is there");
        Queue::open(DirStore::new(handle, Sync::On)).expect("it is a queue")
    }

    fn turn(&self) -> Turn<'_> {
        Turn::new(self, host::nonce().expect("the system gives random numbers"))
    }
}

impl Clock for Past<'_> {
    fn now(&self) -> Timestamp {
        let micros = host::now().micros().checked_add_signed(-self.seconds * 1_000_000);
        Timestamp::from_micros(micros.expect("a time after 1970"))
    }
}
