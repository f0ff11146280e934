// What is compared, behind one interface: `fill` makes a backlog without syncing, `open` lets one process work on it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openQueue } from '@muse/coord';
import { SqliteQueue, SYNCING } from './sqlite.mjs';

/** By name. The comparison is always of one of the first kind with one of the second. */
export const CONTENDERS = {
  'coord': coord({ sync: true }),
  'coord-unsynced': coord({ sync: false }),
  'sqlite': sqlite(SYNCING.full),
  'sqlite-completions-synced': sqlite(SYNCING.completions),
  'sqlite-unsynced': sqlite(SYNCING.off),
};

/** Tasks as agents have them. */
export function tasks(count) {
  const task = (n) => ({
    title: `Review page ${n}`,
    runId: 'planner',
    payload: { url: `https://example.org/pages/${n}`, depth: n % 5, note: 'look at the links first' },
  });
  return Array.from({ length: count }, (_, n) => task(n));
}

function coord({ sync }) {
  return {
    async fill(directory, tasks) {
      const queue = await openQueue({ root: made(directory), init: true, sync: false });
      await queue.enqueueMany(tasks);
    },

    async open(directory, runId) {
      const queue = await openQueue({ root: directory, sync });
      return {
        claim: () => queue.claim({ runId }),
        complete: (lease, result) => lease.complete(result),
        completed: async () => (await queue.stats()).counts.completed,
        close: () => {},
      };
    },
  };
}

function sqlite(syncing) {
  const file = (directory) => join(directory, 'queue.db');
  return {
    async fill(directory, tasks) {
      const queue = new SqliteQueue(file(made(directory)), SYNCING.off);
      queue.enqueueMany(tasks);
      queue.close();
    },

    async open(directory, runId) {
      const queue = new SqliteQueue(file(directory), syncing);
      return {
        claim: async () => queue.claim(runId),
        complete: async (lease, result) => queue.complete(lease, result),
        completed: async () => queue.completed(),
        close: () => queue.close(),
      };
    },
  };
}

function made(directory) {
  mkdirSync(directory, { recursive: true });
  return directory;
}
