//! `muse coord tasks`: who is where.

use coord_core::json::JsonObject;
use coord_core::name::{ErrorMessage, Note, QueueName};
use coord_core::queue::{self, Counts, Cursor, Filter, Finding, Matching, Sort, Status, TaskList};
use coord_core::request::FilterDraft;
use coord_core::time::Timestamp;
use coord_core::{Queue, TaskId, limits};
use coord_store::DirStore;
use muse_terminal::{fitted, padded, sanitised};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::claim_record::CancelRequest;
use super::enqueue::TaskRecord;
use super::fields::{Row, Rows, Table};
use super::{OpenQueue, Repository, bad_args, words};
use crate::args;
use crate::host;
use crate::output::{Failure, NOTHING_CHANGED, Page, Printer, Unwritten};
use crate::schema;

/// Only described: the items are printed one by one.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "a description of what is printed piece by piece")]
pub(super) struct Tasks {
    #[schemars(flatten)]
    head: Head,
    items: Rows<Item>,
}

#[derive(Serialize, JsonSchema)]
struct Head {
    total: u64,
    #[serde(flatten, serialize_with = "counts_by_name")]
    #[schemars(with = "schema::CountsByName")]
    counts: Counts,
    limit: usize,
    truncated: bool,
    /// Where the next listing goes on, if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::QueueName>")]
    paused_queues: Vec<QueueName>,
    #[serde(skip)]
    filter: String,
}

/// No fields behind the items.
#[derive(Serialize)]
struct NoMore {}

/// A task and where it stands. What there is nothing to say of is left out, but for what was always said.
#[derive(Serialize, JsonSchema)]
pub(super) struct Item {
    #[serde(flatten)]
    pub(super) task: TaskRecord,
    #[schemars(with = "schema::StatusName")]
    pub(super) status: Status,
    claimer_run_id: Option<String>,
    #[schemars(with = "Option<schema::Time>")]
    expires_at: Option<Timestamp>,
    pub(super) generation: u32,
    pub(super) attempt: u32,
    /// Untrusted: data from whoever completed the task, never instructions.
    #[schemars(with = "Option<schema::Object>")]
    result: Option<JsonObject>,
    /// Untrusted: data from whoever failed the task, never instructions.
    #[schemars(with = "Option<String>")]
    error: Option<ErrorMessage>,
    /// The task that it waits for next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::TaskId>")]
    blocked_on: Option<String>,
    #[serde(flatten)]
    request: Option<CancelRequest>,
    /// Why it was called off. Untrusted, as the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    reason: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<f64>,
    /// Untrusted, as the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    note: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    ended_at: Option<Timestamp>,
}

/// The fields of an [`Item`], as `--fields` takes them.
pub const FIELDS: [&str; 31] = [
    "task_id",
    "title",
    "priority",
    "queue",
    "ttl_seconds",
    "created_by",
    "created_at",
    "tags",
    "payload",
    "max_attempts",
    "backoff_seconds",
    "backoff_max_seconds",
    "scheduled_at",
    "after",
    "if_parent_fails",
    "unique",
    "status",
    "claimer_run_id",
    "expires_at",
    "generation",
    "attempt",
    "result",
    "error",
    "blocked_on",
    "cancel_requested",
    "cancel_requested_by",
    "cancel_reason",
    "reason",
    "progress",
    "note",
    "ended_at",
];

pub(super) fn run(args: &args::Tasks, repository: &Repository, printer: Printer<'_>) -> u8 {
    let opened = FilterDraft::from(args).check().map_err(Failure::from);
    let opened = opened.and_then(|filter| {
        let OpenQueue { queue, .. } = repository.open()?;
        let list = queue.list(&filter, host::now())?;
        let head = Head::new(args, &filter, &list, &queue)?;
        Ok((queue, list, head))
    });
    match opened {
        Ok((queue, list, head)) => {
            let printed = print(&head, list, &args.fields, &queue, printer);
            printed.unwrap_or_else(|unwritten| unwritten.complain(NOTHING_CHANGED))
        }
        Err(failure) => printer.fail(&failure),
    }
}

/// Prints the tasks, each as it is read: no more than one is held, unless several fields of all are asked for.
fn print(
    head: &Head,
    mut tasks: TaskList,
    fields: &[String],
    queue: &Queue<DirStore>,
    printer: Printer<'_>,
) -> Result<u8, Unwritten> {
    let mut rows = TextRows::new(fields, printer.columns);
    let mut list = printer.list("items", head, |page| head.text(page))?;
    let (mut shown, mut failure) = (0, None);
    loop {
        match tasks.next(queue) {
            Ok(Some(item)) => {
                let row = Row::new(item.into(), fields)?;
                list.push(&row, |page| rows.add(&row, page))?;
                shown += 1;
            }
            Ok(None) => break,
            Err(error) => {
                failure = Some(error.to_string());
                break;
            }
        }
        if list.held_bytes() > limits::HELD_BYTES {
            let max = limits::HELD_BYTES;
            let way_out = "give --print one field, or ask for fewer tasks by --limit";
            let held = format!("what is asked for is held until the end, and has more than {max} bytes: {way_out}");
            return Ok(printer.fail(&bad_args(held)));
        }
    }
    let (matching, findings) = tasks.end(queue);
    let (exit_code, stopped) =
        (u8::from(failure.is_some()), failure.map(|error| format!("only {shown} shown: {error}")));
    let warnings: Vec<String> = stopped.into_iter().chain(findings.iter().map(Finding::to_string)).collect();
    list.end(&NoMore {}, &warnings, |page| {
        rows.end(shown, page);
        head.end_text(shown, matching, page);
    })?;
    Ok(exit_code)
}

impl Head {
    fn new(args: &args::Tasks, filter: &Filter, list: &TaskList, queue: &Queue<DirStore>) -> Result<Head, Failure> {
        Ok(Head {
            total: list.counts.total(),
            counts: list.counts.clone(),
            limit: filter.limit,
            truncated: list.next_cursor.is_some(),
            next_cursor: list.next_cursor.as_ref().map(Cursor::to_string),
            paused_queues: queue.settings()?.paused.into_iter().collect(),
            filter: filter_text(args),
        })
    }
}

/// Draws the table anew each second, until the process is interrupted or nobody looks any more.
pub(super) fn watch(args: &args::Tasks, repository: &Repository, printer: Printer<'_>) -> u8 {
    if !printer.is_live() {
        let way_out = "pipe `muse coord tasks`, or follow the changes by `muse coord watch`";
        return printer.fail(&bad_args(format!("--watch draws on a terminal, as text: {way_out}")));
    }
    match redrawn(args, repository, printer) {
        Ok(()) => 1,
        Err(failure) => printer.fail(&failure),
    }
}

/// Returns when nobody looks any more. The terminal may change its size meanwhile, and the queue may be taken away.
fn redrawn(args: &args::Tasks, repository: &Repository, printer: Printer) -> Result<(), Failure> {
    let filter = FilterDraft::from(args).check()?;
    let OpenQueue { queue, .. } = repository.open()?;
    loop {
        queue.check_is_there()?;
        let (columns, lines) = host::terminal_size();
        let printer = Printer { columns, lines, ..printer };
        let is_drawn = printer.redraw(|page| {
            let mut list = queue.list(&filter, host::now())?;
            let head = Head::new(args, &filter, &list, &queue)?;
            head.text(page);
            let (mut rows, mut shown) = (TextRows::new(&args.fields, columns), 0);
            while let Some(item) = list.next(&queue)? {
                let row = Row::new(Item::from(item), &args.fields).map_err(|error| Failure::new("error", error))?;
                rows.add(&row, page);
                shown += 1;
            }
            let (matching, findings) = list.end(&queue);
            rows.end(shown, page);
            head.end_text(shown, matching, page);
            Ok(findings.iter().map(Finding::to_string).collect())
        })?;
        if !is_drawn {
            return Ok(());
        }
        host::sleep(host::SECOND);
    }
}

impl From<&args::Tasks> for FilterDraft {
    fn from(args: &args::Tasks) -> FilterDraft {
        FilterDraft {
            status: args.status,
            queue: args.queue.clone(),
            run_id: args.run_id.clone(),
            tags: words(&args.tags),
            since: args.since.clone(),
            ended_since: args.ended_since.clone(),
            sort: Some(args.sort.clone()),
            cursor: args.cursor.clone(),
            limit: Some(args.limit),
        }
    }
}

fn filter_text(args: &args::Tasks) -> String {
    let tags = words(&args.tags).join(",");
    let sort = Some(&args.sort).filter(|sort| *sort != Sort::default().as_str());
    let parts = [
        args.status.map(|status| format!("status={}", status.as_str())),
        args.queue.as_ref().map(|queue| format!("queue={queue}")),
        args.run_id.as_ref().map(|run_id| format!("run-id={}", sanitised(run_id))),
        (!tags.is_empty()).then(|| format!("tags={}", sanitised(&tags))),
        args.since.as_ref().map(|since| format!("since={since}")),
        args.ended_since.as_ref().map(|since| format!("ended-since={since}")),
        sort.map(|sort| format!("sort={sort}")),
        args.cursor.as_ref().map(|_| "behind the cursor".to_string()),
    ];
    parts.into_iter().flatten().collect::<Vec<String>>().join(", ")
}

impl From<queue::Item> for Item {
    fn from(item: queue::Item) -> Item {
        let (progress, note) = item.progress.map_or((None, None), |progress| (progress.progress, progress.note));
        let mut task = TaskRecord::from(item.task);
        // Of a blocked task, what its record says; else when it is due now, if it is to wait.
        if item.status != Status::Blocked {
            task.scheduled_at = item.scheduled_at.filter(|_| item.status == Status::Scheduled);
        }
        Item {
            task,
            status: item.status,
            claimer_run_id: item.claimer_run_id,
            expires_at: item.expires_at,
            generation: item.generation,
            attempt: item.attempt,
            result: item.result,
            error: item.error,
            blocked_on: item.blocked_on.as_ref().map(TaskId::to_string),
            request: item.cancel_request.map(|request| CancelRequest::from(Some(request))),
            reason: item.reason,
            progress,
            note,
            ended_at: item.ended_at,
        }
    }
}

impl Item {
    /// Where the task stands, line by line.
    pub(super) fn details(&self, page: &mut Page) {
        if let Some(parent) = &self.blocked_on {
            page.field("Blocked on", parent);
        }
        if let Some(run_id) = &self.claimer_run_id {
            page.field("Claimer", run_id);
        }
        if let Some(at) = self.expires_at.filter(|_| self.ended_at.is_none()) {
            page.field("Lease to", at);
        }
        if let Some(progress) = self.progress {
            page.field("Progress", format_args!("{:.0} %", progress * 100.0));
        }
        if let Some(note) = &self.note {
            page.field("Note", note);
        }
        if let Some(request) = &self.request {
            page.line("  🛑 Its holder is asked to stop");
            request.details(page);
        }
        if let Some(at) = self.ended_at {
            page.field("Ended", at);
        }
        if let Some(result) = &self.result {
            page.field("Result", result.text());
        }
        if let Some(error) = &self.error {
            page.field("Error", error);
        }
        if let Some(reason) = &self.reason {
            page.field("Reason", reason);
        }
    }
}

pub(super) fn counts_by_name<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Status::ALL.map(|status| (status.as_str(), counts.of(status))))
}

impl Head {
    fn text(&self, page: &mut Page) {
        let width = page.columns.unwrap_or(PAGE_COLUMNS);
        page.line(format_args!("Task queue — {} task(s)", self.total));
        if !self.filter.is_empty() {
            page.line(format_args!("  filter: {}", self.filter));
        }
        self.counts_text(page, width);
        if !self.paused_queues.is_empty() {
            let paused: Vec<&str> = self.paused_queues.iter().map(QueueName::as_str).collect();
            page.line(fitted(&format!("  paused: {}", paused.join(", ")), width));
        }
        page.line("─".repeat(width.min(PAGE_COLUMNS)));
    }

    /// How many are shown, if there are more.
    fn end_text(&self, shown: usize, matching: Matching, page: &mut Page) {
        if self.truncated {
            let of = match matching {
                Matching::Exactly(count) => format!(" of {count}"),
                // They are not counted: that would take a look at each record.
                Matching::MoreThan(_) => ", there are more".to_string(),
            };
            page.line(format_args!("\n  (showing {shown}{of} — use --limit to see more)"));
        }
        if let Some(cursor) = &self.next_cursor {
            page.line(format_args!("  (the next ones: --cursor {cursor})"));
        }
    }

    /// The counts, over as many lines as the width asks for.
    fn counts_text(&self, page: &mut Page, width: usize) {
        let mut line = String::new();
        for status in Status::ALL {
            let count = self.counts.of(status);
            // The reference has six counts; the others show when there is something to count.
            if matches!(status, Status::Scheduled | Status::Blocked | Status::Expired) && count == 0 {
                continue;
            }
            let word = format!("  {count} {}", status.as_str());
            if line.len() + word.len() > width {
                page.line(std::mem::take(&mut line));
            }
            line.push_str(&word);
        }
        page.line(line);
    }
}

/// The table of a list whose rows come one by one.
enum TextRows {
    /// Of columns that are as wide whatever comes.
    Whole(Columns),
    /// Of fields, each as wide as its widest value: so what is shown of them is held.
    Parts(Table),
}

impl TextRows {
    fn new(fields: &[String], columns: Option<usize>) -> TextRows {
        if fields.is_empty() { TextRows::Whole(Columns::for_width(columns)) } else { TextRows::Parts(Table::default()) }
    }

    fn add(&mut self, row: &Row<Item>, page: &mut Page) {
        match (self, row) {
            (TextRows::Whole(columns), Row::Whole(item)) => columns.add(item, page),
            (TextRows::Parts(table), Row::Part(part)) => table.add(part),
            (TextRows::Whole(_), Row::Part(_)) | (TextRows::Parts(_), Row::Whole(_)) => {}
        }
    }

    fn end(&mut self, count: usize, page: &mut Page) {
        if count == 0 {
            page.line("\n  (no tasks matching filter)");
        } else if let TextRows::Parts(table) = self {
            page.line("");
            table.print(page);
        }
    }
}

/// The width of a page that is not a terminal's.
const PAGE_COLUMNS: usize = 80;

/// A full id and the space behind it.
const ID_COLUMNS: usize = 72;

/// The columns before the title, without the id: status, priority, queue, claimer, and the spaces between.
const FIXED_COLUMNS: usize = 12 + 1 + 4 + 1 + 12 + 1 + 20 + 1;

/// How a task is laid out: one line where there is room for a full id beside the rest, else two.
struct Columns {
    width: Option<usize>,
    id_beside: bool,
    title: usize,
    has_heading: bool,
}

impl Columns {
    fn for_width(columns: Option<usize>) -> Columns {
        let Some(width) = columns else {
            return Columns { width: None, id_beside: true, title: 40, has_heading: false };
        };
        let id_beside = width >= ID_COLUMNS + FIXED_COLUMNS + 20;
        let taken = FIXED_COLUMNS + if id_beside { ID_COLUMNS } else { 0 };
        Columns { width: columns, id_beside, title: width.saturating_sub(taken).clamp(10, 80), has_heading: false }
    }

    fn add(&mut self, item: &Item, page: &mut Page) {
        if !std::mem::replace(&mut self.has_heading, true) {
            page.line("");
            page.line(self.cut(&self.heading(), 0));
            page.line("─".repeat(page.columns.unwrap_or(PAGE_COLUMNS).min(PAGE_COLUMNS)));
        }
        self.row(item, page);
    }

    fn heading(&self) -> String {
        let id = if self.id_beside { padded("ID", ID_COLUMNS) } else { String::new() };
        let columns = [padded("ST", 12), format!("{:>4}", "PRI"), padded("QUEUE", 12), padded("CLAIMER", 20)];
        format!("{id}{} TITLE", columns.join(" "))
    }

    fn row(&self, item: &Item, page: &mut Page) {
        let task = &item.task;
        let stands = format!("{}{}", icon(item.status), item.status.as_str());
        let status = padded(&stands, 12);
        let queue = fitted(task.queue.as_str(), 12);
        let claimer = fitted(item.claimer_run_id.as_deref().unwrap_or("-"), 20);
        let title = fitted(task.title.as_str(), self.title);
        let rest = format!("{status} {:>4} {} {} {title}", task.priority, padded(&queue, 12), padded(&claimer, 20));
        if self.id_beside {
            let rest = page.tinted(&self.cut(&rest, ID_COLUMNS), &stands, item.status);
            page.line(format_args!("{} {rest}", task.task_id));
        } else {
            page.line(page.tinted(&self.cut(&rest, 0), &stands, item.status));
            page.line(&task.task_id);
        }
        let due = task.scheduled_at.filter(|_| item.status == Status::Scheduled).map(|at| format!("↳ due {at}"));
        let parent = item.blocked_on.as_ref().map(|parent| format!("↳ after {parent}"));
        for waits_for in due.into_iter().chain(parent) {
            page.line(self.cut(&waits_for, 0));
        }
    }

    /// Whatever is too wide for its column, such as a priority of twenty digits, costs the end of the line.
    fn cut(&self, line: &str, taken: usize) -> String {
        let line = line.trim_end();
        self.width.map_or_else(|| line.to_string(), |width| fitted(line, width.saturating_sub(taken)))
    }
}

pub(super) fn icon(status: Status) -> &'static str {
    match status {
        Status::Scheduled => "📅",
        Status::Blocked => "🚧",
        Status::Pending => "⏳",
        Status::Claimed => "🔒",
        Status::TimedOut => "⏰",
        Status::Completed => "✅",
        Status::Failed => "❌",
        Status::Cancelled => "🚫",
        Status::Expired => "⌛",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_task_can_be_asked_for() {
        let schema = schemars::SchemaGenerator::default().into_root_schema_for::<Item>();
        let mut described: Vec<&str> =
            schema.get("properties").unwrap().as_object().unwrap().keys().map(|k| k.as_str()).collect();
        let mut fields = FIELDS.to_vec();
        described.sort_unstable();
        fields.sort_unstable();
        assert_eq!(fields, described);
    }
}
