// The queue in a Node program, as the component muse-coord.wasm that jco has translated to JavaScript and WebAssembly.
//
//     node host.mjs DIR RUN_ID enqueue TITLE… | work [--sync off]
//
// `enqueue` adds tasks; `work` does them: it claims until there has been nothing for a second, and completes each. DIR
// is a .muse/coordination, which `muse coord` and other hosts may be working in as well. With `--sync off` nothing is
// synced, for queues that are thrown away.
//
// It shows that the component runs there, and is a smoke test: no sandbox, and slow. What stands behind the component's
// imports is jco's preview2-shim, which is JavaScript:
// - It keeps paths, not directories. Each call looks at every part of a path for symbolic links, and then uses the
//   path; who exchanges a directory for a link in between leads it out of DIR. Run it only where whoever can write to
//   DIR is trusted. If DIR is moved while the program runs, the program goes on at the old place.
// - Left alone it grants the whole file system, the environment and the network: hence `sandbox` below.
// - Opening, reading, writing and syncing are done by another thread and waited for. A call blocks this thread, and a
//   claim that waits does so for as long as it waits: put it in a worker.
// - Its clock tells milliseconds: of tasks that are enqueued in the same one, any may be claimed first.
// - It refuses to open a directory for changes (`mutate-directory`), and cannot list, look at or sync one that is
//   granted, only one that is opened in it. The component knows, and opens it once more.
// - It appends by writing at what was the end before. The queue never appends.
// Links, renames and exclusive creation are the system's own, so that one winner is one winner here, too, beside every
// other host. What is synced is synced, directories included; on Windows they are not.
import { WASIShim } from '@bytecodealliance/preview2-shim/instantiation';
import { readFile } from 'node:fs/promises';
import { instantiate } from './generated/muse-coord.js';

const USAGE = 'usage: node host.mjs DIR RUN_ID enqueue TITLE… | work [--sync off]';

/** The component at work in one directory, which must exist: its exports, `queue` and `admin`. */
async function open(directory) {
  const grants = { preopens: { coordination: directory }, env: {}, args: [], enableNetwork: false };
  const module = async (name) => WebAssembly.compile(await readFile(new URL(`generated/${name}`, import.meta.url)));
  return instantiate(module, new WASIShim({ sandbox: grants }).getImportObject());
}

function enqueue({ queue }, runId, titles) {
  for (const title of titles) {
    console.log(queue.enqueue({ title, priority: 0n, runId, tags: [], after: [] }).task.taskId);
  }
}

function work({ queue }, runId) {
  const any = { queues: [], tags: [], anyTags: [], excludeTags: [] };
  for (let lease; (lease = queue.claim({ ...any, runId, waitSeconds: 1 })); ) {
    const { taskId, title } = lease.task();
    // A real host does the task here, with a heartbeat now and then.
    lease.complete(JSON.stringify({ host: 'node' }));
    lease[Symbol.dispose ?? Symbol.for('dispose')]();
    console.log(taskId, printable(title));
  }
}

/** What others wrote, without what would steer a terminal or not be seen. */
function printable(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu, '');
}

async function main([directory, runId, command, ...rest]) {
  const unsynced = rest.join(' ') === '--sync off';
  if (command === 'enqueue') {
    enqueue(await open(directory), runId, rest);
  } else if (command === 'work' && (unsynced || rest.length === 0)) {
    const library = await open(directory);
    if (unsynced) library.admin.setDurability('unsynced');
    work(library, runId);
  } else {
    throw new Error(USAGE);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // What the queue refuses is thrown with a case of `error` in wit/types.wit as its payload: `{ tag, val }`.
  console.error(`error: ${error.payload ? JSON.stringify(error.payload, stringified) : error.message}`);
  process.exitCode = 1;
}

/** Times are `bigint`, which JSON does not have. */
function stringified(_, value) {
  return typeof value === 'bigint' ? String(value) : value;
}
