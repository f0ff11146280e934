//! What the orchestrator learns from its agents: the closing table, and the record that the check is made on.

use super::agent::Event;
use anyhow::{Context, Result, bail};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) struct Report {
    started: Instant,
    /// By run id.
    agents: BTreeMap<String, Row>,
    /// By path: what the queue answered to each `complete` that it accepted. One answer each, if all is well.
    completed: BTreeMap<String, Vec<Value>>,
    stuck: Stuck,
}

#[derive(Default)]
struct Row {
    tasks: usize,
    lost_races: usize,
    until_last_task: Duration,
}

/// The agent that is killed, and the task that it holds.
struct Stuck {
    run_id: String,
    path: String,
    takeover: Option<Takeover>,
}

struct Takeover {
    run_id: String,
    after: Duration,
    attempt: u64,
}

impl Report {
    /// Begins with one agent that holds a task and will never finish it.
    pub(super) fn new(run_id: &str, path: &str) -> Self {
        Self {
            started: Instant::now(),
            agents: BTreeMap::from([(run_id.to_owned(), Row::default())]),
            completed: BTreeMap::new(),
            stuck: Stuck { run_id: run_id.to_owned(), path: path.to_owned(), takeover: None },
        }
    }

    pub(super) fn note(&mut self, run_id: &str, event: Event) {
        let after = self.started.elapsed();
        let row = self.agents.entry(run_id.to_owned()).or_default();
        match event {
            Event::Claimed { path, attempt } => {
                if path == self.stuck.path {
                    let run_id = run_id.to_owned();
                    self.stuck.takeover = Some(Takeover { run_id, after, attempt });
                }
            }
            Event::Completed { path, result } => {
                row.tasks += 1;
                row.until_last_task = after;
                self.completed.entry(path).or_default().push(result);
            }
            Event::LostRace { .. } => row.lost_races += 1,
        }
    }

    pub(super) fn finished(&self) -> usize {
        self.completed.len()
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["agent", "tasks", "lost races", "last task after"]);
        for (run_id, row) in &self.agents {
            let until = if *run_id == self.stuck.run_id { "killed".to_owned() } else { seconds(row.until_last_task) };
            table.add_row([run_id.clone(), row.tasks.to_string(), row.lost_races.to_string(), until]);
        }
        let rows = || self.agents.values();
        table.add_row([
            "all".to_owned(),
            rows().map(|row| row.tasks).sum::<usize>().to_string(),
            rows().map(|row| row.lost_races).sum::<usize>().to_string(),
            seconds(rows().map(|row| row.until_last_task).max().unwrap_or_default()),
        ]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// The one result that was recorded for a file.
    pub(super) fn only_result(&self, path: &str) -> Result<&Value> {
        let results = self.completed.get(path).map_or(&[][..], Vec::as_slice);
        let [result] = results else {
            bail!("{path}: completed {} times, not once", results.len());
        };
        Ok(result)
    }

    /// In words, how the killed agent's task went on. An error if nobody took it over.
    pub(super) fn takeover(&self) -> Result<String> {
        let Stuck { run_id, path, takeover } = &self.stuck;
        let takeover = takeover
            .as_ref()
            .with_context(|| format!("nobody took over {path}, which {run_id} held when it was killed"))?;
        Ok(format!(
            "{run_id} was killed while it held {path}; {} took the task over after {}, as attempt {}",
            takeover.run_id,
            seconds(takeover.after),
            takeover.attempt
        ))
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Event, Report};
    use serde_json::json;

    fn completed(path: &str) -> Event {
        Event::Completed { path: path.to_owned(), result: json!({}) }
    }

    #[test]
    fn a_file_that_was_completed_twice_fails_the_check() {
        let mut report = Report::new("agent-1", "held");
        assert!(report.only_result("a").is_err());
        report.note("agent-2", completed("a"));
        assert!(report.only_result("a").is_ok());
        report.note("agent-3", completed("a"));
        assert!(report.only_result("a").is_err());
    }

    #[test]
    fn a_killed_agents_task_that_nobody_took_over_fails_the_check() {
        let mut report = Report::new("agent-1", "held");
        assert!(report.takeover().is_err());
        report.note("agent-2", Event::Claimed { path: "held".to_owned(), attempt: 2 });
        assert!(report.takeover().is_ok());
    }
}
