//! `muse coord init`: make the coordination directory a queue, or take over one that came with a copy of the
//! repository.

use clap::Args;
use coord_core::layout;
use coord_core::store::Store as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, nonce};
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

/// Make the repository's coordination directory; harmless if it is there
///
/// In $MUSE_REPO_ROOT, else in the repository that this directory is in, else right here. Below another repository,
/// `MUSE_REPO_ROOT=. muse coord init` makes one right here. A queue that came with a clone or a copy, in which
/// nothing works until then, is taken over with its tasks.
#[derive(Debug, Args)]
pub struct Arguments {}

#[derive(Serialize, JsonSchema)]
pub(super) struct InitAnswer {
    path: String,
    created: bool,
    /// A queue that had come with a copy of the repository was taken over.
    adopted: bool,
}

/// Then it cannot be told either whether a queue came with a copy.
const UNCOUNTED: &str = "this filesystem does not tell how many names a file has, so that the queue counts as one that \
                         came with a copy: name the repository by MUSE_REPO_ROOT";

pub(super) fn run(context: &Context<'_>) -> Result<Answered<InitAnswer>, Failure> {
    let OpenQueue { queue, directory } = context.open()?;
    let created = queue.init(host::now(), nonce()?)?;
    let adopted = queue.adopt()?;
    let is_told_apart = queue.store().links(&layout::format()).map_err(coord_core::Error::from)? != Some(1);
    let warnings = if is_told_apart { Vec::new() } else { vec![UNCOUNTED.to_string()] };
    Ok(Answered { answer: InitAnswer { path: directory, created, adopted: adopted && !created }, warnings })
}

impl Answer for InitAnswer {
    fn text(&self, page: &mut Page) {
        page.line(match (self.created, self.adopted) {
            (true, _) => "✅ Coordination directory made",
            (_, true) => "✅ Coordination directory taken over, with the tasks that came with it",
            _ => "✅ Coordination directory is there already",
        });
        page.field("Path", &self.path);
    }
}
