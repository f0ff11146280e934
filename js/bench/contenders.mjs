// What is compared, behind one interface: `fill` makes a backlog without syncing, `open` lets one process work on it.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openQueue } from '@muse/coord';
import { SqliteQueue, SYNCING } from './sqlite.mjs';

/** By name. The comparison is always of one of `@muse/coord` with one of the others. */
export const CONTENDERS = {
  'coord': coord({ sync: true }),
  'coord-unsynced': coord({ sync: false }),
  'native-unsynced': native(coord({ sync: false })),
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

/** What comes of one: a JSON object of about 200 bytes, the same as `coord-bench` has. */
export function result(number) {
  const summary =
    'the page says what the links say, but for two numbers, which were checked against the tables and are right';
  return { pull_request: number, summary, tokens: 1_000 + number % 997 };
}

/**
 * The same queue on the same files, natively: its agents are those of `coord-bench`, in Rust. They begin at a line of
 * their
 * input, and tell how many tasks they completed.
 */
function native({ fill, open }) {
  const command = (program, directory, runId, withResult) => {
    const queue = join(directory, '.muse', 'coordination');
    const words = ['agent', '--contender=coord-unsynced', '--directory', queue, '--run-id', runId, '--work-micros=0'];
    return [program, withResult ? [...words, '--results'] : words];
  };
  return { fill, open, command };
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
