// One process that works: it warms up on a backlog of its own, says so, waits for the signal, claims and completes
// until there is nothing left, and tells how many tasks it completed and when the last one was.
import process from 'node:process';
import { CONTENDERS, result, tasks } from './contenders.mjs';

const [name, directory, scratch, runId, withResult] = process.argv.slice(2);
const { fill, open } = CONTENDERS[name];

/** Enough for what is called in each cycle to be compiled. */
const WARM_UP = 1_000;

await fill(scratch, tasks(WARM_UP));
await work(await open(scratch, runId));
const queue = await open(directory, runId);
process.send('ready');
process.once('message', async () => process.send(await work(queue), () => process.disconnect()));

async function work(queue) {
  let completed = 0;
  let finishedAt = process.hrtime.bigint();
  for (;;) {
    const lease = await queue.claim();
    if (!lease) break;
    await queue.complete(lease, withResult === 'true' ? result(completed) : undefined);
    completed += 1;
    finishedAt = process.hrtime.bigint();
  }
  queue.close();
  return { completed, finishedAt: `${finishedAt}` };
}
