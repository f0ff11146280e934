// Works off a queue: `worker.mjs ROOT RUN_ID [OPTIONS]`, options of `queue.work` as JSON. Tells what happens, a line
// each. The payload says what to do: `{ "millis": 100 }` takes so long, `{ "forever": true }` until the signal, `{
// "error": "…" }` fails.
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { openQueue } from '@muse/coord';

const [root, runId, options = '{}'] = process.argv.slice(2);
const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);

async function handle({ title, payload }, lease) {
  say('began', title, lease.generation);
  if (payload.error) throw new Error(payload.error);
  if (payload.forever) await sleep(1e9, undefined, { signal: lease.signal });
  await sleep(payload.millis ?? 0);
  return { by: runId };
}

const queue = await openQueue({ root, sync: true });
const worker = queue.work(handle, { runId, ...JSON.parse(options) });
for (const event of ['completed', 'failed', 'released', 'lost']) {
  worker.on(event, (lease, what) => say(event, lease.task.title, what?.message ?? ''));
}
say('ready');
await worker.done;
say('stopped');
