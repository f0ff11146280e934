//! Real power cuts: writers on a real filesystem, whose disk is copied at one moment while they work.
//!
//! The filesystem is on an image, and the image on an XFS that copies a file by sharing its blocks, which takes
//! milliseconds and is of one moment. The copy is what a disk holds whose power was cut then. It is mounted, which
//! plays the journal back. Then the queue in it is held against what had been acknowledged before the copy began
//! ([`judge`]), and worked off. What was acknowledged is noted outside of the image, and nothing here syncs anything.
//!
//! What this shows: each change is on disk when it is acknowledged, if the kernel writes what it says it has written.
//! What it does not show: a copy holds every write that the block layer has completed, those included that a real
//! disk would still have in its cache. So a flush of that cache that is missing, or comes too early, is not found,
//! and no sector is torn.
//!
//! Writers that have a seeded bug ([`faulty`]) are cut, too, and must be caught: so it is known that this can fail.

mod disk;
mod faulty;
mod filesystem;
mod history;
mod judge;
mod programs;
mod report;
mod round;
mod writer;

use std::ffi::OsString;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use disk::Disk;
use faulty::SeededBug;
use history::Moment;
use programs::run as run_program;
use report::{Control, Row};
use round::{Judged, Plan, Round};

pub use filesystem::Filesystem;
pub use report::Report;
pub use writer::{WriterOptions, write};

/// How long, and on what.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How long all of it may take, but for what is begun
    #[arg(long, default_value_t = 5.0)]
    pub minutes: f64,
    /// Cut so many images of each filesystem instead, however long it takes
    #[arg(long)]
    pub images: Option<usize>,
    /// On which filesystems [default: all]
    #[arg(long, value_enum)]
    pub filesystem: Vec<Filesystem>,
    /// Have the writers rely on nothing that POSIX does not promise, as MUSE_COORD_SYNC=posix does
    #[arg(long)]
    pub posix: bool,
    /// Where the images are kept meanwhile: a fast disk makes more cuts, a slow one longer changes [default: the
    /// system's directory for temporary files]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// What all choices follow from [default: another each time]
    #[arg(long)]
    pub seed: Option<u64>,
}

/// So many processes write at the same time: another number in each round, as what one forgets the others may sync by
/// chance.
const WRITERS: RangeInclusive<usize> = 1..=6;

/// They think so long after an answer at most, in milliseconds.
const THINKING: RangeInclusive<u64> = 1..=40;

/// How many there are in a red control.
const WRITERS_OF_A_CONTROL: usize = 1;

/// How long they think in a red control.
const THINKING_OF_A_CONTROL: Duration = Duration::from_millis(40);

/// So often the power is cut in one round.
const CUTS: usize = 8;

/// A bug that is not found in so many images is told.
const IMAGES_OF_A_CONTROL: usize = 240;

/// So many images in which something is wrong are kept.
const KEPT: usize = 3;

/// Cuts the power. To be run in a mount namespace of its own, as root.
pub fn run(options: &Options) -> Report {
    let seed = options.seed.unwrap_or_else(|| Moment::now().nanos());
    let mut report = Report { seed, ..Report::default() };
    let wanted = if options.filesystem.is_empty() { &Filesystem::ALL[..] } else { &options.filesystem };
    let (runnable, lacking): (Vec<_>, Vec<_>) = wanted.iter().partition(|filesystem| filesystem.lacks().is_none());
    report.not_run.extend(lacking.into_iter().map(|filesystem: &Filesystem| {
        let program = filesystem.lacks().unwrap_or_default();
        format!("power cuts on {}, which need {program}", filesystem.name())
    }));
    let place = match &options.dir {
        Some(dir) => TempDir::with_prefix_in("muse-power-cut-", dir),
        None => TempDir::with_prefix("muse-power-cut-"),
    };
    let place = place.expect("make a temporary directory");
    match Disk::new(place.path()) {
        Ok(disk) => {
            Lab { disk, options, place: place.path(), report: &mut report, random: SmallRng::seed_from_u64(seed) }
                .run(&runnable)
        }
        Err(problem) => report.not_run.push(format!("power cuts, which need root, loop devices and an XFS: {problem}")),
    }
    if !report.kept.is_empty() {
        report.kept.push(place.keep().display().to_string());
    }
    report
}

struct Lab<'a> {
    disk: Disk,
    options: &'a Options,
    place: &'a Path,
    report: &'a mut Report,
    random: SmallRng,
}

impl Lab<'_> {
    fn run(&mut self, filesystems: &[&Filesystem]) {
        let began = Instant::now();
        let budget = Duration::from_secs_f64(self.options.minutes * 60.0);
        for filesystem in filesystems {
            for bug in SeededBug::ALL {
                if filesystem.must_show(bug, self.options.posix) {
                    self.control(**filesystem, bug);
                }
            }
            self.report.rows.push(Row::new(**filesystem));
        }
        loop {
            for row in 0..self.report.rows.len() {
                self.round(row);
            }
            let is_over = match self.options.images {
                Some(images) => self.report.rows.iter().all(|row| row.images >= images),
                None => began.elapsed() >= budget,
            };
            if is_over {
                return;
            }
        }
    }
}

impl Lab<'_> {
    /// Cuts one filesystem some times, unless it has been cut often enough.
    fn round(&mut self, row: usize) {
        let Some(Row { filesystem, images, .. }) = self.report.rows.get(row) else { return };
        let filesystem = *filesystem;
        let cuts = self.options.images.map_or(CUTS, |wanted| wanted.saturating_sub(*images).min(CUTS));
        if cuts == 0 {
            return;
        }
        let posix = self.options.posix;
        let writers = self.random.random_range(WRITERS);
        let thinking = Duration::from_millis(self.random.random_range(THINKING));
        let plan = Plan { filesystem, posix, bug: None, writers, thinking, cuts };
        let began = Instant::now();
        let outcome = plan.run(&self.disk, &mut self.random);
        let kept = outcome.as_ref().map_or_else(|_| Vec::new(), |round| self.keep(filesystem, round));
        self.report.kept.extend(kept);
        let Some(row) = self.report.rows.get_mut(row) else { return };
        match outcome {
            Ok(Round { verdicts, broken, .. }) => {
                verdicts.iter().for_each(|judged| row.add(&judged.verdict));
                row.faults.extend(broken);
            }
            Err(problem) => {
                row.images += cuts;
                row.faults.push(format!("the round could not be finished: {problem}"));
            }
        }
        row.time += began.elapsed();
    }

    /// Cuts writers that have a seeded bug until something is missing.
    fn control(&mut self, filesystem: Filesystem, bug: SeededBug) {
        let plan = Plan {
            filesystem,
            posix: self.options.posix,
            bug: Some(bug),
            writers: WRITERS_OF_A_CONTROL,
            thinking: THINKING_OF_A_CONTROL,
            cuts: CUTS,
        };
        let mut control = Control { filesystem, bug, images: 0, found: None };
        while control.images < IMAGES_OF_A_CONTROL && control.found.is_none() {
            let verdicts = plan.run(&self.disk, &mut self.random).map(|round| round.verdicts).unwrap_or_default();
            for Judged { verdict, image, .. } in verdicts {
                image.map(fs::remove_file).transpose().expect("it is there");
                if control.found.is_none() {
                    control.images += 1;
                    control.found = verdict.missing.first().cloned();
                }
            }
        }
        self.report.controls.push(control);
    }

    /// Keeps the first images in which something is wrong, as they were, with all that the writers noted.
    fn keep(&self, filesystem: Filesystem, round: &Round) -> Vec<String> {
        let room = match filesystem.excuse() {
            None => KEPT.saturating_sub(self.report.kept.len()),
            Some(_) => 0,
        };
        let mut kept = Vec::new();
        for Judged { cut, verdict, image } in &round.verdicts {
            let Some(image) = image else { continue };
            if kept.len() == room {
                fs::remove_file(image).expect("it is there");
                continue;
            }
            let name = format!("kept-{}", self.report.kept.len() + kept.len());
            fs::rename(image, image.with_file_name(format!("{name}.img"))).expect("it is there");
            let evidence = serde_json::json!({
                "missing": verdict.missing, "faults": verdict.faults, "cut": cut, "actions": round.actions,
            });
            let path = self.place.join(format!("{name}.json"));
            fs::write(&path, evidence.to_string()).expect("write what was noted");
            kept.push(format!("{name}.img in outer.img, and what was noted in {}", path.display()));
        }
        kept
    }
}

/// Runs this program with these words where it may mount what nobody else sees. `None`: that is not allowed here.
pub fn in_a_namespace_of_its_own(words: impl IntoIterator<Item = OsString>) -> Option<ExitStatus> {
    let namespace = ["--mount", "--propagation", "private"];
    run_program("unshare", namespace.into_iter().chain(["true"]), []).ok()?;
    let program = std::env::current_exe().expect("this program is a file");
    Some(Command::new("unshare").args(namespace).arg(program).args(words).status().expect("unshare is there"))
}
