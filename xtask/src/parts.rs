//! What each part of a run took: a table for its last lines.

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// The parts so far. Parts may run side by side, so the whole may take less than all of them together.
pub(crate) struct Parts {
    began: Instant,
    /// What was done before that.
    before: Duration,
    taken: RefCell<Vec<(String, Duration)>>,
}

impl Parts {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), before: Duration::ZERO, taken: RefCell::default() }
    }

    /// The run began with a part that this program has not timed.
    pub(crate) fn after(&mut self, name: &str, took: Duration) {
        self.before += took;
        self.note(name, took);
    }

    /// Does one part.
    pub(crate) fn time<T>(&self, name: &str, part: impl FnOnce() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let done = part();
        self.note(name, began.elapsed());
        done
    }

    /// A part is over.
    pub(crate) fn note(&self, name: &str, took: Duration) {
        self.taken.borrow_mut().push((name.to_owned(), took));
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["part", "min:s"]);
        for (name, took) in self.taken.borrow().iter() {
            table.add_row([name.clone(), minutes(*took)]);
        }
        table.add_row(["all".to_owned(), minutes(self.before + self.began.elapsed())]);
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::minutes;
    use std::time::Duration;

    #[test]
    fn a_duration_is_shown_in_minutes_and_seconds() {
        assert_eq!(minutes(Duration::from_millis(59_400)), "0:59");
        assert_eq!(minutes(Duration::from_millis(59_600)), "1:00");
        assert_eq!(minutes(Duration::from_secs(3_605)), "60:05");
    }
}
