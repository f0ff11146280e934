//! What power cuts tell people: a row for each filesystem, a line for each red control, and what was wrong.

use std::fmt;
use std::time::Duration;

use super::faulty::SeededBug;
use super::filesystem::Filesystem;
use super::judge::Verdict;

/// So many wrong things are told one by one.
const SHOWN: usize = 12;

/// What came of power cuts.
#[derive(Debug, Default)]
pub struct Report {
    pub(super) seed: u64,
    pub(super) rows: Vec<Row>,
    pub(super) controls: Vec<Control>,
    pub(super) not_run: Vec<String>,
    /// Where what was wrong is kept.
    pub(super) kept: Vec<String>,
}

/// What came of one filesystem.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) filesystem: Filesystem,
    pub(super) images: usize,
    pub(super) checked: usize,
    pub(super) missing: Vec<String>,
    pub(super) faults: Vec<String>,
    pub(super) time: Duration,
}

/// A bug that has to be found.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) filesystem: Filesystem,
    pub(super) bug: SeededBug,
    pub(super) images: usize,
    /// Something that was acknowledged and is missing.
    pub(super) found: Option<String>,
}

impl Report {
    /// True if nothing was missing or otherwise wrong, and each bug was found. A filesystem that is known to lose
    /// what it has synced is not judged.
    pub fn passed(&self) -> bool {
        let is_sound = |row: &Row| row.is_sound() || row.filesystem.excuse().is_some();
        self.rows.iter().all(is_sound) && self.controls.iter().all(|control| control.found.is_some())
    }

    /// True if at least one filesystem was cut.
    pub fn ran(&self) -> bool {
        !self.rows.is_empty()
    }
}

impl Row {
    pub(super) fn new(filesystem: Filesystem) -> Row {
        let (missing, faults) = (Vec::new(), Vec::new());
        Row { filesystem, images: 0, checked: 0, missing, faults, time: Duration::ZERO }
    }

    fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.faults.is_empty()
    }

    pub(super) fn add(&mut self, verdict: &Verdict) {
        self.images += 1;
        self.checked += verdict.checked;
        self.missing.extend(verdict.missing.iter().cloned());
        self.faults.extend(verdict.faults.iter().cloned());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.not_run {
            writeln!(f, "NOT RUN: {line}")?;
        }
        if !self.ran() {
            return Ok(());
        }
        writeln!(f, "power cuts, seed {}", self.seed)?;
        let (name, images, checked) = ("filesystem", "images", "acknowledged");
        writeln!(f, "{name:<22}{images:>8}{checked:>14}{:>9}{:>14}{:>9}", "missing", "other faults", "time")?;
        for row in &self.rows {
            let Row { filesystem, images, checked, missing, faults, time } = row;
            let (name, missing, faults, time) = (filesystem.name(), missing.len(), faults.len(), time.as_secs());
            writeln!(f, "{name:<22}{images:>8}{checked:>14}{missing:>9}{faults:>14}{time:>7} s")?;
        }
        for Control { filesystem, bug, images, found } in &self.controls {
            let (name, bug) = (filesystem.name(), bug.name());
            match found {
                Some(found) => writeln!(f, "red, as it must be: {name}, {bug}, image {images}: {found:.150}")?,
                None => writeln!(f, "GREEN, AND MUST BE RED: {name}, {bug}: nothing is missing in {images} images")?,
            }
        }
        for row in self.rows.iter().filter(|row| !row.is_sound()) {
            if let Some(excuse) = row.filesystem.excuse() {
                writeln!(f, "NOT JUDGED: {}: {excuse}", row.filesystem.name())?;
                continue;
            }
            for what in row.missing.iter().chain(&row.faults).take(SHOWN) {
                writeln!(f, "{}: {what}", row.filesystem.name())?;
            }
        }
        for kept in &self.kept {
            writeln!(f, "kept: {kept}")?;
        }
        Ok(())
    }
}
