//! `muse coord init`: make the coordination directory a queue, or take over one that came with a copy of the
//! repository.

use clap::Args;
use coord_core::layout;
use coord_core::store::Store as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use crate::medium::{self, Pointer};
use crate::output::{Answer, Answered, Failure, Page};

/// Create the repository's coordination directory; safe to run again
///
/// In $MUSE_REPO_ROOT if it is set, else in the repository that contains this directory, else right here. Below another
/// repository, `MUSE_REPO_ROOT=. muse coord init` creates one right here. In a clone or a copy of a repository no
/// command works on the queue until `init` takes it over, with its tasks.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Keep the queue on an engine, and make .muse/coordination a file that leads there:
    /// postgres://USER@HOST/DATABASE?schema=NAME
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct InitAnswer {
    /// The coordination directory, or the file that leads to the engine; the engine if there is no such file.
    path: String,
    created: bool,
    /// The engine that the queue is on. Absent: it is in the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// The file that leads to the engine was made. Absent: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointed: Option<bool>,
    /// A queue that had come with a copy of the repository was taken over.
    adopted: bool,
}

/// Without link counts the queue cannot tell either whether it came with a copy.
const UNCOUNTED: &str = "this filesystem does not report how many hard links a file has, so every command treats the \
                         queue as a copy: set MUSE_REPO_ROOT to the repository";

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<InitAnswer>, Failure> {
    if args.store.is_some() && !medium::IS_ENGINE {
        return Err(Failure::bad_args(
            "--store is for `muse`, which has a program beside it that reaches engines: this one works in the directory \
             that it is granted",
        ));
    }
    let OpenQueue { queue, place } = context.open()?;
    let created = queue.init(&turn()?)?;
    if medium::IS_ENGINE {
        return Ok(Answered {
            answer: InitAnswer::on_engine(created, place, medium::point_here(queue.store())?),
            warnings: Vec::new(),
        });
    }
    let adopted = queue.adopt()?;
    let is_told_apart = queue.store().links(&layout::format()).map_err(coord_core::Error::from)? != Some(1);
    let warnings = if is_told_apart { Vec::new() } else { vec![UNCOUNTED.to_string()] };
    let answer = InitAnswer { path: place, created, store: None, pointed: None, adopted: adopted && !created };
    Ok(Answered { answer, warnings })
}

impl InitAnswer {
    /// An engine's queue comes with no copy of the repository: the file that leads to it may, which the host judges.
    fn on_engine(created: bool, store: String, pointer: Option<Pointer>) -> InitAnswer {
        let pointed = pointer.as_ref().map(|pointer| pointer.is_new);
        let path = pointer.map_or_else(|| store.clone(), |pointer| pointer.path);
        InitAnswer { path, created, store: Some(store), pointed, adopted: false }
    }
}

impl Answer for InitAnswer {
    fn text(&self, page: &mut Page) {
        page.line(match (&self.store, self.created, self.adopted) {
            (Some(_), true, _) => "✅ Queue created on the engine",
            (Some(_), false, _) => "✅ Queue on the engine exists already",
            (None, true, _) => "✅ Coordination directory created",
            (None, false, true) => "✅ Coordination directory taken over, with the tasks that came with it",
            (None, false, false) => "✅ Coordination directory exists already",
        });
        if let Some(store) = &self.store {
            page.field("Store", store);
        }
        if self.pointed.is_some() || self.store.is_none() {
            page.field("Path", &self.path);
        }
    }
}
