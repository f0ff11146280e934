//! `muse coord init`: make the coordination directory a queue, or take over one that came with a copy of the
//! repository.

use clap::Args;
use coord_core::layout;
use coord_core::store::Store as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use crate::output::{Answer, Answered, Failure, Page};

/// Create the repository's coordination directory; safe to run again
///
/// In $MUSE_REPO_ROOT if it is set, else in the repository that contains this directory, else right here. Below another
/// repository, `MUSE_REPO_ROOT=. muse coord init` creates one right here. In a clone or a copy of a repository no
/// command works on the queue until `init` takes it over, with its tasks.
#[derive(Debug, Args)]
pub struct Arguments {}

#[derive(Serialize, JsonSchema)]
pub(super) struct InitAnswer {
    path: String,
    created: bool,
    /// A queue that had come with a copy of the repository was taken over.
    adopted: bool,
}

/// Without link counts the queue cannot tell either whether it came with a copy.
const UNCOUNTED: &str = "this filesystem does not report how many hard links a file has, so every command treats the \
                         queue as a copy: set MUSE_REPO_ROOT to the repository";

pub(super) fn run(context: &Context<'_>) -> Result<Answered<InitAnswer>, Failure> {
    let OpenQueue { queue, directory } = context.open()?;
    let created = queue.init(&turn()?)?;
    let adopted = queue.adopt()?;
    let is_told_apart = queue.store().links(&layout::format()).map_err(coord_core::Error::from)? != Some(1);
    let warnings = if is_told_apart { Vec::new() } else { vec![UNCOUNTED.to_string()] };
    Ok(Answered { answer: InitAnswer { path: directory, created, adopted: adopted && !created }, warnings })
}

impl Answer for InitAnswer {
    fn text(&self, page: &mut Page) {
        page.line(match (self.created, self.adopted) {
            (true, _) => "✅ Coordination directory created",
            (_, true) => "✅ Coordination directory taken over, with the tasks that came with it",
            _ => "✅ Coordination directory exists already",
        });
        page.field("Path", &self.path);
    }
}
