//! One round: a new filesystem, writers at work on it, the power cut several times, and what each cut has left.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;

use super::disk::{Disk, copy_image};
use super::faulty::SeededBug;
use super::filesystem::Filesystem;
use super::history::{Action, Answer, Note, actions};
use super::judge::{Cut, Verdict, judge};

/// How long the queue is written to before the first cut, and between two, in milliseconds. So some cuts come while
/// the first directories are made.
const BETWEEN_CUTS: std::ops::Range<u64> = 10..250;

/// What a round is on, and what is done in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) filesystem: Filesystem,
    /// The writers go by POSIX.
    pub(super) posix: bool,
    /// What the writers do wrong.
    pub(super) bug: Option<SeededBug>,
    /// How many processes write at the same time.
    pub(super) writers: usize,
    /// How long each of them thinks after an answer, at most. What one forgets to sync the next one syncs by chance.
    pub(super) thinking: Duration,
    /// How often the power is cut.
    pub(super) cuts: usize,
}

/// What came of a round: for each cut the verdict, and the image if something is wrong.
pub(super) struct Round {
    pub(super) verdicts: Vec<Judged>,
    /// What writers were answered that no sound filesystem is a reason for.
    pub(super) broken: Vec<String>,
    pub(super) actions: Vec<Action>,
}

/// What came of a cut.
pub(super) struct Judged {
    pub(super) cut: Cut,
    pub(super) verdict: Verdict,
    /// As it was, if something is wrong.
    pub(super) image: Option<PathBuf>,
}

impl Plan {
    pub(super) fn run(self, disk: &Disk, random: &mut SmallRng) -> Result<Round, String> {
        let original = disk.format(self.filesystem)?;
        let mounted = disk.mount(self.filesystem, &original)?;
        self.check_detection(&mounted.coordination())?;
        let writers: Vec<Writer> =
            (0..self.writers).map(|number| Writer::start(self, &mounted.coordination(), number, random)).collect();
        let mut images = Vec::new();
        for number in 0..self.cuts {
            thread::sleep(Duration::from_millis(random.random_range(BETWEEN_CUTS)));
            images.push(disk.cut(&original, number)?);
        }
        let actions: Vec<Action> = writers.into_iter().flat_map(Writer::stop).collect();
        mounted.unmount()?;
        let judged = images.into_iter().map(|(image, cut)| self.judge(disk, &image, cut, &actions));
        let verdicts = judged.collect::<Result<_, _>>()?;
        let broken = actions.iter().filter_map(|action| match &action.got {
            Some((_, Answer::Broken(what))) => Some(what.clone()),
            _ => None,
        });
        Ok(Round { verdicts, broken: broken.collect(), actions })
    }

    /// Else the writers would go another way than the one that is to be cut.
    fn check_detection(self, directory: &Path) -> Result<(), String> {
        let directory = File::open(directory).map_err(|error| format!("cannot open the directory: {error}"))?;
        let (found, expected) = (coord_store::orders_names(&directory), self.filesystem.rules(false).one_flush);
        let name = self.filesystem.name();
        if found == Some(expected) {
            Ok(())
        } else {
            Err(format!("the store says of {name}, that it orders names: {found:?}"))
        }
    }

    /// Judges a copy of the image, and leaves the image if something is wrong.
    fn judge(self, disk: &Disk, image: &Path, cut: Cut, actions: &[Action]) -> Result<Judged, String> {
        let copy = image.with_extension("judged");
        copy_image(image, &copy)?;
        let mounted = match disk.mount(self.filesystem, &copy) {
            Ok(mounted) => mounted,
            Err(error) => {
                let verdict = Verdict { faults: vec![format!("cannot be mounted: {error}")], ..Verdict::default() };
                return Ok(Judged { cut, verdict, image: Some(image.to_owned()) });
            }
        };
        let verdict = judge(&mounted.coordination(), actions, cut, self.filesystem.rules(self.posix));
        mounted.unmount()?;
        remove(&copy)?;
        if verdict.is_sound() {
            remove(image)?;
            return Ok(Judged { cut, verdict, image: None });
        }
        Ok(Judged { cut, verdict, image: Some(image.to_owned()) })
    }
}

/// A process that writes, and who listens to it.
struct Writer {
    process: Child,
    notes: JoinHandle<Vec<Note>>,
}

impl Writer {
    fn start(plan: Plan, directory: &Path, number: usize, random: &mut SmallRng) -> Writer {
        let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
        command.arg("write").arg("--directory").arg(directory).arg(format!("--name=writer-{number}"));
        command.arg(format!("--seed={}", random.random::<u64>())).args(plan.posix.then_some("--posix"));
        command.arg(format!("--thinking-micros={}", plan.thinking.as_micros()));
        command.args(plan.bug.map(|bug| format!("--bug={}", bug.name())));
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a writer starts");
        let said = BufReader::new(process.stdout.take().expect("it is a pipe"));
        let notes = thread::spawn(move || {
            let lines = said.lines().map(|line| line.expect("a pipe can be read"));
            // The last line of one that was killed may be cut off.
            lines.map_while(|line| serde_json::from_str(&line).ok()).collect()
        });
        Writer { process, notes }
    }

    fn stop(mut self) -> Vec<Action> {
        self.process.kill().expect("it is this process's child");
        self.process.wait().expect("it was killed");
        actions(self.notes.join().expect("the notes are whole"))
    }
}

fn remove(path: &Path) -> Result<(), String> {
    fs::remove_file(path).map_err(|error| format!("cannot remove {}: {error}", path.display()))
}
