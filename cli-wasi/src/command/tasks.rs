//! `muse coord tasks`: list tasks, and count them by status.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use coord_core::answer::{Item, ListingHead};
use coord_core::name::QueueName;
use coord_core::queue::{Filter, Finding, Matching, Sort, Status, TaskList};
use coord_core::request::{Field, FilterDraft};
use coord_core::{Queue, limits};
use muse_terminal::{fitted, sanitised};
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue};
use super::values::{self, words};
use crate::answer::item::FIELDS;
use crate::host;
use crate::medium::QueueStore;
use crate::output::{Failure, NOTHING_CHANGED, Page, Printer, Unwritten};

mod fields;
mod table;

use fields::{Row, Rows};
use table::{PAGE_COLUMNS, TextRows};

/// List tasks, and count all of them by status
#[derive(Debug, Args)]
#[command(after_help = values::TIME_HELP)]
pub struct Arguments {
    /// Show only tasks with this status
    #[arg(long, value_parser = statuses(), value_name = "STATUS")]
    pub status: Option<Status>,
    /// Show only tasks of this queue
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Show only tasks whose claimer is this agent
    #[arg(long, value_name = "RUNID")]
    pub run_id: Option<String>,
    /// Show only tasks with all these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Show only tasks that were enqueued at this time or later
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Show only tasks that ended at this time or later; to catch up, give the latest `ended_at` that you have seen
    #[arg(long, value_name = "TIME")]
    pub ended_since: Option<String>,
    /// The order: as tasks are claimed, or by the time they were enqueued or ended; with - the latest first
    #[arg(long, value_name = "ORDER", default_value = "claim", value_parser = orders(), allow_hyphen_values = true)]
    pub sort: String,
    /// Continue after the `next_cursor` of an earlier answer in the same order
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    #[arg(
        long,
        help = values::help(
            "Show at most N tasks (RANGE); the counts are always of all tasks",
            Field::Limit
        ),
        value_name = "N",
        default_value_t = limits::LIST_ITEMS_DEFAULT,
        value_parser = values::whole(Field::Limit),
        allow_negative_numbers = true,
    )]
    pub limit: i64,
    /// Show only these fields of each task, in this order; the counts are shown as always
    #[arg(long, value_parser = PossibleValuesParser::new(FIELDS), value_delimiter = ',', value_name = "FIELD,FIELD")]
    pub fields: Vec<String>,
    /// On a terminal, redraw the table every second until interrupted
    #[arg(long)]
    pub watch: bool,
}

/// Only described: the items are printed one by one.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "a description of what is printed piece by piece")]
pub(super) struct TasksAnswer {
    #[schemars(flatten)]
    head: Head,
    items: Rows<Item>,
}

#[derive(Serialize, JsonSchema)]
struct Head {
    #[serde(flatten)]
    listing: ListingHead,
    #[serde(skip)]
    filter: String,
}

/// No fields behind the items.
#[derive(Serialize)]
struct NoMore {}

/// Prints the list, or with `--watch` draws it anew each second, and tells the exit code.
pub(super) fn run(args: &Arguments, context: &Context<'_>) -> u8 {
    if args.watch { watch(args, context) } else { list(args, context) }
}

fn list(args: &Arguments, context: &Context<'_>) -> u8 {
    let printer = context.printer;
    let opened = FilterDraft::from(args).check().map_err(Failure::from);
    let opened = opened.and_then(|filter| {
        let OpenQueue { queue, .. } = context.open()?;
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
    queue: &Queue<QueueStore>,
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
            let way_out = "give --print one field, or fewer tasks by --limit";
            let held = format!(
                "the fields of --print are held in memory until the end, and have more than {max} bytes: {way_out}"
            );
            return Ok(printer.fail(&Failure::bad_args(held)));
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
    fn new(args: &Arguments, filter: &Filter, list: &TaskList, queue: &Queue<QueueStore>) -> Result<Head, Failure> {
        let listing = ListingHead::new(list.counts.clone(), filter.limit, list.next_cursor.as_ref(), queue.settings()?);
        Ok(Head { listing, filter: filter_text(args) })
    }
}

/// Draws the table anew each second, until the process is interrupted or nobody looks any more.
fn watch(args: &Arguments, context: &Context<'_>) -> u8 {
    let printer = context.printer;
    if !printer.is_live() {
        let way_out = "pipe `muse coord tasks`, or follow the changes with `muse coord watch`";
        return printer.fail(&Failure::bad_args(format!("--watch needs a terminal and --format text: {way_out}")));
    }
    match redrawn(args, context) {
        Ok(()) => 1,
        Err(failure) => printer.fail(&failure),
    }
}

/// Returns when nobody looks any more. The terminal may change its size meanwhile, and the queue may be taken away.
fn redrawn(args: &Arguments, context: &Context<'_>) -> Result<(), Failure> {
    let filter = FilterDraft::from(args).check()?;
    let OpenQueue { queue, .. } = context.open()?;
    loop {
        queue.check_is_there()?;
        let (columns, lines) = host::terminal_size();
        let printer = Printer { columns, lines, ..context.printer };
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

impl From<&Arguments> for FilterDraft {
    fn from(args: &Arguments) -> FilterDraft {
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

fn filter_text(args: &Arguments) -> String {
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
        args.cursor.as_ref().map(|_| "after the cursor".to_string()),
    ];
    parts.into_iter().flatten().collect::<Vec<String>>().join(", ")
}

impl Head {
    fn text(&self, page: &mut Page) {
        let width = page.columns.unwrap_or(PAGE_COLUMNS);
        page.line(format_args!("Task queue — {} task(s)", self.listing.total));
        if !self.filter.is_empty() {
            page.line(format_args!("  filter: {}", self.filter));
        }
        self.counts_text(page, width);
        if !self.listing.paused_queues.is_empty() {
            let paused: Vec<&str> = self.listing.paused_queues.iter().map(QueueName::as_str).collect();
            page.line(fitted(&format!("  paused: {}", paused.join(", ")), width));
        }
        page.line("─".repeat(width.min(PAGE_COLUMNS)));
    }

    /// How many are shown, if there are more.
    fn end_text(&self, shown: usize, matching: Matching, page: &mut Page) {
        if self.listing.truncated {
            let of = match matching {
                Matching::Exactly(count) => format!(" of {count}"),
                // They are not counted: that would take a look at each record.
                Matching::MoreThan(_) => ", there are more".to_string(),
            };
            page.line(format_args!("\n  (showing {shown}{of} — use --limit to see more)"));
        }
        if let Some(cursor) = &self.listing.next_cursor {
            page.line(format_args!("  (next page: --cursor {cursor})"));
        }
    }

    /// The counts, over as many lines as the width asks for.
    fn counts_text(&self, page: &mut Page, width: usize) {
        let mut line = String::new();
        for status in Status::ALL {
            let count = self.listing.counts.of(status);
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

/// The words that `--status` takes.
fn statuses() -> impl TypedValueParser<Value = Status> {
    let status = |word: String| Status::ALL.into_iter().find(|status| status.as_str() == word);
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).try_map(move |word| status(word).ok_or("no status"))
}

/// The words that `--sort` takes.
fn orders() -> PossibleValuesParser {
    PossibleValuesParser::new(Sort::ALL.map(Sort::as_str))
}
