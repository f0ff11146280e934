//! Damaged directories: a queue with tasks in every state, one to five random damages to its files, and then the
//! commands as real processes.
//!
//! What must hold in each: every undamaged task that can be claimed is claimed, once; no command hangs, panics, reads
//! or changes what is outside, or answers other than it always does; the doctor calls no directory healthy in which
//! something fails; and after `doctor --repair` there is nothing left but what only a person can decide, and work
//! goes on.
//!
//! Every choice follows from the seed and the directory's number, so each directory can be made again. Where the
//! harness runs as root the commands run as another user, for whom rights and owners mean something.
//!
//! Not covered: damage beside agents at work, which is the soak's vandal; a power cut.

mod deed;
mod files;
mod queue;
mod trial;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use deed::Deed;
pub use deed::plant;
pub use files::fifo;
use trial::{Program, Trial};

/// How many violations are told one by one.
const SHOWN: usize = 20;

/// How many directories, and which.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// How many directories are damaged
    #[arg(long)]
    pub directories: u64,
    /// What all choices follow from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Try this one alone, and tell what each command answered
    #[arg(long)]
    pub only: Option<u64>,
}

/// What came of it. `Display` tells it.
#[derive(Debug, Default)]
pub struct Report {
    seed: u64,
    seconds: f64,
    directories: u64,
    deeds: BTreeMap<&'static str, u64>,
    processes: u64,
    claimed: u64,
    /// Directories that the doctor called healthy as they were, and those in which something is left for a person
    /// after the repair.
    healthy: u64,
    left_to_people: u64,
    slowest_seconds: f64,
    violations: Vec<String>,
}

/// Damages directories with the program that `MUSE_BIN` names, and tries each.
pub fn run(options: Options) -> Report {
    let program = Program::new();
    let began = Instant::now();
    let (next, report) = (AtomicU64::new(0), Mutex::new(Report { seed: options.seed, ..Report::default() }));
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= options.directories {
                        break;
                    }
                    if options.only.is_none_or(|only| only == number) {
                        let trial = tried(&program, options, number);
                        report.lock().unwrap_or_else(PoisonError::into_inner).add(&trial);
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.seconds = began.elapsed().as_secs_f64();
    report
}

fn tried(program: &Program, options: Options, number: u64) -> Trial<'_> {
    let mut rng = SmallRng::seed_from_u64(options.seed.wrapping_mul(1_000_003) ^ number);
    let mut trial = Trial::new(program, number, options.only.is_some());
    trial.damage(&mut rng);
    trial.run(&mut rng);
    trial
}

impl Report {
    /// True if everything was as it must be.
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }

    fn add(&mut self, trial: &Trial) {
        self.directories += 1;
        self.processes += trial.processes;
        self.claimed += trial.claimed();
        self.healthy += u64::from(trial.was_healthy);
        self.left_to_people += u64::from(trial.is_left_to_people);
        self.slowest_seconds = self.slowest_seconds.max(trial.slowest.as_secs_f64());
        for Deed { kind, .. } in &trial.deeds {
            *self.deeds.entry(kind.name()).or_default() += 1;
        }
        let deeds = || trial.deeds.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        self.violations.extend(
            trial.violations.iter().map(|what| format!("directory {}: {what}\n    after: {}", trial.number, deeds())),
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { seed, seconds, directories, processes, claimed, healthy, left_to_people, slowest_seconds, .. } =
            self;
        writeln!(f, "damage: {directories} directories (seed {seed}), {processes} processes, {seconds:.0} s")?;
        writeln!(f, "  {claimed} tasks claimed; the slowest command took {slowest_seconds:.2} s")?;
        writeln!(
            f,
            "  the doctor called {healthy} healthy; {left_to_people} hold something for a person after the repair"
        )?;
        let deeds: Vec<String> = self.deeds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(f, "  {}", deeds.join(", "))?;
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "  WRONG: {violation}")?;
        }
        match self.violations.len() {
            0 => write!(f, "  nothing was wrong"),
            wrong => write!(f, "  {wrong} wrong; one alone: damage --seed {seed} --directories N --only NUMBER"),
        }
    }
}
