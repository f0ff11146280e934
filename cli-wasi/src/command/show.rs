//! `muse coord show`: one task, and all that was reported of it.

use std::mem;

use clap::Args;
use coord_core::answer::{Item, Report, Shown};
use coord_core::queue::Finding;
use coord_core::request;
use muse_terminal::sanitised;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue};
use crate::answer::item::{details, icon};
use crate::answer::late_result::late_results_text;
use crate::answer::task::{plan_text, tags_text};
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

/// Show a task: its record, its status and everything reported about it
#[derive(Debug, Args)]
pub struct Arguments {
    /// The task's id, as `enqueue` printed it
    pub task_id: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct ShowAnswer(Shown);

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<ShowAnswer>, Failure> {
    let id = request::task_id(&args.task_id)?;
    let OpenQueue { queue, .. } = context.open()?;
    let mut shown = queue.show(id, host::now())?;
    let warnings = mem::take(&mut shown.findings).iter().map(Finding::to_string).collect();
    Ok(Answered { answer: ShowAnswer(shown.into()), warnings })
}

impl Answer for ShowAnswer {
    fn text(&self, page: &mut Page) {
        let Shown { item, history, late_results, imported_at } = &self.0;
        let Item { task, status, attempt, generation, .. } = item;
        page.line(format_args!("{} {}", icon(*status), sanitised(task.title.as_str())));
        page.field("Task ID", task.task_id);
        let stands = format!("  {:<11} {}", "Status:", status.as_str());
        page.line(page.tinted(&format!("{stands}  attempt={attempt}  generation={generation}"), &stands, *status));
        page.field("Queue", format_args!("{}  priority={}", task.queue, task.priority));
        page.field("Created", format_args!("{} by {}", task.created_at, task.created_by));
        page.field("TTL", format_args!("{}s", task.ttl_seconds));
        tags_text(task, page);
        plan_text(task, page);
        if let Some(payload) = task.payload.as_ref().filter(|payload| !payload.is_empty()) {
            page.field("Payload", payload.text());
        }
        details(item, page);
        if let Some(at) = imported_at {
            page.field("Imported", format_args!("{at}; everything before that comes from the import"));
        }
        if !history.is_empty() {
            page.line("\n  Reports:");
            history.iter().for_each(|report| report_text(report, page));
        }
        if !late_results.is_empty() {
            page.line("\n  Late results, which do not count:");
            late_results_text(late_results, page);
        }
    }
}

fn report_text(report: &Report, page: &mut Page) {
    let Report { kind, at, attempt, .. } = report;
    let kind = kind.as_str();
    let kind = if report.imported { format!("(imported) {kind}") } else { kind.to_string() };
    let by = report.run_id.as_ref().map_or(String::new(), |run_id| format!(" {run_id}"));
    let progress = report.progress.map(|progress| format!("{:.0} %", progress * 100.0));
    let again = report.scheduled_at.map(|at| format!("retry at {at}"));
    let said = [
        report.result.as_ref().map(|result| result.text().to_string()),
        report.error.as_ref().map(|error| error.as_str().to_string()),
        report.reason.as_ref().map(|reason| reason.as_str().to_string()),
        progress,
        report.note.as_ref().map(|note| note.as_str().to_string()),
        again,
    ];
    let said = said.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    let colon = if said.is_empty() { "" } else { ": " };
    let line = format!("  {at} attempt {attempt} {kind}{by}{colon}{said}");
    page.line(sanitised(&line));
}
