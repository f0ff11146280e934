//! `muse coord init`: make the coordination directory a queue, or take over one that came with a copy of the
//! repository.

use coord_core::layout;
use coord_core::store::Store as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::{OpenQueue, Repository, nonce};
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
pub(super) struct Initialised {
    path: String,
    created: bool,
    /// A queue that had come with a copy of the repository was taken over.
    adopted: bool,
}

/// Then it cannot be told either whether a queue came with a copy.
const UNCOUNTED: &str = "this filesystem does not tell how many names a file has, so that the queue counts as one that \
                         came with a copy: name the repository by MUSE_REPO_ROOT";

pub(super) fn run(repository: &Repository) -> Result<Answered<Initialised>, Failure> {
    let OpenQueue { queue, directory } = repository.open()?;
    let created = queue.init(host::now(), nonce()?)?;
    let adopted = queue.adopt()?;
    let is_told_apart = queue.store().links(&layout::format()).map_err(coord_core::Error::from)? != Some(1);
    let warnings = if is_told_apart { Vec::new() } else { vec![UNCOUNTED.to_string()] };
    Ok(Answered { answer: Initialised { path: directory, created, adopted: adopted && !created }, warnings })
}

impl Answer for Initialised {
    fn text(&self, page: &mut Page) {
        page.line(match (self.created, self.adopted) {
            (true, _) => "✅ Coordination directory made",
            (_, true) => "✅ Coordination directory taken over, with the tasks that came with it",
            _ => "✅ Coordination directory is there already",
        });
        page.field("Path", &self.path);
    }
}
