//! The state directories that are sorted by time, `ready/` and `scheduled/`, down to their time buckets.

use alloc::string::ToString;

use crate::name::QueueName;
use crate::path::{Dir, Path};
use crate::time::Timestamp;
use crate::time_index::{self, Span, Time};

use super::priority::PriorityPlace;

/// The directory of a queue's waiting tasks of one priority that were enqueued in one span of 8 ms.
pub fn ready_bucket(queue: &QueueName, priority: i64, created_at: Timestamp) -> Dir {
    bucket_of(ready_priority(queue, priority), created_at)
}

/// The directory of a queue's waiting tasks of one priority.
pub fn ready_priority(queue: &QueueName, priority: i64) -> Dir {
    let queue = TimedDir::queue(queue).dir;
    PriorityPlace::of(priority).names().iter().fold(queue, |dir, name| dir.child(name))
}

/// Where in a directory of one priority the tasks begin that were enqueued at this time or later.
pub fn first_path_from(priority: &Dir, created_at: Timestamp) -> Path {
    bucket_of(priority.clone(), created_at).file(Time(created_at).to_string())
}

/// The directory of the tasks that are due in one span of 8 ms.
pub fn scheduled_bucket(due: Timestamp) -> Dir {
    bucket_of(TimedDir::scheduled().dir, due)
}

fn bucket_of(dir: Dir, at: Timestamp) -> Dir {
    time_index::bucket_names(at).fold(dir, |dir, name| dir.child(&name))
}

/// A directory on the way from `ready/` or `scheduled/` to a time bucket, and what its path says about the entries
/// below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedDir {
    /// The directory.
    pub dir: Dir,
    /// The queue that it belongs to, below `ready/`.
    pub queue: Option<QueueName>,
    level: Level,
}

/// How far down a timed directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// A queue: priorities come next.
    Queue,
    /// A part of a queue's priorities, so many bits of which are still open.
    Priorities { bits_open: u32 },
    /// A span of time: all of it at `scheduled/` or a priority's directory, a time bucket at the last.
    Times(Span),
}

impl TimedDir {
    /// `ready/`, whose children are queues.
    pub fn ready() -> Dir {
        Dir::root().child("ready")
    }

    /// The directory of one queue.
    pub fn queue(queue: &QueueName) -> TimedDir {
        let dir = TimedDir::ready().child(queue.as_str());
        TimedDir { dir, queue: Some(queue.clone()), level: Level::Queue }
    }

    /// `scheduled/`.
    pub fn scheduled() -> TimedDir {
        let level = Level::Times(Span::ALL);
        TimedDir { dir: Dir::root().child("scheduled"), queue: None, level }
    }

    /// What a directory's path says; `None`: it is not sorted by time.
    pub fn at(dir: &Dir) -> Option<TimedDir> {
        let mut names = dir.as_str().split('/');
        let top = match names.next()? {
            "ready" => TimedDir::queue(&names.next()?.parse().ok()?),
            "scheduled" => TimedDir::scheduled(),
            _ => return None,
        };
        names.try_fold(top, |above, name| above.child(name))
    }

    /// The queue whose waiting tasks stand in this directory; `None`: it is in another state directory.
    pub fn queue_of(dir: &Dir) -> Option<QueueName> {
        let below = dir.as_str().strip_prefix(TimedDir::ready().as_str())?.strip_prefix('/')?;
        below.split('/').next()?.parse().ok()
    }

    /// True if the entries are of one of these queues.
    pub fn is_of(&self, queues: &[QueueName]) -> bool {
        self.queue.as_ref().is_some_and(|queue| queues.contains(queue))
    }

    /// True if the directory holds entries, not directories.
    pub fn is_bucket(&self) -> bool {
        matches!(self.level, Level::Times(span) if span.is_bucket())
    }

    /// A child directory of this one; `None`: a foreign name, or this is a time bucket.
    pub fn child(&self, name: &str) -> Option<TimedDir> {
        let level = match self.level {
            Level::Queue => Level::below_priorities(PriorityPlace::bits_open_below(name)?),
            Level::Priorities { bits_open } => {
                let digit = PriorityPlace::next_digit(bits_open);
                digit.parse(name)?;
                Level::below_priorities(bits_open - digit.bits)
            }
            Level::Times(span) => Level::Times(span.child(name)?),
        };
        Some(TimedDir { dir: self.dir.child(name), queue: self.queue.clone(), level })
    }

    /// The beginning of the span of time that the tasks below here are of; `None`: no beginning.
    pub fn begins_at(&self) -> Option<Timestamp> {
        self.span()?.begins_at()
    }

    /// The end of the span of time that the tasks below here are of; `None`: no end, or far away.
    pub fn filled_until(&self) -> Option<Timestamp> {
        self.span()?.ends_at()
    }

    fn span(&self) -> Option<Span> {
        match self.level {
            Level::Times(span) => Some(span),
            Level::Queue | Level::Priorities { .. } => None,
        }
    }
}

impl Level {
    fn below_priorities(bits_open: u32) -> Level {
        if bits_open > 0 { Level::Priorities { bits_open } } else { Level::Times(Span::ALL) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    #[test]
    fn a_priorities_names_read_back_down_to_the_times() {
        for priority in
            [i64::MAX, 1 << 40, 60_000, 1_000, 128, 127, 5, 0, -7, -127, -128, -60_000, i64::MIN + 1, i64::MIN]
        {
            let mut timed = TimedDir::queue(&QueueName::default_queue());
            for name in PriorityPlace::of(priority).names() {
                assert!(!matches!(timed.level, Level::Times(_)), "{priority}");
                timed = timed.child(&name).unwrap();
            }
            assert_eq!(timed.level, Level::Times(Span::ALL), "{priority}");
        }
        let queue = TimedDir::queue(&QueueName::default_queue());
        for bad in ["", "0", "0b", "170", "1ff", "0B7", "+b7", "00b7"] {
            assert_eq!(queue.child(bad), None, "{bad}");
        }
    }

    #[test]
    fn buckets_sort_by_time_and_say_when_they_are_full() {
        let queue = QueueName::default_queue();
        let mut last = String::new();
        for micros in [0, 8_191, 8_192, 1 << 20, 1_795_336_200_000_001, crate::limits::TIME_MICROS] {
            let at = Timestamp::from_micros(micros);
            let bucket = ready_bucket(&queue, 0, at);
            assert!(bucket.as_str() >= last.as_str());
            last = bucket.as_str().to_string();
            let timed = TimedDir::at(&bucket).unwrap();
            assert!(timed.is_bucket());
            assert_eq!(timed.dir, bucket);
            assert_eq!(timed.filled_until(), Some(Timestamp::from_micros((micros / 8_192 + 1) * 8_192)));
        }
    }
}
