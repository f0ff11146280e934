//! The table of tasks, as people see it.

use coord_core::answer::Item;
use coord_core::queue::Status;
use muse_terminal::{fitted, padded};

use super::fields::{Row, Table};
use crate::answer::item::icon;
use crate::output::Page;

/// The table of a list whose rows come one by one.
pub(super) enum TextRows {
    /// Of columns that are as wide whatever comes.
    Whole(Columns),
    /// Of fields, each as wide as its widest value: so what is shown of them is held.
    Parts(Table),
}

impl TextRows {
    pub(super) fn new(fields: &[String], columns: Option<usize>) -> TextRows {
        if fields.is_empty() { TextRows::Whole(Columns::for_width(columns)) } else { TextRows::Parts(Table::default()) }
    }

    pub(super) fn add(&mut self, row: &Row<Item>, page: &mut Page) {
        match (self, row) {
            (TextRows::Whole(columns), Row::Whole(item)) => columns.add(item, page),
            (TextRows::Parts(table), Row::Part(part)) => table.add(part),
            (TextRows::Whole(_), Row::Part(_)) | (TextRows::Parts(_), Row::Whole(_)) => {}
        }
    }

    pub(super) fn end(&mut self, count: usize, page: &mut Page) {
        if count == 0 {
            page.line("\n  (no tasks matching filter)");
        } else if let TextRows::Parts(table) = self {
            page.line("");
            table.print(page);
        }
    }
}

/// The width of a page that is not a terminal's.
pub(super) const PAGE_COLUMNS: usize = 80;

/// A full id and the space behind it.
const ID_COLUMNS: usize = 72;

/// The columns before the title, without the id: status, priority, queue, claimer, and the spaces between.
const FIXED_COLUMNS: usize = 12 + 1 + 4 + 1 + 12 + 1 + 20 + 1;

/// How a task is laid out: one line where there is room for a full id beside the rest, else two.
pub(super) struct Columns {
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
            page.line(task.task_id);
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
