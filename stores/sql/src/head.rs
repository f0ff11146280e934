//! Which parts of the index the head of the queues is read from.

use coord_core::layout::{Dir, TimedDir};
use coord_core::store::fused::{Head, TimedDirs, Watermark};

/// The paths from the first up to what follows the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: String,
    pub(crate) before: String,
    /// How many characters of each path stand before its place, and one more.
    pub(crate) skipped: usize,
}

/// The ranges of the directories that are known: those above the watermarks, and those below.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    pub(crate) above: Vec<Range>,
    pub(crate) below: Vec<Range>,
}

impl Ranges {
    pub(crate) fn of(head: &Head) -> Ranges {
        let mut ranges = Ranges::default();
        known_dirs(head).iter().for_each(|dir| ranges.add(dir, head));
        for side in [&mut ranges.above, &mut ranges.below] {
            side.retain(|range| range.first < range.before);
        }
        ranges
    }

    fn add(&mut self, dir: &Dir, head: &Head) {
        let [begin, end] = bounds(dir);
        let skipped = begin.chars().count() + 1;
        let mut first = head.after.as_ref().map_or_else(|| begin.clone(), |after| follows(&format!("{begin}{after}")));
        for [below, mark] in watermarks_in(dir, head) {
            if mark <= first {
                continue;
            }
            let below = below.max(first.clone());
            self.above.push(Range { first, before: below.clone(), skipped });
            self.below.push(Range { first: below, before: mark.clone(), skipped });
            first = mark;
        }
        self.above.push(Range { first, before: end, skipped });
    }
}

/// Where each priority of a directory begins that has a watermark, and the watermark, in order.
fn watermarks_in(dir: &Dir, head: &Head) -> Vec<[String; 2]> {
    let inside = head.watermarks.iter().filter(|mark| mark.priority.is_below(dir));
    let mut marks: Vec<[String; 2]> =
        inside.map(|mark| [format!("{}/", mark.priority.as_str()), mark.first.to_string()]).collect();
    marks.sort();
    marks
}

/// Where there may be queues that are not known: from the first path up to what follows the last.
pub(crate) fn elsewhere(head: &Head) -> (Vec<String>, Vec<String>) {
    let known = known_dirs(head);
    let [begin, end] = bounds(&TimedDir::ready());
    let (begins, ends): (Vec<String>, Vec<String>) = known.iter().map(bounds).map(|[begin, end]| (begin, end)).unzip();
    (std::iter::once(begin).chain(ends).collect(), begins.into_iter().chain([end]).collect())
}

/// The directories that are asked for by name, or that have a watermark, in the order of what is below them.
fn known_dirs(head: &Head) -> Vec<Dir> {
    match &head.of {
        TimedDirs::These(dirs) => dirs.clone(),
        TimedDirs::AllQueues => {
            let queue = |mark: &Watermark| Some(TimedDir::queue(&TimedDir::queue_of(&mark.priority)?).dir);
            let mut dirs: Vec<Dir> = head.watermarks.iter().filter_map(queue).collect();
            dirs.sort_by_key(bounds);
            dirs.dedup();
            dirs
        }
    }
}

/// The first path below a directory, and what follows the last. `0` follows `/`.
fn bounds(dir: &Dir) -> [String; 2] {
    [format!("{}/", dir.as_str()), format!("{}0", dir.as_str())]
}

/// What follows a path.
pub(crate) fn follows(path: &str) -> String {
    format!("{path}\u{1}")
}
