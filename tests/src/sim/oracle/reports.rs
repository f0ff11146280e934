//! The reports on a task: where they stand, which of them an entry leads to, and that they stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use coord_core::entry::{Entry, Outcome as Ending, State};
use coord_core::name::Nonce;
use coord_core::queue::{Report, ReportKind};
use coord_core::store::mem::Tree;
use coord_core::{TaskId, layout, limits};
use serde::Deserialize;

use super::invariant::{Broken, Invariant, expect};
use super::{Life, Reported};
use crate::sim::agent::result_of;

/// A report on a task, wherever it stands.
#[derive(Clone, Debug)]
struct Told {
    version: u32,
    nonce: Nonce,
    report: Report,
}

/// What a task's file holds behind its first line.
#[derive(Deserialize)]
struct Line {
    task: TaskId,
    version: u32,
    nonce: Nonce,
    report: Report,
}

impl Life {
    /// Notes the report that the name `next` leads to, if it is a new one: it is there, whole, and says what the name
    /// says.
    pub(super) fn note_report(&mut self, last: Option<&Entry>, next: &Entry, tree: &Tree) -> Result<(), Broken> {
        let (Some(nonce), Some(last)) = (next.report, last) else { return Ok(()) };
        if last.report == Some(nonce) {
            let is_told_of = !matches!(next.state, State::Cancelling(_)) || matches!(last.state, State::Cancelling(_));
            return expect(is_told_of, Invariant::ReportsStay, || format!("{next} has no report of its own"));
        }
        let report =
            reports_on(tree, next.id).into_iter().find(|told| (told.version, told.nonce) == (next.version, nonce));
        let report = report.map(|told| told.report);
        let seen = || format!("{next}: its report is {report:?}");
        let invariant = match next.state {
            State::Ended(_) => Invariant::ResultsAreWhole,
            _ => Invariant::ReportsStay,
        };
        let report = report.as_ref().ok_or_else(|| Broken::new(invariant, seen()))?;
        let said = report.result.as_ref().map(|result| result.text().to_string());
        let right = match &next.state {
            State::Ended(ending) => match ending.outcome {
                Ending::Completed => report.kind == ReportKind::Completed && said == Some(result_of(nonce)),
                Ending::Failed => matches!(report.kind, ReportKind::Failed | ReportKind::TimedOut),
                // Given back for later by a holder that was asked to stop.
                Ending::Cancelled if report.kind == ReportKind::Released => matches!(last.state, State::Cancelling(_)),
                Ending::Cancelled => matches!(report.kind, ReportKind::Cancelled | ReportKind::CancelRequested),
                Ending::Expired => false,
            },
            State::Scheduled { due } => {
                matches!(report.kind, ReportKind::Failed | ReportKind::Released) && report.scheduled_at == Some(*due)
            }
            State::TimedOut { .. } => report.kind == ReportKind::TimedOut,
            State::Cancelling(_) if report.kind == ReportKind::Progress => matches!(last.state, State::Cancelling(_)),
            State::Cancelling(_) => report.kind == ReportKind::CancelRequested,
            State::Claimed(_) => report.kind == ReportKind::Progress,
            State::Ready { .. } | State::Blocked { .. } => false,
        };
        expect(right, invariant, seen)?;
        let is_progress = report.kind == ReportKind::Progress;
        if is_progress && self.reports.last().is_some_and(|before| before.is_progress) {
            self.reports.pop();
        }
        let leads_on = report.previous == self.reports.last().map(|before| before.nonce);
        expect(leads_on, Invariant::ReportsStay, seen)?;
        self.reports.push(Reported { version: next.version, nonce, is_progress });
        Ok(())
    }

    /// All reports are there.
    pub(super) fn check_reports(&self, id: TaskId, tree: &Tree) -> Result<(), Broken> {
        if self.purged || self.reports.is_empty() && self.late_results.is_empty() {
            return Ok(());
        }
        let told = reports_on(tree, id);
        let is_there = |version, nonce| told.iter().any(|told| (told.version, told.nonce) == (version, nonce));
        for Reported { version, nonce, .. } in &self.reports {
            expect(is_there(*version, *nonce), Invariant::ReportsStay, || format!("{nonce} is not among {told:?}"))?;
        }
        // Only a few late results are kept.
        let late = self.late_results.iter().filter(|nonce| is_there(0, **nonce)).count();
        let all_that_stay = late >= self.late_results.len().min(limits::LATE_RESULTS_KEPT);
        expect(all_that_stay, Invariant::ReportsStay, || format!("of {:?} there are {late}", self.late_results))
    }
}

/// The reports on a task: the lines of its file, and those that are files of their own. What a doctor has quarantined
/// no agent reads.
fn reports_on(tree: &Tree, id: TaskId) -> Vec<Told> {
    let mut told = Vec::new();
    let mut seen: Vec<&Arc<[u8]>> = Vec::new();
    for (path, content) in tree.files().filter(|(path, _)| !path.dir.is_below(&layout::quarantine_dir())) {
        if let Some((of, version, nonce)) = layout::parse_report(&path.name).filter(|(of, ..)| *of == id) {
            let report = serde_json::from_slice(content).ok();
            told.extend(report.filter(|_| of == id).map(|report| Told { version, nonce, report }));
        }
        let is_of_task = layout::parse_record(&path.name) == Some(id)
            || Entry::parse(&path.name).is_some_and(|entry| entry.id == id);
        if is_of_task && !seen.iter().any(|seen| Arc::ptr_eq(seen, content)) {
            seen.push(content);
            let lines = content.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty());
            let lines = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
            let lines = lines.filter(|line| line.task == id);
            told.extend(lines.map(|Line { version, nonce, report, .. }| Told { version, nonce, report }));
        }
    }
    told
}

/// The reports that an entry leads to, oldest first, as far as they can be read.
pub(in crate::sim) fn chain(tree: &Tree, entry: &Entry) -> Vec<Reported> {
    let (mut reports, mut next) = (Vec::new(), entry.report);
    if next.is_none() {
        return reports;
    }
    let mut all = BTreeMap::new();
    for told in reports_on(tree, entry.id) {
        if told.version > 0 {
            all.insert(told.nonce, told);
        }
    }
    while let Some((nonce, Told { version, report, .. })) = next.and_then(|nonce| all.remove_entry(&nonce)) {
        reports.push(Reported { version, nonce, is_progress: report.kind == ReportKind::Progress });
        next = report.previous;
    }
    reports.reverse();
    reports
}

/// What was reported last on a task, as text.
pub(in crate::sim) fn last_report(tree: &Tree, entry: &Entry) -> Option<String> {
    let last = chain(tree, entry).pop()?;
    let told =
        reports_on(tree, entry.id).into_iter().find(|told| (told.version, told.nonce) == (last.version, last.nonce));
    told.map(|told| format!("{:?}", told.report))
}
