// Enqueues tasks under unique keys, in rounds: `enqueuer.mjs ROOT ROUNDS KEYS`. A round begins as soon as there is a
// file `round-N` in ROOT. At its end a line tells, as JSON, what was answered for each key: the task, and whether it
// was there before; or the refusal.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { openQueue } from '@muse/coord';

const [root, rounds, keys] = process.argv.slice(2);
const queue = await openQueue({ root, sync: true });

async function answer(unique) {
  try {
    const { taskId, deduplicated } = await queue.enqueue({ title: unique, unique, runId: `enqueuer-${process.pid}` });
    return { taskId, deduplicated };
  } catch ({ code, message }) {
    return { code, message };
  }
}

console.log('ready');
for (let round = 1; round <= Number(rounds); round += 1) {
  // Without a pause, so that all of them begin at once.
  while (!existsSync(join(root, `round-${round}`)));
  const answers = [];
  for (let key = 0; key < Number(keys); key += 1) answers.push(await answer(`key-${key}`));
  console.log(JSON.stringify(answers));
}
