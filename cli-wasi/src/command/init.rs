//! `muse coord init`: make the coordination directory a queue.

use schemars::JsonSchema;
use serde::Serialize;

use super::{OpenQueue, Repository, nonce};
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
pub(super) struct Initialised {
    path: String,
    created: bool,
}

pub(super) fn run(repository: &Repository) -> Result<Answered<Initialised>, Failure> {
    let OpenQueue { queue, directory } = repository.open()?;
    let created = queue.init(host::now(), nonce()?)?;
    Ok(Answered { answer: Initialised { path: directory, created }, warnings: Vec::new() })
}

impl Answer for Initialised {
    fn text(&self, page: &mut Page) {
        page.line(if self.created {
            "✅ Coordination directory made"
        } else {
            "✅ Coordination directory is there already"
        });
        page.field("Path", &self.path);
    }
}
