// An orchestrator: enqueues a task for each file in a directory, waits until all have ended, and prints what came of
// them.
//
//     node orchestrator.mjs DIRECTORY
//     deno run --allow-read=.muse/coordination,DIRECTORY --allow-write=.muse/coordination orchestrator.mjs DIRECTORY
//
// Run it where `.muse` is. `worker.ts` does the tasks, in any number of processes, started before or after this one. It
// exits 1 if a task did not end in success. It waits for an hour at most; what nobody has claimed after ten minutes is
// not to be done any more.
import { readdir } from 'node:fs/promises';
import process from 'node:process';
import { openQueue } from '@muse/coord';

const directory = process.argv[2] ?? usage();
const queue = await openQueue();
const tasks = await queue.enqueueMany(
  (await filesIn(directory)).map((file) => ({
    title: `Count ${file}`,
    queue: 'files',
    ttlSeconds: 600,
    runId: `orchestrator-${process.pid}`,
    payload: { file },
  })),
);
const { items } = await queue.wait(tasks.map(({ taskId }) => taskId), { timeoutSeconds: 3600 });
print(items);
process.exitCode = items.every((item) => item?.status === 'completed') ? 0 : 1;

function usage() {
  console.error('usage: orchestrator.mjs DIRECTORY');
  process.exit(2);
}

async function filesIn(path) {
  const entries = await readdir(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name).sort();
}

function print(items) {
  // A task that somebody has removed since is not told of.
  const rows = items.filter((item) => item !== undefined).map(({ status, payload, result, error }) => [
    status,
    payload.file,
    ...(result ? [result.lines, result.words, result.sha256] : ['', '', error ?? '']),
  ]);
  const table = [['STATUS', 'FILE', 'LINES', 'WORDS', 'SHA-256, OR WHY NOT'], ...rows].map((row) => row.map(printable));
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
}

/** What others wrote, without what would steer a terminal. */
function printable(value) {
  return `${value}`.replace(/[\p{Cc}\p{Cf}]/gu, '');
}
