// A worker: counts the lines and words of the files that `orchestrator.mjs` has enqueued tasks for, four at a time.
//
//     deno run --allow-read=.muse/coordination,DIRECTORY --allow-write=.muse/coordination worker.ts DIRECTORY
//     node worker.ts DIRECTORY                        (Node 22.18 or later, which runs TypeScript as it is)
//
// Run it where `.muse` is. It goes on until Ctrl-C, which lets it finish what is at hand; a second one gives that back
// to other workers. If it is killed, another worker gets its tasks as soon as their leases run out.
import { readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import process from 'node:process';
import { openQueue, type Task } from '@muse/coord';

/** What `orchestrator.mjs` enqueues. Anybody who can write in the queue can enqueue something else. */
type Payload = { file: string };

type Result = { lines: number; words: number; sha256: string };

const directory = process.argv[2] ?? usage();
const queue = await openQueue();
const worker = queue.work<Payload, Result>(count, {
  runId: `worker-${process.pid}`,
  queue: 'files',
  concurrency: 4,
  stopOnSignals: true,
});
worker.on('completed', ({ task }) => console.log(`completed ${task.taskId}`));
worker.on('failed', ({ task }) => console.log(`failed ${task.taskId}`));
worker.on('cancelled', ({ task }) => console.log(`cancelled ${task.taskId}`));
worker.on('lost', ({ task }) => console.log(`lost ${task.taskId}`));
await worker.done;

function usage(): never {
  console.error('usage: worker.ts DIRECTORY');
  process.exit(2);
}

/**
 * Does one task. What this returns completes it; what this throws fails it, and is the reason that the orchestrator
 * reads.
 */
async function count(task: Task<Payload>): Promise<Result> {
  const bytes = new Uint8Array(await readFile(await allowed(task.payload.file)));
  const text = decoded(bytes);
  return { lines: text.split('\n').length - 1, words: text.match(/\S+/g)?.length ?? 0, sha256: await digest(bytes) };
}

/** The path of a file that may be read: a payload is data, and says where to look only within the directory. */
async function allowed(file: unknown): Promise<string> {
  if (typeof file !== 'string') throw new Error('the payload names no file');
  const root = await realpath(directory);
  const path = await realpath(join(root, file));
  if (!path.startsWith(root + sep)) throw new Error(`${JSON.stringify(file)} is outside of the directory`);
  return path;
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('not UTF-8 text');
  }
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
