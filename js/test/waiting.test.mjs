import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openQueue } from '@muse/coord';
import {
  assertTakesLessThanOnePercent,
  freshQueue,
  isMeasured,
  leakWarnings,
  ofDirectories,
  repository,
} from './support.mjs';

test('a waiting claim starts within 50 ms of what another process enqueues', ofDirectories, async (t) => {
  const root = repository(t);
  const queue = await openQueue({ root });
  await queue.init();
  const late = [];
  for (let n = 0; n < 9; n += 1) {
    const waiting = queue.claim({ runId: 'r', wait: 30 });
    // So long that it has seen that there is nothing, and sleeps.
    await sleep(100);
    const env = { ...process.env, MUSE_COORD_SYNC: 'off' };
    const other = spawn(process.env.MUSE_BIN, ['coord', 'enqueue', 'later'], { cwd: root, env, stdio: 'ignore' });
    const ended = once(other, 'exit');
    const lease = await waiting;
    late.push(lease.record.claimedAt - lease.task.createdAt);
    await ended;
    await lease.complete();
  }
  late.sort((a, b) => a - b);
  t.diagnostic(`claimed after ${late.join(', ')} ms`);
  assert.ok(late[4] < 50, `${late}`);
});

test('a waiting claim starts soon after a task is given back', async (t) => {
  const queue = await freshQueue(t);
  await queue.enqueue({ title: 'a' });
  const lease = await queue.claim({ runId: 'r' });
  const waiting = queue.claim({ runId: 's', wait: 30 });
  const began = performance.now();
  await lease.release();
  await (await waiting).complete();
  assert.ok(performance.now() - began < 1500);
});

test('a claim waits as long as it is asked to, and no longer', async (t) => {
  const queue = await freshQueue(t);
  const began = performance.now();
  assert.equal(await queue.claim({ runId: 'r', wait: 1 }), undefined);
  const took = performance.now() - began;
  assert.ok(took >= 990 && took < 1200, `${took}`);
});

test('a waiting claim ends by its signal, with the reason, and has claimed nothing', async (t) => {
  const queue = await freshQueue(t);
  const stop = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => stop.abort(reason), 20);
  await assert.rejects(queue.claim({ runId: 'r', wait: 30, signal: stop.signal }), reason);
  await queue.enqueue({ title: 'a' });
  await assert.rejects(queue.claim({ runId: 'r', signal: stop.signal }), reason);
  assert.equal((await queue.stats()).counts.pending, 1);
});

test('many wait by one signal without a warning, and leave nothing on it', async (t) => {
  const queue = await freshQueue(t);
  const { taskId } = await queue.enqueue({ title: 'a', queue: 'other' });
  const warnings = leakWarnings(t);
  const stop = new AbortController();
  const { signal } = stop;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = function (...told) {
    listeners += 1;
    addEventListener.apply(this, told);
  };
  signal.removeEventListener = function (...told) {
    listeners -= 1;
    removeEventListener.apply(this, told);
  };
  const following = async () => {
    for await (const _ of queue.watch({ signal }));
  };
  const waits = () => [
    ...Array.from({ length: 11 }, () => queue.claim({ runId: 'r', queue: 'q', wait: 1, signal })),
    ...Array.from({ length: 11 }, () => queue.wait(taskId, { timeoutSeconds: 1, signal })),
  ];
  const ended = Promise.all(waits());
  await sleep(200);
  assert.equal(listeners, 1);
  await ended;
  assert.equal(listeners, 0);
  const left = Promise.allSettled([...waits(), ...Array.from({ length: 11 }, following)]);
  await sleep(200);
  stop.abort();
  const outcomes = await left;
  assert.deepEqual(outcomes.map(({ status }) => status), [
    ...Array(22).fill('rejected'),
    ...Array(11).fill('fulfilled'),
  ]);
  assert.equal(listeners, 0);
  assert.deepEqual(warnings, []);
});

test('waiting takes less than 1 % of a core', isMeasured, async (t) => {
  const queue = await freshQueue(t);
  await queue.init();
  await assertTakesLessThanOnePercent(t, queue.claim({ runId: 'r', wait: 8 }));
});
