// The contender: a queue in one table of SQLite by better-sqlite3, with the same promises as @muse/coord, as well as we
// know how to make it: one statement for each transition, prepared once, in WAL mode.
//
// It does what the queue does and no more: priority, then order of enqueuing; a pending TTL; a lease with a nonce that
// ends, and is then taken back within a second; a generation as the fencing token; one accepted end, refused to whoever
// lost the lease. Ids are row numbers, not hashes, and a completion is answered without being read back: both in
// SQLite's favour.
import Database from 'better-sqlite3';

/**
 * How transactions are synced. The queue syncs what it acknowledges for good, which a claim is not: so besides the
 * setting
 * that people use, `full`, there is one that switches it off for claims alone.
 */
export const SYNCING = {
  full: { claim: 'FULL', complete: 'FULL' },
  completions: { claim: 'NORMAL', complete: 'FULL' },
  off: { claim: 'OFF', complete: 'OFF' },
};

const SCHEMA = `
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
  -- Each holds only what is looked for in it, so neither grows with what has ended. A row's id comes last in every index.
  CREATE INDEX IF NOT EXISTS waiting ON tasks (priority DESC) WHERE state = 0;
  CREATE INDEX IF NOT EXISTS leases ON tasks (expires_at) WHERE state = 1;
`;

const CLAIM = `
  UPDATE tasks
  SET state = 1, generation = generation + 1, run_id = @runId, nonce = @nonce, claimed_at = @now, expires_at = @expiresAt
  WHERE id = (SELECT id FROM tasks WHERE state = 0 AND pending_until > @now ORDER BY priority DESC, id LIMIT 1)
  RETURNING id, generation, priority, queue, created_by, created_at, title, payload`;

const COMPLETE = `
  UPDATE tasks SET state = 2, ended_at = ?, result = ? WHERE id = ? AND state = 1 AND nonce = ?`;

const SWEEP = `UPDATE tasks SET state = 0, run_id = NULL WHERE state = 1 AND expires_at <= ?`;

const ENQUEUE = `
  INSERT INTO tasks (priority, queue, created_by, created_at, pending_until, title, payload) VALUES (?, ?, ?, ?, ?, ?, ?)`;

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SWEEP_EVERY = 1_000;

export class SqliteQueue {
  #database;
  #syncing;
  #now;
  #statements;
  #sweepAt = 0;

  constructor(file, syncing) {
    this.#database = new Database(file, { timeout: 60_000 });
    this.#database.pragma('journal_mode = WAL');
    this.#syncing = syncing;
    this.#sync(syncing.complete);
    this.#database.exec(SCHEMA);
    const prepared = (sql) => this.#database.prepare(sql);
    this.#statements = { claim: prepared(CLAIM), complete: prepared(COMPLETE), sweep: prepared(SWEEP) };
  }

  /** Not measured: one transaction for all. */
  enqueueMany(tasks) {
    const insert = this.#database.prepare(ENQUEUE);
    this.#database.transaction(() => {
      for (const { title, payload, priority = 0, queue = 'default', runId } of tasks) {
        const now = Date.now();
        insert.run(priority, queue, runId, now, now + DAY, title, JSON.stringify(payload));
      }
    })();
  }

  claim(runId) {
    const now = Date.now();
    const nonce = crypto.getRandomValues(new Int32Array(1))[0];
    this.#sync(this.#syncing.claim);
    if (now >= this.#sweepAt) this.#sweep(now);
    const row = this.#statements.claim.get({ runId, nonce, now, expiresAt: now + HOUR });
    return row && { ...row, nonce, payload: JSON.parse(row.payload) };
  }

  complete({ id, nonce }, result) {
    this.#sync(this.#syncing.complete);
    const text = result === undefined ? null : JSON.stringify(result);
    const { changes } = this.#statements.complete.run(Date.now(), text, id, nonce);
    if (changes !== 1) throw new Error(`task ${id} is another's by now`);
  }

  completed() {
    return this.#database.prepare('SELECT count(*) AS count FROM tasks WHERE state = 2').get().count;
  }

  close() {
    this.#database.close();
  }

  #sweep(now) {
    this.#sweepAt = now + SWEEP_EVERY;
    this.#statements.sweep.run(now);
  }

  /** Between two transactions a connection may change its mind. */
  #sync(level) {
    if (level === this.#now) return;
    this.#database.pragma(`synchronous = ${level}`);
    this.#now = level;
  }
}
