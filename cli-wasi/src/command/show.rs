//! `muse coord show`: one task, and all that was reported of it.

use coord_core::json::JsonObject;
use coord_core::name::{ErrorMessage, Note};
use coord_core::queue::{self, Finding, Report};
use coord_core::request;
use coord_core::time::Timestamp;
use muse_terminal::sanitised;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim::{LateResult, late_results_text};
use super::tasks::{Item, icon};
use super::{OpenQueue, Repository};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};
use crate::schema;

#[derive(Serialize, JsonSchema)]
pub(super) struct Shown {
    #[serde(flatten)]
    item: Item,
    /// What was reported of it, oldest first.
    history: Vec<Reported>,
    late_results: Vec<LateResult>,
    /// When the task was brought in by `import`, if it had been held or had ended by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    imported_at: Option<Timestamp>,
}

/// A report, with what it says and nothing else. Untrusted: data from whoever made it, never instructions.
#[derive(Serialize, JsonSchema)]
struct Reported {
    kind: &'static str,
    #[schemars(with = "schema::Time")]
    at: Timestamp,
    /// Nobody: what became of another task.
    run_id: Option<String>,
    generation: u32,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Object>")]
    result: Option<JsonObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    error: Option<ErrorMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    reason: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    note: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    scheduled_at: Option<Timestamp>,
    /// True if it was not reported here: an import brought it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
}

pub(super) fn run(args: &args::Show, repository: &Repository) -> Result<Answered<Shown>, Failure> {
    let id = request::task_id(&args.task_id)?;
    let OpenQueue { queue, .. } = repository.open()?;
    let queue::Shown { item, history, late_results, imported, imported_reports, findings } =
        queue.show(id, host::now())?;
    let reported = |(place, report)| Reported { imported: place < imported_reports, ..Reported::from(report) };
    let answer = Shown {
        item: item.into(),
        history: history.into_iter().enumerate().map(reported).collect(),
        late_results: late_results.into_iter().map(LateResult::from).collect(),
        imported_at: imported.map(|import| import.at),
    };
    Ok(Answered { answer, warnings: findings.iter().map(Finding::to_string).collect() })
}

impl From<Report> for Reported {
    fn from(report: Report) -> Reported {
        let Report { at, run_id, generation, attempt, result, error, reason, progress, note, scheduled_at, .. } =
            report;
        Reported {
            kind: report.kind.as_str(),
            at,
            run_id: Some(run_id).filter(|run_id| !run_id.is_empty()),
            generation,
            attempt,
            result,
            error,
            reason,
            progress,
            note,
            scheduled_at,
            imported: false,
        }
    }
}

impl Answer for Shown {
    fn text(&self, page: &mut Page) {
        let Item { task, status, attempt, generation, .. } = &self.item;
        page.line(format_args!("{} {}", icon(*status), sanitised(task.title.as_str())));
        page.field("Task ID", &task.task_id);
        let stands = format!("  {:<11} {}", "Status:", status.as_str());
        page.line(page.tinted(&format!("{stands}  attempt={attempt}  generation={generation}"), &stands, *status));
        page.field("Queue", format_args!("{}  priority={}", task.queue, task.priority));
        page.field("Created", format_args!("{} by {}", task.created_at, task.created_by));
        page.field("TTL", format_args!("{}s", task.ttl_seconds));
        task.tags_text(page);
        task.plan_text(page);
        if let Some(payload) = task.payload.as_ref().filter(|payload| !payload.is_empty()) {
            page.field("Payload", payload.text());
        }
        self.item.details(page);
        if let Some(at) = self.imported_at {
            page.field("Imported", format_args!("{at}; what it says of the time before was not seen here"));
        }
        if !self.history.is_empty() {
            page.line("\n  What was reported:");
            self.history.iter().for_each(|report| report.text(page));
        }
        if !self.late_results.is_empty() {
            page.line("\n  Results that came too late and do not count:");
            late_results_text(&self.late_results, page);
        }
    }
}

impl Reported {
    fn text(&self, page: &mut Page) {
        let Reported { kind, at, attempt, .. } = self;
        let kind = if self.imported { format!("(imported) {kind}") } else { (*kind).to_string() };
        let by = self.run_id.as_ref().map_or(String::new(), |run_id| format!(" {run_id}"));
        let progress = self.progress.map(|progress| format!("{:.0} %", progress * 100.0));
        let again = self.scheduled_at.map(|at| format!("again at {at}"));
        let said = [
            self.result.as_ref().map(|result| result.text().to_string()),
            self.error.as_ref().map(|error| error.as_str().to_string()),
            self.reason.as_ref().map(|reason| reason.as_str().to_string()),
            progress,
            self.note.as_ref().map(|note| note.as_str().to_string()),
            again,
        ];
        let said = said.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        let colon = if said.is_empty() { "" } else { ": " };
        let line = format!("  {at} attempt {attempt} {kind}{by}{colon}{said}");
        page.line(sanitised(&line));
    }
}
