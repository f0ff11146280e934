//! Every limit of the queue, each with its reason. No other module holds a number that a user can meet.

/// Longest title, in characters after trimming. A longer one is cut and the cut is reported.
pub const TITLE_CHARS: usize = 512;

/// Longest queue name, in bytes (all of them ASCII). It is a directory name on every filesystem.
pub const QUEUE_BYTES: usize = 64;

/// Longest run id, in characters.
pub const RUN_ID_CHARS: usize = 256;

/// Most tags on one task.
pub const TAGS: usize = 32;

/// Longest tag, in characters. A longer one is cut and the cut is reported.
pub const TAG_CHARS: usize = 64;

/// Largest payload or result, in bytes of JSON text as given.
pub const JSON_BYTES: usize = 65_536;

/// Deepest nesting of a payload or result. `serde_json` and others read 127 levels, and in the answer of `tasks` three
/// more are around it.
pub const JSON_DEPTH: usize = 124;

/// Longest error message of a failed task, in characters.
pub const ERROR_CHARS: usize = 4_096;

/// Shortest and longest lease, in seconds.
pub const CLAIM_TTL_SECONDS: core::ops::RangeInclusive<i64> = 1..=86_400;

/// The default lease of `claim`, in seconds.
pub const CLAIM_TTL_SECONDS_DEFAULT: i64 = 3_600;

/// Shortest and longest time that a task may wait to be claimed, in seconds (ten years).
pub const PENDING_TTL_SECONDS: core::ops::RangeInclusive<i64> = 1..=315_360_000;

/// How long a task may wait to be claimed by default, in seconds.
pub const PENDING_TTL_SECONDS_DEFAULT: i64 = 86_400;

/// How long `claim` may wait for a task, in seconds.
pub const WAIT_SECONDS: core::ops::RangeInclusive<i64> = 0..=3_600;

/// How long an agent that waits for a task sleeps before it looks whether anything has changed, which costs a handful
/// of system calls: under 1 % of a core while idle, and awake within 50 ms.
pub const LOOK_EVERY: core::time::Duration = core::time::Duration::from_millis(25);

/// The same for an agent that waits for tasks to end. A look costs a call for each shard that the tasks stand in.
pub const LOOK_FOR_ENDS_EVERY: core::time::Duration = core::time::Duration::from_millis(35);

/// The same for both on an engine that does not tell of changes. A look there costs a trip, and work of the engine.
pub const LOOK_EVERY_ON_ENGINE: core::time::Duration = core::time::Duration::from_millis(250);

/// How long a waiting agent sleeps if the system wakes it when a file appears: until the next sweep. That look finds
/// only changes that time makes and nobody announces, such as expired leases.
pub const LOOK_EVERY_WHEN_TOLD: core::time::Duration = core::time::Duration::from_micros(*SWEEP_MICROS.start());

/// How many items a listing may have.
pub const LIST_ITEMS: core::ops::RangeInclusive<i64> = 1..=10_000;

/// How many items a listing has by default.
pub const LIST_ITEMS_DEFAULT: i64 = 200;

/// How many attempts a task may be given.
pub const MAX_ATTEMPTS: core::ops::RangeInclusive<i64> = 1..=1_000;

/// Shortest and longest time between two attempts at a task, in seconds (30 days).
pub const BACKOFF_SECONDS: core::ops::RangeInclusive<i64> = 0..=2_592_000;

/// The default time after the first failed attempt, in seconds; it doubles with each attempt.
pub const BACKOFF_SECONDS_DEFAULT: i64 = 1;

/// The default longest time between two attempts, in seconds, unless the first is longer.
pub const BACKOFF_MAX_SECONDS_DEFAULT: i64 = 300;

/// How far in the future a task may be scheduled, in seconds (ten years).
pub const DELAY_SECONDS: core::ops::RangeInclusive<i64> = 0..=315_360_000;

/// How many tasks one task may wait for.
pub const PARENTS: usize = 1_000;

/// Longest unique key, in characters.
pub const UNIQUE_CHARS: usize = 256;

/// Longest reason for cancelling a task and longest note on its progress, in characters.
pub const NOTE_CHARS: usize = 4_096;

/// How many tasks one call may enqueue or claim.
pub const BATCH: usize = 100_000;

/// How many bytes of text one call may enqueue: all of it is checked, and so held in memory, before any is written. A
/// sandbox of 32 bits has 4 GiB.
pub const BATCH_BYTES: usize = 268_435_456;

/// How many tasks of a batch are written before they are linked, and synced, together: they count as enqueued within 16
/// ms, about as long as writing them takes.
pub const BATCH_STEP: usize = 256;

/// How many microseconds apart the tasks of one call count as enqueued: 128 of them come to one time bucket of
/// `ready/`.
pub const BATCH_MICROS_APART: u64 = 64;

/// A sweep stops looking for blocked tasks whose parent has ended after this many names: a millisecond in the sandbox.
/// It begins with another of the 256 shards each second.
pub const BLOCKED_NAMES_PER_SWEEP: usize = 500;

/// The most that an operation does for other agents.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// How many tasks it moves and directories it reads.
    pub steps: u64,
    /// For how long, in microseconds; `None`: as long as the steps take.
    pub micros: Option<u64>,
}

/// The work of a claim before it takes a task, for each of these: expired leases, scheduled tasks that are due, expired
/// tasks that others wait for, blocked tasks whose parent has ended. A claim makes up to 64 tasks claimable for the one
/// that it takes.
pub const BEFORE_A_CLAIM: Allowance = Allowance { steps: 64, micros: Some(5_000) };

/// The same for a claim that has found nothing, before it says so.
pub const BEFORE_EMPTY: Allowance = Allowance { steps: 10_000, micros: Some(250_000) };

/// The same for a sweep on demand.
pub const ON_DEMAND: Allowance = Allowance { steps: u64::MAX, micros: None };

/// How many waiting tasks the agent that ends their parent moves.
pub const WOKEN_PER_END: u64 = 10_000;

/// As how many steps a task counts that ends, with a report that is flushed.
pub const STEPS_PER_END: u64 = 16;

/// How many of a unique key's last numbers stay. One would do if a listing were one step on every medium: an agent that
/// makes a file of a number that was removed long ago must see, in its next listing, a higher one that stands still
/// meanwhile.
pub const KEY_NUMBERS_KEPT: u64 = 8;

/// Largest record that is read, in bytes, and largest file of any other kind. A record, which is the first line of a
/// task's file, holds one payload (kept as given, so at most `JSON_BYTES`) and texts whose characters take up to twelve
/// bytes when JSON escapes them. A report holds one result or error message, and is a further line
/// ([`LINE_OF_FILE_BYTES`]), or a file.
pub const RECORD_BYTES: usize = 262_144;

/// How many bytes a task's file holds at most, its record and all that was reported of it. The reports on all attempts
/// that a task may have do, unless they are of a great length.
pub const FILE_BYTES: usize = 16 * RECORD_BYTES;

/// How many bytes of a task's file are read: agents that add to it at the same time may each come past the bound.
pub const FILE_BYTES_READ: usize = FILE_BYTES + 8 * LINE_OF_FILE_BYTES;

/// The same as [`FILE_BYTES`] as long as the task has not ended, so that there is room for the report that ends it.
pub const FILE_BYTES_BEFORE_THE_END: usize = FILE_BYTES / 4 * 3;

/// The same for a result that came too late.
pub const FILE_BYTES_LATE: usize = FILE_BYTES / 2;

/// Longest line of a task's file behind the first, in bytes.
pub const LINE_OF_FILE_BYTES: usize = RECORD_BYTES;

/// How many bytes of one task an export writes at most: its record, and as many of the latest reports on it as fit.
pub const EXPORT_BYTES: usize = FILE_BYTES;

/// Longest line that an import reads, in bytes: what an export writes of one task, each byte as the six that JSON may
/// escape it by.
pub const LINE_BYTES: usize = 6 * EXPORT_BYTES;

/// How many bytes of lines an import holds whose tasks wait for others that may come later in the same input.
pub const DEFERRED_BYTES: usize = 2 * LINE_BYTES;

/// How many results that came too late each claim of a task answers, the newest.
pub const LATE_RESULTS: usize = 4;

/// How many of them a task's file takes: nothing is removed from it.
pub const LATE_RESULTS_KEPT: usize = 4 * LATE_RESULTS;

/// How many bytes a claim's answer has at least, whatever `--max-bytes` says: what its holder cannot do without.
pub const CLAIM_BYTES_LEAST: usize = 2_048;

/// How many warnings an answer about many tasks has.
pub const WARNINGS: usize = 1_000;

/// How many bytes of an answer are held in memory if they cannot be printed at once.
pub const HELD_BYTES: usize = 67_108_864;

/// Longest name of a directory entry, in bytes: what ext4, XFS, btrfs, APFS and NTFS have in common.
pub const NAME_BYTES: usize = 255;

/// Room in a name for a task's tags. Longer ones stand as a digest of 56 bits.
pub const TAGS_BYTES: usize = 15;

/// Room in the name of a claimed task for its queue. A longer one stands as a digest of 52 bits.
pub const QUEUE_LABEL_BYTES: usize = 14;

/// Room in a name for the priority's digits and the holder together; `entry` shows the sum.
pub const PRIORITY_AND_HOLDER_BYTES: usize = 41;

/// Largest version of a task: it has seven hexadecimal digits in a name.
pub const VERSION: u32 = 0xfff_ffff;

/// Largest generation and attempt of a task: they have six hexadecimal digits in a name.
pub const GENERATION: u32 = 0xff_ffff;

/// Latest time that a name can say, in microseconds since 1970: thirteen hexadecimal digits, the year 2112.
pub const TIME_MICROS: u64 = (1 << 52) - 1;

/// Highest version that a doctor believes: half of the maximum. With the other half the task can go on for as long
/// again.
pub const VERSION_CREDIBLE: u32 = VERSION / 2;

/// The same for its generation, and its attempt.
pub const GENERATION_CREDIBLE: u32 = GENERATION / 2;

/// How often one operation tries again after it lost a race, before it gives up with `Error::Contended`. Each loss
/// means that another agent got something done, so only a storm on one single task can reach it.
pub const RACES: usize = 1_000;

/// Longest first line that comes with the name of its file, in bytes, from a medium with fused operations. A longer one
/// is read when it is asked for.
pub const LINE_BYTES_SEEN: usize = 8_192;

/// How many entries a claim reads at the head of the queue in one trip.
pub const HEAD_ENTRIES: usize = 16;

/// How many it reads after others were faster with all that it tried. It begins at any of the first half of them, for
/// agents that begin at different places leave each other alone.
pub const HEAD_ENTRIES_IN_A_CROWD: usize = 64;

/// How many of them it tries in one trip, of which it gets one.
pub const CANDIDATES: usize = 8;

/// How many shards of `blocked/` a sweep reads in one trip.
pub const SHARDS_PER_TRIP: usize = 8;

/// How many entries a walk through `ready/` or `scheduled/` reads in one trip, after the first, and how many names that
/// are due a sweep reads.
pub const ENTRIES_PER_TRIP: usize = 256;

/// Whoever reads the records of many tasks reads so many in one trip. They are at most 16 MiB.
pub const RECORDS_PER_TRIP: usize = 64;

/// Shortest and longest time between two sweeps of the claimed tasks, in microseconds.
pub const SWEEP_MICROS: core::ops::RangeInclusive<u64> = 1_000_000..=60_000_000;

/// A sweep that is to come so much earlier or later than was said before it began is left where it is, in microseconds.
pub const SWEEP_SLACK_MICROS: u64 = 100_000;

/// Each claimed task that a sweep read delays the next sweep by this time, in microseconds. Reading a name takes 1 to 5
/// µs, so sweeping costs at most a twentieth of one core however many leases there are.
pub const SWEEP_MICROS_PER_LEASE: u64 = 100;

/// The pause after a sweep that left nothing due, as a multiple of the sweep's own time.
pub const SWEEP_PAUSE: u64 = 20;

/// The same after a sweep that moved tasks and left some: a fifth of one core works for them.
pub const SWEEP_PAUSE_IF_DUE: u64 = 4;

/// Shortest time until the next sweep after one that left something, in microseconds.
pub const SWEEP_MICROS_IF_DUE: u64 = 20_000;

/// How long an empty directory of `ready/` must have been out of use before it is removed, in microseconds, so
/// that enqueuers whose clocks differ a little do not see it vanish under them at once.
pub const EMPTY_DIR_MICROS: u64 = 10_000_000;

/// How long an empty directory whose time span is past must have been unchanged before it is removed, in microseconds.
/// An enqueuer makes it, syncs, and links into it. Until it is removed every claim looks into it. If a queue is emptied
/// as fast as it is filled, that is one directory per task of this period.
pub const EMPTY_BUCKET_MICROS: u64 = 250_000;

/// Two changes of a directory this close together may leave the same stamp, in microseconds. Linux stamps with its
/// scheduler's tick, 1 to 10 ms.
pub const STAMP_GRAIN_MICROS: u64 = 20_000;

/// How many races a claim loses for names that were read before, until it reads `ready/` again.
pub const RACES_AMONG_LEFTOVERS: usize = 3;

/// How long the names that a claim has read at the head of the queue serve the next claims, in microseconds. With 1 ms
/// they would save most of the cost of reading, with 10 ms nearly all.
pub const HEAD_MICROS: u64 = 10_000;

/// The same on a medium with fused operations, where to read them takes a trip. Sixteen agents that a server lets claim
/// 2,000 tasks a second come to their next claim after 8 ms.
pub const HEAD_MICROS_OF_A_TRIP: u64 = 50_000;

/// How long a look at the head passes over what is below its watermarks, in microseconds, on a medium with fused
/// operations. Only what comes back there waits for so long: a task that another agent released, for example.
pub const WATERMARK_MICROS: u64 = 1_000_000;

/// How far behind the clock a watermark stays, in microseconds: a task is named by its enqueuer's clock, and comes to
/// its place a little later. A queue that 2,000 tasks a second leave has 500 names in that time.
pub const BEHIND_THE_CLOCK_MICROS: u64 = 250_000;

/// How many watermarks an open queue keeps. Each adds two ranges to a look.
pub const WATERMARKS: usize = 64;

/// How many directories, and how many leases, an open queue caches. A directory has about 130 names at most, so this is
/// a few megabytes at most.
pub const REMEMBERED: usize = 1_024;

/// How many things in the way an operation reports. It skips the others, too.
pub const PASSED_OVER: usize = 100;

/// How old a record without an entry must be before a doctor takes its enqueuer for dead, in microseconds. This only
/// avoids false alarms in a busy queue: a repair is safe even if the enqueuer is alive.
pub const ENQUEUE_MICROS: u64 = 60_000_000;

/// How long a doctor's filesystem test must have been unchanged before another doctor takes its owner for dead, in
/// microseconds. A live owner starts its test again.
pub const TRIAL_MICROS: u64 = 60_000_000;

/// How old an unfinished end must be before a sweep continues it, in microseconds. Its holder needs less time for a
/// flush.
pub const FLUSH_MICROS: u64 = 1_000_000;

/// How many start times, from the reports on a task, are looked at. The latest counts.
pub const TIMES_PUT_OFF_TO: usize = 16;

/// How far ahead of a doctor's clock a name may be before the doctor says so, in microseconds.
pub const CLOCK_AHEAD_MICROS: u64 = 60_000_000;

/// How far ahead of the clock the time of a past event may be, in microseconds: a day, more than a wrong time zone
/// makes. A doctor reports later times as a defect, and an import refuses them.
pub const AHEAD_MICROS: u64 = 86_400_000_000;

const _: () = assert!(JSON_BYTES * 2 < RECORD_BYTES);
const _: () = assert!(ERROR_CHARS * 12 + TITLE_CHARS * 12 < RECORD_BYTES);
const _: () = assert!(
    TITLE_CHARS * 12 + (RUN_ID_CHARS + UNIQUE_CHARS) * 12 + TAGS * TAG_CHARS * 12 + JSON_BYTES + PARENTS * 75
        < RECORD_BYTES
);
