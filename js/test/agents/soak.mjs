// An agent of the soak: `soak.mjs ROOT`, or `soak.mjs ADDRESS` on a server. Does what each line of standard input asks,
// and answers it by a line, both in the JSON of `tests/src/soak/history.rs`. What it is to do is decided, noted and
// checked there; here it is done, by the public API alone.
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { CoordError, openQueue, postgres } from '@muse/coord';

/** What the contract foresees to be told instead. */
const REFUSALS = [
  'not_found',
  'not_claimed',
  'wrong_owner',
  'lease_lost',
  'already_terminal',
  'not_terminal',
  'key_taken',
];

/** What an engine answers that is gone: the operation may have taken effect. */
const UNANSWERED = ['io_error', 'unknown'];

const [place] = process.argv.slice(2);
const isOnServer = place.startsWith('postgres:');
const queue = isOnServer ? await reached(place) : await openQueue({ root: place });

/** The queue on a server, which may be on its way up again: that takes a minute at most. */
async function reached(address) {
  const until = performance.now() + 60_000;
  const [{ default: pg }, { serverOf }] = await Promise.all([import('pg'), import('./server.mjs')]);
  const { client, schema } = serverOf(address);
  const pool = new pg.Pool({ ...client, max: 2, connectionTimeoutMillis: 5_000, query_timeout: 10_000 });
  // A connection that nobody uses was lost.
  pool.on('error', () => {});
  for (;;) {
    try {
      return await openQueue({ store: postgres(pool, { schema }) });
    } catch (error) {
      if (!UNANSWERED.includes(error.code) || performance.now() > until) throw error;
      await sleep(50);
    }
  }
}

/** The leases that this process was given: each by its nonce, and the last one of a task by the task's id. */
const leases = new Map();

const OPERATIONS = {
  async Enqueue({ label, queue: name, priority, key }, runId) {
    const task = { title: 'soak', runId, queue: name, priority, payload: label };
    const { taskId, deduplicated } = await queue.enqueue(key === null ? task : { ...task, unique: key });
    return deduplicated ? { Deduplicated: { task: taskId } } : { Enqueued: { task: taskId } };
  },

  async Claim({ queue: name, lease_seconds: leaseSeconds, wait_seconds: wait }, runId) {
    const lease = await queue.claim({ runId, queue: name ?? undefined, leaseSeconds, wait });
    if (lease === undefined) return 'Empty';
    const { taskId, payload } = lease.task;
    leases.set(taskId, lease).set(lease.record.claimNonce, lease);
    return { Claimed: { task: taskId, label: payload, lease: leaseOf(lease.record) } };
  },

  async Heartbeat({ task, nonce }) {
    return { Kept: leaseOf(await leases.get(nonce ?? task).heartbeat()) };
  },

  async Settle({ task, verdict, report, nonce }) {
    const lease = leases.get(nonce ?? task);
    const { generation } = await (verdict === 'Complete' ? lease.complete(JSON.parse(report)) : lease.fail(report));
    return { Ended: { generation } };
  },

  async Release({ task, nonce }) {
    const lease = leases.get(nonce ?? task);
    await lease.release();
    return { Released: { generation: lease.generation } };
  },

  async Cancel({ task, force }, runId) {
    const { generation } = await queue.cancel(task, { runId, force });
    return { Ended: { generation } };
  },

  async Retry({ task }) {
    await queue.retry(task);
    return 'PutBack';
  },

  async Gc({ older_than_seconds: olderThanSeconds }) {
    await queue.gc({ olderThanSeconds });
    return 'Done';
  },

  async Limit({ queue: name, max }) {
    await queue.limit(name, max);
    return 'Done';
  },
};

/**
 * Dates tell milliseconds: somebody claimed at the latest within the one that is told, and keeps the task at the least
 * to it.
 */
function leaseOf({ generation, claimNonce, claimedAt, expiresAt }) {
  const [claimed, expires] = [claimedAt, expiresAt].map((date) => date.getTime() * 1000);
  return { generation, nonce: claimNonce, claimed_micros: claimed + 999, expires_micros: expires };
}

function refused(error) {
  if (isOnServer && error instanceof CoordError && UNANSWERED.includes(error.code)) return null;
  if (!(error instanceof CoordError && REFUSALS.includes(error.code))) {
    return { Broken: { what: error.stack ?? `${error}` } };
  }
  const { code, runId, generation } = error;
  const holder = runId === undefined ? null : { run_id: runId, generation: generation ?? null };
  return { Refused: { status: code, holder } };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { run_id: runId, op } = JSON.parse(line);
  const [[name, asked]] = Object.entries(op);
  const answer = await OPERATIONS[name](asked, runId).catch(refused);
  // By one call, and before anything else is done: a pipe keeps what was written before a SIGKILL.
  writeSync(1, `${JSON.stringify(answer)}\n`);
}
// Connections to a server would keep the process.
process.exit();
