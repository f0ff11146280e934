//! `muse coord doctor`: what is wrong in the coordination directory, and with `--repair` mending it.

use clap::Args;
use coord_core::queue::{Counts, Defect, Diagnosis, Leftovers, Medium, Note, Problem, Repair};
use coord_core::store::StoreError;
use coord_store::Sync;
use muse_terminal::sanitised;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use crate::medium;
use crate::output::{Answer, Answered, Failure, Page};

/// Check the coordination directory for defects, and what its filesystem supports
///
/// Reads every file of the queue. Both `doctor` and `doctor --repair` are safe while agents work. Exits 1 if there is a
/// defect that was not repaired. Files that dead agents left behind are not defects.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Repair what can be repaired, and move the rest to quarantine/: nothing is deleted
    #[arg(long)]
    pub repair: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct DoctorAnswer {
    healthy: bool,
    repair: bool,
    tasks: u64,
    counts: Counts,
    defects: Vec<FoundDefect>,
    leftovers: FoundLeftovers,
    quarantine: usize,
    foreign: Vec<String>,
    notes: Vec<String>,
    filesystem: Filesystem,
    degraded: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct FoundDefect {
    code: &'static str,
    task_id: Option<String>,
    path: String,
    problem: String,
    became: &'static str,
    #[serde(skip)]
    advice: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct FoundLeftovers {
    drafts: usize,
    reports: usize,
    torn_records: usize,
}

/// `null`: doctor could not test it.
#[derive(Serialize, JsonSchema)]
struct Filesystem {
    exclusive_create: Option<bool>,
    hard_links: Option<bool>,
    link_counts: Option<bool>,
    renames: Option<bool>,
    renames_between_directories: Option<bool>,
    listings: Option<bool>,
    directory_sync: Option<bool>,
    case_sensitive: Option<bool>,
    directory_stamps: Option<bool>,
    clock_offset_seconds: Option<f64>,
    not_tried: Option<String>,
}

/// How many foreign names are shown.
const FOREIGN_SHOWN: usize = 20;

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<DoctorAnswer>, Failure> {
    let sync = context.sync()?;
    let OpenQueue { queue, .. } = context.open_for_doctor()?;
    let turn = turn()?;
    let diagnosis = if args.repair { queue.repair(&turn)? } else { queue.examine(turn.now())? };
    let medium = queue.probe(&turn)?;
    let mut answer = DoctorAnswer::new(args.repair, &diagnosis, &medium, sync);
    answer.notes.extend(medium::remarks(queue.store())?);
    Ok(Answered { answer, warnings: Vec::new() })
}

impl DoctorAnswer {
    fn new(repair: bool, diagnosis: &Diagnosis, medium: &Medium, sync: Sync) -> DoctorAnswer {
        let unsynced = "MUSE_COORD_SYNC is off: nothing is synced, so a power cut can lose anything";
        let unsynced = (sync == Sync::Off).then(|| unsynced.to_string());
        DoctorAnswer {
            healthy: diagnosis.is_healthy(),
            repair,
            tasks: diagnosis.counts.total(),
            counts: diagnosis.counts.clone(),
            defects: diagnosis.defects.iter().map(|defect| FoundDefect::new(defect, repair)).collect(),
            leftovers: diagnosis.leftovers.into(),
            quarantine: diagnosis.quarantine,
            foreign: diagnosis.foreign.iter().take(FOREIGN_SHOWN).map(ToString::to_string).collect(),
            notes: diagnosis.notes.iter().map(Note::to_string).collect(),
            filesystem: medium.into(),
            degraded: unsynced.into_iter().chain(medium.degraded()).collect(),
        }
    }
}

impl FoundDefect {
    fn new(defect: &Defect, repair: bool) -> FoundDefect {
        let advice = match (defect.became, &defect.problem) {
            (Repair::Mended, _) => "repaired",
            (Repair::Quarantined, _) => "moved to quarantine/",
            (Repair::Left, Problem::ReportLost) => "it cannot be repaired; the task stays ended",
            (Repair::Left, _) if repair => {
                "not repaired: another agent changed it meanwhile, or see the notes; try again"
            }
            (Repair::Left, _) => "to repair it: muse coord doctor --repair",
        };
        FoundDefect {
            code: defect.problem.code(),
            task_id: defect.task_id.map(|id| id.to_string()),
            path: defect.path.to_string(),
            problem: defect.problem.to_string(),
            became: defect.became.as_str(),
            advice,
        }
    }
}

impl From<Leftovers> for FoundLeftovers {
    fn from(leftovers: Leftovers) -> FoundLeftovers {
        let Leftovers { drafts, reports, torn_records } = leftovers;
        FoundLeftovers { drafts, reports, torn_records }
    }
}

impl From<&Medium> for Filesystem {
    fn from(medium: &Medium) -> Filesystem {
        Filesystem {
            exclusive_create: medium.exclusive_create,
            hard_links: medium.hard_links,
            link_counts: medium.link_counts,
            renames: medium.renames,
            renames_between_directories: medium.renames_between_directories,
            listings: medium.listings,
            directory_sync: medium.directory_sync,
            case_sensitive: medium.case_sensitive,
            directory_stamps: medium.directory_stamps,
            // In tenths: what is less is the time that the trial took.
            clock_offset_seconds: medium.clock_offset_micros.map(|micros| (micros / 100_000) as f64 / 10.0),
            not_tried: medium.refused.as_ref().map(StoreError::to_string),
        }
    }
}

impl Answer for DoctorAnswer {
    fn text(&self, page: &mut Page) {
        let (tasks, defects) = (self.tasks, self.defects.len());
        let left = self.defects.iter().filter(|defect| defect.became == Repair::Left.as_str()).count();
        page.line(match (defects, left) {
            (0, _) => format!("✅ The queue is healthy: {tasks} task(s)"),
            (_, 0) => {
                format!("✅ The queue is healthy again: {tasks} task(s), {defects} defect(s) repaired or quarantined")
            }
            _ => format!("❌ The queue has {left} defect(s): {tasks} task(s)"),
        });
        for FoundDefect { code, path, problem, advice, .. } in &self.defects {
            page.line(format_args!("  {code} {}: {}; {advice}", sanitised(path), sanitised(problem)));
        }
        self.remarks(page);
    }

    fn exit_code(&self) -> u8 {
        u8::from(!self.healthy)
    }
}

impl DoctorAnswer {
    /// Findings that are not defects.
    fn remarks(&self, page: &mut Page) {
        let FoundLeftovers { drafts, reports, torn_records } = self.leftovers;
        if drafts + reports + torn_records > 0 {
            let became = if self.repair { "quarantined" } else { "harmless; --repair quarantines them" };
            page.field(
                "Leftovers",
                format_args!("{drafts} draft(s), {reports} report(s), {torn_records} torn record(s): {became}"),
            );
        }
        if self.quarantine > 0 {
            page.field("Quarantine", format_args!("{} file(s) in quarantine/, for you to look at", self.quarantine));
        }
        let remarks = [("Foreign", &self.foreign), ("Note", &self.notes), ("Filesystem", &self.degraded)];
        for (label, texts) in remarks {
            texts.iter().for_each(|text| page.field(label, text));
        }
    }
}
