// Unique keys that several processes enqueue under at the same time.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openQueue } from '@muse/coord';
import { repository, start } from './support.mjs';

const [PROCESSES, ROUNDS, KEYS] = [3, 4, 50];

test('of three processes that enqueue under the same keys each is answered, and one task a key lives', async (t) => {
  const root = repository(t);
  const queue = await openQueue({ root, sync: false });
  const enqueuers = Array.from(
    { length: PROCESSES },
    () => start(t, 'enqueuer.mjs', root, [`${ROUNDS}`, `${KEYS}`], 'node'),
  );
  for (const enqueuer of enqueuers) assert.equal(await enqueuer.line(), 'ready');
  for (let round = 1; round <= ROUNDS; round += 1) {
    writeFileSync(join(root, `round-${round}`), '');
    const answers = await Promise.all(enqueuers.map(async (enqueuer) => JSON.parse(await enqueuer.line())));
    const wrong = answers.flat().filter(({ code }) => code !== undefined);
    const live = await queue.claimMany(PROCESSES * KEYS, { runId: 'r' });
    const keys = live.map(({ task }) => task.unique).sort();
    const once = Array.from({ length: KEYS }, (_, key) => `key-${key}`).sort();
    assert.deepEqual([wrong, keys], [[], once], `in round ${round}`);
    for (const { task } of live) {
      const told = answers.flat().filter(({ taskId }) => taskId === task.taskId);
      assert.deepEqual(told.map(({ deduplicated }) => deduplicated).sort(), [false, true, true], task.unique);
    }
    // So that the keys are free again: some by an end in success, some by a failure.
    for (const [n, lease] of live.entries()) await (n % 2 === 0 ? lease.complete() : lease.fail('no'));
  }
});
