//! One directory: made, damaged, worked in, repaired, and worked in again.
#![expect(clippy::indexing_slicing, reason = "of what an answer does not have, it reads null")]

mod command;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

pub(super) use command::Program;
use command::{NOBODY, SECRET, give_to_nobody};
use coord_core::{TaskId, layout};
use rand::RngExt;
use rand::rngs::SmallRng;
use serde_json::Value;
use tempfile::TempDir;

use super::deed::{Deed, Victim};
use super::queue::{self, HOLDER, Tasks};

/// What is done in one directory, and what came of it.
pub(super) struct Trial<'a> {
    program: &'a Program,
    place: TempDir,
    tasks: Tasks,
    shown: bool,
    /// What was outside, as it was.
    outside: Vec<String>,
    pub(super) number: u64,
    pub(super) deeds: Vec<Deed>,
    pub(super) processes: u64,
    pub(super) slowest: Duration,
    pub(super) was_healthy: bool,
    pub(super) is_left_to_people: bool,
    pub(super) violations: Vec<String>,
    /// How often each generation of a task was claimed.
    claims: BTreeMap<(String, u64), u32>,
    /// What commands complained of while the doctor called the directory healthy.
    complaints: Vec<String>,
}

impl<'a> Trial<'a> {
    pub(super) fn new(program: &'a Program, number: u64, shown: bool) -> Trial<'a> {
        let place = TempDir::with_prefix("muse-damaged-").expect("make a temporary directory");
        let root = place.path().join(".muse/coordination");
        fs::create_dir_all(&root).expect("make the coordination directory");
        let tasks = queue::make(&root);
        let outside = place.path().join("outside");
        fs::create_dir_all(outside.join("directory")).expect("make what is outside");
        for file in ["secret.json", "directory/secret.json"] {
            fs::write(outside.join(file), format!("{{\"secret\":\"{SECRET}\"}}")).expect("write what is outside");
        }
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("the directory is one's own");
        if program.as_nobody {
            give_to_nobody(place.path()).expect("root may");
        }
        Trial {
            program,
            tasks,
            shown,
            outside: listed(&outside),
            place,
            number,
            deeds: Vec::new(),
            processes: 0,
            slowest: Duration::ZERO,
            was_healthy: false,
            is_left_to_people: false,
            violations: Vec::new(),
            claims: BTreeMap::new(),
            complaints: Vec::new(),
        }
    }

    pub(super) fn damage(&mut self, rng: &mut SmallRng) {
        let root = self.place.path().join(".muse/coordination");
        let owner = self.program.as_nobody.then_some(NOBODY);
        let victim = Victim { root: &root, owner, outside: Path::new("../../outside"), tasks: &self.tasks.all };
        for _ in 0..rng.random_range(1..=5) {
            self.deeds.push(Deed::at_random(&victim, rng));
        }
    }

    pub(super) fn run(&mut self, rng: &mut SmallRng) {
        let doctor = self.muse("doctor --json");
        self.was_healthy = doctor.code == Some(0);
        self.look_around();
        // Else there is no queue, or a copy of one, until a doctor has mended it.
        if self.was_healthy || self.has_format() {
            self.claim_all("before the repair");
            self.check_claimed("");
            self.settle_some(rng);
        }
        self.check_word_of_the_doctor();
        self.give_access();
        self.repair();
        self.go_on();
        self.check_claimed_once();
        if listed(&self.place.path().join("outside")) != self.outside {
            self.violations.push("what is outside was changed".to_string());
        }
    }

    pub(super) fn claimed(&self) -> u64 {
        self.claims.len() as u64
    }

    /// Every command that changes nothing, or little.
    fn look_around(&mut self) {
        let held = self.tasks.held.map(|id| id.to_string()).unwrap_or_default();
        for line in ["tasks --json --limit 100", "stats --json", "export", "gc --older-than 1d --json"] {
            let answered = self.muse(line);
            self.note_complaint(&answered);
        }
        let is_sound = self.has_format() && self.tasks.held.is_some_and(|id| self.is_sound(id));
        for line in [format!("show {held} --json"), format!("heartbeat {held} --run-id {HOLDER} --json")] {
            let answered = self.muse(&line);
            self.note_complaint(&answered);
            if is_sound && answered.code != Some(0) {
                self.violations.push(format!("{line}: {}", answered.json));
            }
        }
    }

    /// Claims until there is nothing, first one by one.
    fn claim_all(&mut self, when: &str) {
        for round in 0..60 {
            let line = if round < 3 { "claim --run-id agent --json" } else { "claim --run-id agent --max 50 --json" };
            let answered = self.muse(line);
            self.note_complaint(&answered);
            let claims: Vec<Value> = match answered.json["claims"].as_array() {
                Some(claims) => claims.clone(),
                None => vec![answered.json.clone()],
            };
            for claim in claims.iter().filter(|claim| claim["generation"].is_u64()) {
                let id = claim["task_id"].as_str().unwrap_or_default().to_string();
                *self.claims.entry((id, claim["generation"].as_u64().unwrap_or(0))).or_default() += 1;
            }
            match answered.code {
                Some(0) => {}
                _ if answered.json["status"] == "empty" => return,
                _ if round < 55 => {}
                _ => {
                    self.violations.push(format!("{when} every claim fails: {}", answered.json));
                    return;
                }
            }
        }
        self.violations.push(format!("{when} claims come to no end"));
    }

    /// Every undamaged task that could be claimed was.
    fn check_claimed(&mut self, when: &str) {
        for id in self.tasks.claimable.clone() {
            if self.is_sound(id) && !self.was_claimed(id) {
                self.violations.push(format!("{id} is undamaged, and nobody is given it{when}"));
            }
        }
    }

    /// Completes one task, fails one and gives one back, of those that are undamaged.
    fn settle_some(&mut self, rng: &mut SmallRng) {
        let claimable = self.tasks.claimable.clone();
        let sound = claimable.into_iter().filter(|id| self.is_sound(*id) && self.was_claimed(*id));
        let mut sound: Vec<String> = sound.map(|id| id.to_string()).collect();
        for word in ["complete", "fail-task", "release"] {
            if sound.is_empty() {
                return;
            }
            let id = sound.swap_remove(rng.random_range(0..sound.len()));
            let more = match word {
                "complete" => r#" --result {"n":1}"#,
                "fail-task" => " --error broken",
                _ => "",
            };
            let answered = self.muse(&format!("{word} {id} --run-id agent{more} --json"));
            self.note_complaint(&answered);
            if answered.code != Some(0) {
                self.violations.push(format!("{} of an undamaged task: {}", answered.line, answered.json));
            }
        }
    }

    /// A directory that the doctor called healthy has given out all of its tasks, and no command complained.
    fn check_word_of_the_doctor(&mut self) {
        if !self.was_healthy {
            return;
        }
        if let [deed] = &self.deeds[..]
            && deed.is_in_the_way()
        {
            self.complaints.push("something is in the place of a directory".to_string());
        }
        let may_not_write = self.deeds.iter().any(|deed| deed.write_protected().is_some());
        let tasks = self.place.path().join(".muse/coordination");
        let is_recorded = |id: &TaskId| tasks.join(layout::record(*id).to_string()).is_file();
        let kept_back = self.tasks.claimable.iter().filter(|id| is_recorded(id) && !self.was_claimed(**id));
        let kept_back = kept_back.filter(|_| !may_not_write);
        let told: Vec<String> = kept_back.map(|id| format!("nobody is given {id}")).collect();
        self.complaints.extend(told);
        let is_of_rights = |what: &String| what.contains("give this user access");
        let mut complaints = std::mem::take(&mut self.complaints);
        complaints.retain(|what| !(may_not_write && is_of_rights(what)));
        self.violations.extend(complaints.into_iter().map(|what| format!("the doctor said healthy, but {what}")));
    }

    /// A missing right to write is seen by commands that write there, not by a doctor. A person follows their advice.
    fn give_access(&self) {
        let root = self.place.path().join(".muse/coordination");
        for directory in self.deeds.iter().filter_map(Deed::write_protected) {
            fs::set_permissions(root.join(directory), Permissions::from_mode(0o700)).unwrap_or_default();
        }
    }

    fn repair(&mut self) {
        let repair = self.muse("doctor --repair --json");
        if !matches!(repair.code, Some(0 | 1)) {
            self.violations.push(format!("the repair ended with {:?}", repair.code));
        }
        let after = self.muse("doctor --json");
        let left = after.json["defects"].as_array().cloned().unwrap_or_default();
        // A lost report stays lost. A person decides about a task whose entry was quarantined.
        let is_for_people = |defect: &Value| ["report_lost", "no_entry"].iter().any(|code| defect["code"] == *code);
        self.is_left_to_people = !left.is_empty();
        if after.code != Some(0) && (left.is_empty() || !left.iter().all(is_for_people)) {
            self.violations.push(format!("not healthy after the repair: {} (the repair: {})", after.json, repair.json));
        }
    }

    /// After the repair tasks of every kind can be enqueued, claimed and completed.
    fn go_on(&mut self) {
        let first = self.new_task("enqueue new-1");
        let second = self.new_task("enqueue new-2 --queue new --unique key --priority 3");
        let third = self.new_task(&format!("enqueue new-3 --after {first}"));
        self.claim_all("after the repair");
        self.check_claimed(" after the repair");
        for id in [&first, &second] {
            if !self.claims.contains_key(&(id.clone(), 1)) {
                self.violations.push(format!("after the repair {id}, a new task, is not given out"));
            }
        }
        let answered = self.muse(&format!("complete {first} --run-id agent --result {{}} --json"));
        if answered.code != Some(0) {
            self.violations.push(format!("after the repair a completion fails: {}", answered.json));
        }
        self.claim_all("after the repair and a completion");
        if !self.claims.contains_key(&(third.clone(), 1)) {
            self.violations.push(format!("after the repair {third}, which waited, is not given out"));
        }
    }

    fn new_task(&mut self, line: &str) -> String {
        let answered = self.muse(&format!("{line} --json"));
        if answered.code != Some(0) {
            self.violations.push(format!("after the repair: {line}: {}", answered.json));
        }
        answered.json["task_id"].as_str().unwrap_or_default().to_string()
    }

    fn check_claimed_once(&mut self) {
        let sound: BTreeSet<String> =
            self.tasks.all.iter().filter(|id| self.is_sound(**id)).map(ToString::to_string).collect();
        let all: BTreeSet<String> = self.tasks.all.iter().map(ToString::to_string).collect();
        let twice = self.claims.iter().filter(|(_, times)| **times > 1);
        let twice = twice.filter(|((id, _), _)| sound.contains(id) || !all.contains(id));
        let told: Vec<String> =
            twice.map(|((id, of), times)| format!("generation {of} of {id}: {times} claims")).collect();
        self.violations.extend(told);
    }

    fn was_claimed(&self, id: TaskId) -> bool {
        let id = id.to_string();
        self.claims.keys().any(|(claimed, _)| *claimed == id)
    }

    /// True if nothing was done to the task, or to a directory that it is in or will come to.
    fn is_sound(&self, id: TaskId) -> bool {
        let places = self.tasks.places.get(&id).into_iter().flatten();
        let is_hurt = |deed: &Deed| deed.names(&id.hex()) || places.clone().any(|place| deed.concerns(place));
        !self.deeds.iter().any(is_hurt)
    }

    fn has_format(&self) -> bool {
        !self.deeds.iter().any(|deed| deed.concerns("format.json") || deed.concerns("anchor.json"))
    }
}

/// What is in a directory, name, content and time.
fn listed(directory: &Path) -> Vec<String> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, metadata) = (entry.path(), entry.metadata().expect("it is there"));
        listed.push(format!(
            "{} {:?} {:o} {}",
            path.display(),
            fs::read(&path).ok(),
            metadata.mode(),
            metadata.mtime()
        ));
        if metadata.is_dir() {
            listed.extend(self::listed(&path));
        }
    }
    listed.sort();
    listed
}
