//! A queue in one table of SQLite with the same promises, as well as we know how to make it: one statement for each
//! transition, prepared once, in WAL mode, over one index that holds only what has not ended.
//!
//! It does what the queue does and no more: priority, then order of enqueuing; a pending TTL; a lease with a nonce,
//! which is taken back within a second when it ends; a generation as the fencing token; one accepted end, refused to
//! whoever lost the lease. Ids are row numbers, not hashes, which is in its favour.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use coord_core::Timestamp;
use muse_cli::host;
use rusqlite::{Connection, OptionalExtension, params};

use super::Agent;
use crate::task;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS tasks (
        id INTEGER PRIMARY KEY,
        state INTEGER NOT NULL DEFAULT 0, -- 0 waits, 1 is held, 2 completed
        priority INTEGER NOT NULL,
        queue TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        pending_until INTEGER NOT NULL,
        title TEXT NOT NULL,
        payload TEXT NOT NULL,
        generation INTEGER NOT NULL DEFAULT 0,
        run_id TEXT,
        nonce INTEGER,
        claimed_at INTEGER,
        expires_at INTEGER,
        ended_at INTEGER,
        result TEXT
    );
    -- One index to find the next task and the leases by: a claim moves its row within it, a completion takes it out. What has ended is
    -- not in it, and a query that is to use it has to say so word for word. A row's id comes last in every index, and the time to wait is there so that whoever looks for the next reads nothing else.
    CREATE INDEX IF NOT EXISTS live ON tasks (state, priority DESC, id, pending_until) WHERE state < 2;
";

const ENQUEUE: &str = "
    INSERT INTO tasks (priority, queue, created_by, created_at, pending_until, title, payload) VALUES (0, 'default', ?, ?, ?, ?, ?)";

const CLAIM: &str = "
    UPDATE tasks
    SET state = 1, generation = generation + 1, run_id = ?1, nonce = ?2, claimed_at = ?3, expires_at = ?4
    WHERE id = (
        SELECT id FROM tasks WHERE state < 2 AND state = 0 AND pending_until > ?3 ORDER BY priority DESC, id LIMIT 1
    )
    RETURNING id, generation, priority, queue, created_by, created_at, title, payload";

const COMPLETE: &str = "UPDATE tasks SET state = 2, ended_at = ?, result = ? WHERE id = ? AND state = 1 AND nonce = ?";

const SWEEP: &str = "UPDATE tasks SET state = 0, run_id = NULL WHERE state < 2 AND state = 1 AND expires_at <= ?";

const SECOND: i64 = 1_000_000;

/// How it is tuned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// `synchronous` while claiming.
    pub(super) claim: &'static str,
    /// `synchronous` otherwise.
    pub(super) complete: &'static str,
    pub(super) waiting: Waiting,
}

/// How one waits for the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// By `busy_timeout`: 1 ms, 2 ms, and longer and longer, up to 100 ms.
    Timeout,
    /// By asking again after 100 µs, 200 µs, and so on up to 5 ms: sooner, and not so often that who has the lock gets
    /// no processor.
    Loop,
}

/// An agent with a connection of its own.
pub(super) struct Sqlite {
    database: Connection,
    setting: Setting,
    synchronous: &'static str,
    run_id: String,
    sweep_at: i64,
    held: Option<(i64, i64)>,
}

impl Sqlite {
    pub(super) fn open(directory: &Path, setting: Setting, run_id: &str) -> Result<Sqlite> {
        let mut database = connect(directory)?;
        if setting.waiting == Waiting::Loop {
            database.busy_handler(Some(|times: i32| {
                let steps = u64::from(times.unsigned_abs()).min(49) + 1;
                thread::sleep(Duration::from_micros(steps * 100));
                true
            }))?;
        }
        let mut this =
            Sqlite { database, setting, synchronous: "", run_id: run_id.to_owned(), sweep_at: 0, held: None };
        this.synchronous(setting.complete)?;
        Ok(this)
    }

    /// Between two transactions a connection may change its mind.
    fn synchronous(&mut self, level: &'static str) -> Result<()> {
        if self.synchronous != level {
            self.database.pragma_update(None, "synchronous", level)?;
            self.synchronous = level;
        }
        Ok(())
    }

    fn sweep(&mut self, now: i64) -> Result<()> {
        if now >= self.sweep_at {
            self.sweep_at = now + SECOND;
            self.database.prepare_cached(SWEEP)?.execute([now])?;
        }
        Ok(())
    }
}

impl Agent for Sqlite {
    fn enqueue(&mut self, number: u64) -> Result<()> {
        self.synchronous(self.setting.complete)?;
        insert(&self.database, number)
    }

    fn claim(&mut self) -> Result<bool> {
        let now = micros(host::now());
        self.synchronous(self.setting.claim)?;
        self.sweep(now)?;
        let nonce = task::turn()?.nonce().bits().cast_signed();
        let lease = task::LEASE_SECONDS * SECOND;
        let mut claim = self.database.prepare_cached(CLAIM)?;
        let row = claim.query_row(params![self.run_id, nonce, now, now + lease], |row| {
            // Whoever claims a task reads all of it.
            let _task: (String, String) = (row.get("title")?, row.get("payload")?);
            row.get("id")
        });
        self.held = row.optional()?.map(|id| (id, nonce));
        Ok(self.held.is_some())
    }

    fn complete(&mut self) -> Result<()> {
        self.end(None)
    }

    fn complete_with(&mut self, result: &str) -> Result<()> {
        self.end(Some(result))
    }
}

impl Sqlite {
    fn end(&mut self, result: Option<&str>) -> Result<()> {
        let (id, nonce) = self.held.take().context("nothing is claimed")?;
        self.synchronous(self.setting.complete)?;
        let changed =
            self.database.prepare_cached(COMPLETE)?.execute(params![micros(host::now()), result, id, nonce])?;
        ensure!(changed == 1, "task {id} is another's by now");
        Ok(())
    }
}

/// All in one transaction, which is synced.
pub(crate) fn fill_durably(directory: &Path, count: u64) -> Result<()> {
    let database = connect(directory)?;
    database.pragma_update(None, "synchronous", "FULL")?;
    insert_all(&database, count)
}

fn insert_all(database: &Connection, count: u64) -> Result<()> {
    let all = database.unchecked_transaction()?;
    (0..count).try_for_each(|number| insert(database, number))?;
    Ok(all.commit()?)
}

/// All in one transaction.
pub(super) fn fill(directory: &Path, count: u64) -> Result<()> {
    let database = connect(directory)?;
    insert_all(&database, count)?;
    // The log is emptied before anything is measured.
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

pub(super) fn ended(directory: &Path) -> Result<u64> {
    let (left, ended) = counts(directory)?;
    ensure!(left == 0, "{left} tasks are left");
    Ok(ended)
}

pub(super) fn counts(directory: &Path) -> Result<(u64, u64)> {
    let database = connect(directory)?;
    let count = |states: &str| -> Result<u64> {
        let statement = format!("SELECT count(*) FROM tasks WHERE state {states}");
        let count: i64 = database.query_row(&statement, [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    };
    Ok((count("< 2")?, count("= 2")?))
}

fn connect(directory: &Path) -> Result<Connection> {
    std::fs::create_dir_all(directory)?;
    let database = Connection::open(directory.join("queue.db"))?;
    database.busy_timeout(Duration::from_mins(5))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "cache_size", -65_536)?;
    database.pragma_update(None, "mmap_size", 1 << 30)?;
    database.pragma_update(None, "temp_store", "MEMORY")?;
    // Four times the default: with `NORMAL` only checkpoints are synced, and a cycle took half the time.
    database.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    database.execute_batch(SCHEMA)?;
    Ok(database)
}

fn insert(database: &Connection, number: u64) -> Result<()> {
    let now = micros(host::now());
    let (title, payload) = (task::title(number), task::payload(number));
    database.prepare_cached(ENQUEUE)?.execute(params!["planner", now, now + 86_400 * SECOND, title, payload])?;
    Ok(())
}

/// SQLite's integers have a sign.
fn micros(time: Timestamp) -> i64 {
    time.micros().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::{CLAIM, SWEEP, connect};

    /// Else a claim would read the whole table, and not be what people who know SQLite would write.
    #[test]
    fn claims_and_sweeps_go_by_the_index() {
        let directory = tempfile::tempdir().unwrap();
        let database = connect(directory.path()).unwrap();
        for (statement, wanted) in [(CLAIM, "USING COVERING INDEX live"), (SWEEP, "USING INDEX live")] {
            let mut explained = database.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            // What is not bound is NULL.
            let steps =
                explained.raw_query().mapped(|row| row.get("detail")).collect::<Result<Vec<String>, _>>().unwrap();
            let told = steps.join("; ");
            assert!(told.contains(wanted) && !told.contains("TEMP B-TREE") && !told.contains("SCAN tasks"), "{told}");
        }
    }
}
